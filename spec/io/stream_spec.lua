-- SPDX-License-Identifier: MIT
local neap = require "neap"
local await = neap.await

local CONN_ERRORS = { ECONNRESET = true, EPIPE = true }

-- Runs fn(a, b) in the loop with the two ends of a connection; what is left open is closed after.
local function with_pair(fn, options)
  return function()
    neap.run(function()
      local accepted = neap.Future()
      local done = neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        accepted:set_result(stream)
        await(done)
      end, "127.0.0.1", 0, options))
      local a <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port, options))
      local b <close> = await(accepted)
      fn(a, b)
      done:set_result()
    end)
  end
end

local function fails(awaitable)
  local ok, err = pcall(await, awaitable)
  assert.is_false(ok)
  return err
end

local function raises(class, awaitable, code)
  local err = fails(awaitable)
  assert.is_true(neap.is(err, class), tostring(err))
  if code then assert.equal(code, err.code) end
  return err
end

-- Lets everything that is ready run.
local function turn(n)
  for _ = 1, n or 5 do await(neap.sleep(0)) end
end

-- Starts a task and lets it come to its first await.
local function started(fn)
  local task = neap.create_task(fn)
  turn(2)
  return task
end

-- Writes until the kernel takes no more.
local function fill(stream)
  local chunk = ("x"):rep(65536)
  repeat stream:write(chunk) until stream:get_write_buffer_size() > 4 * 65536
end

describe("Stream", function()
  describe("reading", function()
    it("gives what is there, at most n bytes", with_pair(function(a, b)
      a:write("abcdef")
      assert.equal("abc", await(b:read(3)))
      assert.equal("def", await(b:read(100)))
    end))

    it("does not suspend when bytes are there", with_pair(function(a, b)
      a:write("abcdef")
      assert.equal("a", await(b:read(1)))
      local ran = false
      neap.call_soon(function() ran = true end)
      assert.equal("bc", await(b:read(2)))
      assert.equal("def", await(b:readexactly(3)))
      assert.is_false(ran)
    end))

    it("gives an empty string for no bytes, also at the end", with_pair(function(a, b)
      assert.equal("", await(b:read(0)))
      assert.equal("", await(b:readexactly(0)))
      a:write_eof()
      assert.is_nil(await(b:read(1)))
      assert.equal("", await(b:read(0)))
    end))

    it("gives nil at the end of stream, each time", with_pair(function(a, b)
      a:write("x")
      a:write_eof()
      assert.equal("x", await(b:read(10)))
      for _ = 1, 2 do
        assert.is_nil(await(b:read(10)))
        assert.is_nil(await(b:read("l")))
        assert.is_nil(await(b:read("L")))
        assert.is_nil(await(b:readline()))
        assert.equal("", await(b:read("a")))
      end
      assert.is_true(b:at_eof())
    end))

    it("reads all", with_pair(function(a, b)
      local text = ("0123456789"):rep(100000)
      local writer = neap.create_task(function()
        await(a:write(text))
        a:write_eof()
      end)
      assert.equal(text, await(b:read("a")))
      await(writer)
      b:write("back")
      b:write_eof()
      assert.equal("back", await(a:read()))
      assert.equal("", await(a:read(-1)))
    end))

    it("reads lines", with_pair(function(a, b)
      a:write("one\ntwo\n\nfour\r\nfive")
      a:write_eof()
      assert.equal("one", await(b:read("l")))
      assert.equal("two\n", await(b:read("L")))
      assert.equal("\n", await(b:readline()))
      assert.equal("four\r", await(b:read("*l")))
      assert.equal("five", await(b:readline()))
      assert.is_nil(await(b:readline()))
    end))

    it("iterates over lines", with_pair(function(a, b)
      local writer = neap.create_task(function()
        for _, piece in ipairs { "on", "e\ntw", "o\n", "\nthr", "ee" } do
          await(a:write(piece))
          turn()
        end
        a:write_eof()
      end)
      local lines = {}
      for line in b:lines() do lines[#lines + 1] = line end
      assert.same({ "one", "two", "", "three" }, lines)
      b:write("x\ny\n")
      b:write_eof()
      lines = {}
      for line in a:lines("L") do lines[#lines + 1] = line end
      assert.same({ "x\n", "y\n" }, lines)
      await(writer)
    end))

    it("reads exactly n bytes", with_pair(function(a, b)
      local reader = started(function() return await(b:readexactly(5)) end)
      a:write("ab")
      turn()
      assert.is_false(reader:done())
      a:write("cdefg")
      assert.equal("abcde", await(reader))
      assert.equal("fg", await(b:readexactly(2)))
    end))

    it("raises IncompleteReadError with what there was", with_pair(function(a, b)
      a:write("abc")
      a:write_eof()
      local err = raises(neap.IncompleteReadError, b:readexactly(5))
      assert.equal("abc", err.partial)
      assert.equal(5, err.expected)
      err = raises(neap.IncompleteReadError, b:readexactly(2))
      assert.equal("", err.partial)
    end))

    it("reads until the separator that ends first", with_pair(function(a, b)
      a:write("one;two--three==four\nrest")
      assert.equal("one;", await(b:readuntil(";")))
      assert.equal("two--", await(b:readuntil { "==", "--" }))
      assert.equal("three==", await(b:readuntil { "four", "==" }))
      assert.equal("four\n", await(b:readuntil()))
      a:write_eof()
      local err = raises(neap.IncompleteReadError, b:readuntil("\n"))
      assert.equal("rest", err.partial)
      assert.is_nil(err.expected)
      assert.equal("", raises(neap.IncompleteReadError, b:readuntil("\n")).partial)
    end))

    it("finds separators and counts wherever the bytes are cut", function()
      local text = "ab\r\ncd\r\n\r\nxyz"
      for cut = 0, #text do
        with_pair(function(a, b)
          local reader = started(function()
            local first = await(b:readuntil("\r\n"))
            local second = await(b:readuntil { "\r\n\r\n", "nothing like it" })
            return first, second, await(b:readexactly(2)), await(b:read("a"))
          end)
          a:write(text:sub(1, cut))
          turn()
          a:write(text:sub(cut + 1))
          a:write_eof()
          assert.same({ "ab\r\n", "cd\r\n\r\n", "xy", "z" }, { await(reader) })
        end)()
      end
    end)

    it("gives every byte in order when all arrive alone", with_pair(function(a, b)
      local text = "the quick brown fox\njumps over\n"
      local reader = started(function() return await(b:readline()), await(b:readexactly(5)), await(b:read("l")) end)
      for i = 1, #text do
        a:write(text:sub(i, i))
        turn(2)
      end
      assert.same({ "the quick brown fox\n", "jumps", " over" }, { await(reader) })
    end))

    it("can await an operation again and again", with_pair(function(a, b)
      local line = b:readline()
      a:write("1\n2\n")
      assert.equal("1\n", await(line))
      assert.equal("2\n", await(line))
    end))

    it("refuses a second reader", with_pair(function(a, b)
      local reader = started(function() return await(b:read(1)) end)
      local err = raises(neap.RuntimeError, b:read(1))
      assert.matches("already reading", err.message)
      a:write("x")
      assert.equal("x", await(reader))
      a:write("y")
      assert.equal("y", await(b:read(1)))
    end))

    it("loses no byte when it is cancelled", with_pair(function(a, b)
      for _, operation in ipairs { b:read(10), b:read("a"), b:readexactly(10), b:readuntil("!"), b:readline() } do
        local reader = started(function() await(operation) end)
        reader:cancel()
        assert.is_true(neap.is(fails(reader), neap.CancelledError))
      end
      local reader = started(function() await(b:readexactly(10)) end)
      a:write("12345")
      turn()
      reader:cancel()
      assert.is_true(neap.is(fails(reader), neap.CancelledError))
      a:write("67890")
      assert.equal("1234567890", await(b:readexactly(10)))
    end))

    it("loses no byte when it is cancelled after they came", with_pair(function(a, b)
      local reader
      reader = started(function() await(b:read(10)) end)
      a:write("abc")
      repeat
        turn(1)
        reader:cancel()
      until reader:done()
      if not reader:cancelled() then return end
      assert.equal("abc", await(b:read(10)))
    end))
  end)

  describe("limits", function()
    it("raises LimitOverrunError and keeps the bytes in readuntil", with_pair(function(a, b)
      a:write(("x"):rep(200))
      local err = raises(neap.LimitOverrunError, b:readuntil("\r\n"))
      assert.equal(199, err.consumed)
      a:write(";")
      assert.equal(("x"):rep(200), await(b:readexactly(200)))
      assert.equal(";", await(b:readuntil(";")))
      a:write(("y"):rep(120), ";")
      turn()
      err = raises(neap.LimitOverrunError, b:readuntil(";"))
      assert.is_true(err.consumed >= 100)
      assert.equal(("y"):rep(120) .. ";", await(b:readexactly(121)))
    end, { limit = 100 }))

    it("raises LimitOverrunError and drops the line in readline", with_pair(function(a, b)
      a:write(("x"):rep(120), "\nshort\n")
      await(b:readexactly(1))
      raises(neap.LimitOverrunError, b:readline())
      assert.equal("short\n", await(b:readline()))
      a:write(("x"):rep(101))
      raises(neap.LimitOverrunError, b:read("l"))
      a:write("next\n")
      assert.equal("next", await(b:read("l")))
    end, { limit = 100 }))

    it("takes a line just as long as the limit", with_pair(function(a, b)
      local line = ("x"):rep(100)
      a:write(line, "\n", line, ";")
      assert.equal(line, await(b:read("l")))
      assert.equal(line .. ";", await(b:readuntil(";")))
    end, { limit = 100 }))

    it("stops reading above twice the limit and goes on below it", with_pair(function(a, b)
      local total = 8 * 1024 * 1024
      local writer = started(function()
        await(a:write(("x"):rep(total)))
        await(a:drain())
        a:write_eof()
      end)
      for _ = 1, 200 do await(neap.sleep(0)) end
      assert.is_false(writer:done())
      assert.is_true(a:get_write_buffer_size() > 0)
      local got = 0
      while true do
        local data = await(b:read(100000))
        if not data then break end
        got = got + #data
      end
      assert.equal(total, got)
      await(writer)
    end, { limit = 1000 }))

    it("reads more than twice the limit when asked for it", with_pair(function(a, b)
      local text = ("0123456789"):rep(1000)
      a:write(text)
      assert.equal(text, await(b:readexactly(#text)))
      a:write(text)
      a:write_eof()
      turn()
      assert.equal(text, await(b:read("a")))
    end, { limit = 10 }))
  end)

  describe("writing", function()
    it("takes strings and numbers, any number of them", with_pair(function(a, b)
      a:write()
      a:write("")
      a:write("a", 1, 2.5, "b")
      a:write(table.unpack((function()
        local t = {}
        for i = 1, 40 do t[i] = i % 10 end
        return t
      end)()))
      a:writelines { "x", 7, "y" }
      a:writelines {}
      a:write_eof()
      assert.equal("a12.5b" .. ("1234567890"):rep(4) .. "x7y", await(b:read("a")))
    end))

    it("returns one awaitable that is ready while little is buffered", with_pair(function(a)
      local ran = false
      neap.call_soon(function() ran = true end)
      local first = a:write("x")
      assert.equal(first, a:write("y"))
      assert.equal(first, a:drain())
      await(first)
      assert.is_false(ran)
    end))

    it("waits above the high-water mark until the peer reads", with_pair(function(a, b)
      fill(a)
      local drained = started(function() await(a:drain()) end)
      local also = started(function() await(a:write("!")) end)
      turn(20)
      assert.is_false(drained:done())
      assert.is_false(also:done())
      local reader = neap.create_task(function()
        local last
        repeat
          local data = await(b:read(1 << 20))
          last = data or last
        until not data
        return last:sub(-1)
      end)
      await(drained)
      await(also)
      assert.is_true(a:get_write_buffer_size() <= 16384)
      a:write_eof()
      assert.equal("!", await(reader))
    end))

    it("can set the marks", with_pair(function(a, b)
      fill(a)
      a:set_write_buffer_limits { high = 1 << 30 }
      await(a:drain())
      a:set_write_buffer_limits { high = 0 }
      local drained = started(function() await(a:drain()) end)
      assert.is_false(drained:done())
      local reader = neap.create_task(function() while await(b:read(1 << 20)) do end end)
      await(drained)
      assert.equal(0, a:get_write_buffer_size())
      a:close()
      await(reader)
      assert.has_error(function() a:set_write_buffer_limits { high = 1, low = 2 } end)
      assert.has_error(function() a:set_write_buffer_limits { high = -1 } end)
    end))

    it("keeps the order of what the kernel did not take at once", with_pair(function(a, b)
      local pieces, n = {}, 300
      for i = 1, n do pieces[i] = ("%08d"):format(i):rep(1000) end
      local writer = neap.create_task(function()
        for i = 1, n do
          if i % 7 == 0 then await(a:write(pieces[i])) else a:write(pieces[i]) end
        end
        a:write_eof()
      end)
      assert.is_true(table.concat(pieces) == await(b:read("a")))
      await(writer)
    end))

    it("goes on in both directions at once", with_pair(function(a, b)
      local text = ("abcdefghij"):rep(200000)
      local function both(stream)
        return neap.create_task(function()
          local writer = neap.create_task(function()
            await(stream:write(text))
            await(stream:drain())
            stream:write_eof()
          end)
          local got = await(stream:read("a"))
          await(writer)
          return got == text
        end)
      end
      local one, other = both(a), both(b)
      assert.is_true(await(one))
      assert.is_true(await(other))
    end))

    it("survives the cancellation of a drain", with_pair(function(a, b)
      fill(a)
      local one = started(function() await(a:drain()) end)
      local other = started(function() await(a:drain()) end)
      one:cancel()
      assert.is_true(neap.is(fails(one), neap.CancelledError))
      local reader = neap.create_task(function() while await(b:read(1 << 20)) do end end)
      await(other)
      a:close()
      await(reader)
    end))

    it("ends its side with write_eof and still reads", with_pair(function(a, b)
      assert.is_true(a:can_write_eof())
      a:write("question")
      a:write_eof()
      a:write_eof()
      assert.equal("question", await(b:read("a")))
      local ok, err = pcall(a.write, a, "more")
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.RuntimeError))
      await(a:drain())
      await(b:write("answer"))
      b:close()
      assert.equal("answer", await(a:read("a")))
    end))

    it("sends the end after what is buffered", with_pair(function(a, b)
      fill(a)
      local size = 0
      a:write("last")
      a:write_eof()
      local tail
      while true do
        local data = await(b:read(1 << 20))
        if not data then break end
        size, tail = size + #data, data
      end
      assert.equal("last", tail:sub(-4))
    end))
  end)

  describe("closing", function()
    it("sends everything before it closes", with_pair(function(a, b)
      local text = ("0123456789"):rep(300000)
      a:write(text)
      a:close()
      a:close()
      assert.is_true(a:is_closing())
      local waiting = started(function() await(a:wait_closed()) end)
      assert.is_false(waiting:done())
      assert.is_true(await(b:read("a")) == text)
      await(waiting)
      await(a:wait_closed())
    end))

    it("wakes whoever waits in it", with_pair(function(a)
      fill(a)
      local reader = started(function() await(a:read(1)) end)
      local drainer = started(function() await(a:drain()) end)
      local closer = started(function() await(a:wait_closed()) end)
      a:close()
      raises(neap.ConnectionAbortedError, reader, "ECONNABORTED")
      raises(neap.ConnectionAbortedError, drainer, "ECONNABORTED")
      assert.is_false(closer:done())
      a:abort()
      await(closer)
    end))

    it("makes later reads and writes fail, but gives what was received", with_pair(function(a, b)
      b:write("line\nrest")
      assert.equal("line", await(a:read("l")))
      a:close()
      assert.equal("rest", await(a:read(100)))
      for _ = 1, 2 do
        raises(neap.ConnectionAbortedError, a:read(1))
        raises(neap.ConnectionAbortedError, a:read("a"))
        raises(neap.ConnectionAbortedError, a:readexactly(1))
        raises(neap.ConnectionAbortedError, a:readuntil("x"))
        raises(neap.ConnectionAbortedError, a:write("x"))
        raises(neap.ConnectionAbortedError, a:drain())
      end
      a:write_eof()
    end))

    it("lets others run when a closed stream is drained", with_pair(function(a)
      a:close()
      local ran = false
      neap.call_soon(function() ran = true end)
      raises(neap.ConnectionAbortedError, a:drain())
      assert.is_true(ran)
    end))

    it("shows the peer the end of stream", with_pair(function(a, b)
      local reader = started(function() return await(b:read(1)) end)
      a:close()
      assert.is_nil(await(reader))
      await(a:wait_closed())
    end))

    it("wakes a writer when the peer goes away", with_pair(function(a, b)
      fill(a)
      local drainer = started(function() await(a:drain()) end)
      b:abort()
      local err = fails(drainer)
      assert.is_true(neap.is(err, neap.ConnectionError), tostring(err))
      assert.is_true(CONN_ERRORS[err.code])
      for _ = 1, 2 do assert.is_true(neap.is(fails(a:write("x")), neap.ConnectionError)) end
    end))

    it("raises, and does not end the process, when it writes to a peer that is gone", with_pair(function(a, b)
      b:close()
      await(b:wait_closed())
      local err
      repeat
        local ok
        ok, err = pcall(await, a:write("x"))
        turn(2)
      until not ok
      assert.is_true(neap.is(err, neap.ConnectionError), tostring(err))
      assert.is_true(CONN_ERRORS[err.code])
    end))

    it("gives what the peer sent before it went away, though writing fails", with_pair(function(a, b)
      b:write("answer")
      b:close()
      await(b:wait_closed())
      repeat turn(2) until not pcall(await, a:write("x"))
      assert.equal("answer", await(a:readexactly(6)))
    end))

    it("is scoped by <close>", with_pair(function(a, b)
      do
        local scoped <close> = a
        scoped:write("bye")
      end
      assert.is_true(a:is_closing())
      assert.equal("bye", await(b:read("a")))
    end))

    it("can be cancelled in wait_closed", with_pair(function(a)
      local one = started(function() await(a:wait_closed()) end)
      local other = started(function() await(a:wait_closed()) end)
      one:cancel()
      assert.is_true(neap.is(fails(one), neap.CancelledError))
      a:close()
      await(other)
    end))
  end)

  describe("abort", function()
    it("drops what is buffered and resets the connection", with_pair(function(a, b)
      fill(a)
      a:abort()
      a:abort()
      await(a:wait_closed())
      local err
      repeat
        local ok, data = pcall(await, b:read(1 << 20))
        assert.is_not_nil(data)
        if not ok then err = data end
      until not ok
      assert.is_true(neap.is(err, neap.ConnectionResetError), tostring(err))
    end))

    it("gives what was received and then the error, each time", with_pair(function(a, b)
      a:write("line\nrest")
      assert.equal("line", await(b:read("l")))
      a:abort()
      await(a:wait_closed())
      turn()
      local err
      repeat -- until the reset has arrived
        local ok
        ok, err = pcall(await, b:readexactly(100))
      until not ok
      assert.is_true(neap.is(err, neap.ConnectionResetError), tostring(err))
      raises(neap.ConnectionResetError, b:read("a"), "ECONNRESET")
      assert.equal("rest", await(b:read(100)))
      raises(neap.ConnectionResetError, b:read(100), "ECONNRESET")
      raises(neap.ConnectionResetError, b:readline(), "ECONNRESET")
      raises(neap.ConnectionResetError, b:write("x"), "ECONNRESET")
      raises(neap.ConnectionResetError, b:wait_closed(), "ECONNRESET")
      assert.is_true(b:is_closing())
    end))

    it("wakes whoever waits in it", with_pair(function(a)
      fill(a)
      local reader = started(function() await(a:read(1)) end)
      local drainer = started(function() await(a:drain()) end)
      a:abort()
      raises(neap.ConnectionAbortedError, reader)
      raises(neap.ConnectionAbortedError, drainer)
    end))
  end)

  it("tells about itself", with_pair(function(a, b)
    local peer, own = a:get_extra_info("peername"), a:get_extra_info("sockname")
    assert.same(peer, b:get_extra_info("sockname"))
    assert.same(own, b:get_extra_info("peername"))
    assert.equal("127.0.0.1", peer.ip)
    assert.equal("inet", peer.family)
    assert.equal("integer", math.type(a:get_extra_info("socket")))
    assert.is_nil(a:get_extra_info("nothing"))
    assert.equal(7, a:get_extra_info("nothing", 7))
    local path = ("127.0.0.1:%d -> 127.0.0.1:%d)"):format(own.port, peer.port)
    assert.equal("neap.Stream (open, " .. path, tostring(a))
    b:write_eof()
    assert.is_nil(await(a:read(1)))
    assert.equal("neap.Stream (open, at end of stream, " .. path, tostring(a))
    a:close()
    assert.equal("neap.Stream (closing, " .. path, tostring(a))
    await(a:wait_closed())
    assert.equal("neap.Stream (closed, " .. path, tostring(a))
    assert.is_nil(a:get_extra_info("socket"))
    assert.same(peer, a:get_extra_info("peername"))
  end))

  it("is closed when nobody refers to it", function()
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream) await(stream:read("a")) end, "127.0.0.1", 0))
      local function lose()
        await(neap.open_connection("127.0.0.1", server:getsockname().port)):write("x")
        turn()
      end
      await(neap.create_task(lose))
      server:close()
      local closed = neap.create_task(function() await(server:wait_closed()) end)
      repeat
        collectgarbage()
        await(neap.sleep(0.001))
      until closed:done()
    end)
  end)

  it("is reported in debug mode when it was never closed", function()
    local reports = {}
    neap.run(function()
      neap.set_exception_handler(function(context) reports[#reports + 1] = context.message end)
      local server <close> = await(neap.start_server(function(stream) await(stream:read("a")) end, "127.0.0.1", 0))
      local function lose() await(neap.open_connection("127.0.0.1", server:getsockname().port)) end
      await(neap.create_task(lose))
      turn()
      collectgarbage()
      collectgarbage()
    end, { debug = true })
    local text = table.concat(reports, "\n")
    assert.matches("neap.Stream %(open, .*%) was never closed %(made at .*stream_spec.lua:%d+%)", text)
  end)

  it("refuses what makes no sense, at once", with_pair(function(a)
    local function bad(pattern, method, ...)
      local ok, err = pcall(a[method], a, ...)
      assert.is_false(ok, method)
      assert.matches(pattern, tostring(err))
    end
    bad("number of bytes", "read", {})
    bad("negative", "read", -2)
    bad("integer", "read", 1.5)
    bad("integer", "read", 0 / 0)
    bad("invalid format", "read", "x")
    bad("invalid format", "read", "")
    bad("number of bytes", "readexactly")
    bad("number of bytes", "readexactly", "5")
    bad("negative", "readexactly", -1)
    bad("empty", "readuntil", "")
    bad("empty", "readuntil", {})
    bad("empty", "readuntil", { "a", "" })
    bad("separator", "readuntil", 5)
    bad("separator", "readuntil", { 5 })
    bad("format", "lines", "a")
    bad("format", "lines", 5)
    bad("string or number expected, got nil", "write", nil)
    bad("string or number expected, got table", "write", "a", {})
    bad("table expected", "writelines", "x")
    bad("item 2: string or number expected, got boolean", "writelines", { "x", true })
    assert.has_error(function() a.read({}) end)
    assert.has_error(function() a.read() end)
    assert.has_error(function() neap.Stream() end)
  end))
end)
