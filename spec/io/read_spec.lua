-- SPDX-License-Identifier: MIT
local neap = require "neap"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local with_pair, fails, raises, turn, started = pair.with_pair, pair.fails, pair.raises, pair.turn, pair.started

describe("Stream", function()
  describe("reading", function()
    it("gives what is there, at most n bytes", with_pair(function(a, b)
      a:write("abcdef")
      assert.equal("abc", await(b:read(3)))
      assert.equal("def", await(b:read(100)))
    end))

    it("keeps the rest in order when more comes behind what was read", with_pair(function(a, b)
      local sent, got = {}, {}
      local function send(n)
        local data = string.char(97 + #sent % 26):rep(n - 1) .. "."
        sent[#sent + 1] = data
        await(a:write(data))
      end
      local function take(n) got[#got + 1] = await(b:readexactly(n)) end
      send(3000)
      take(2000) -- leaves 1,000 bytes behind a gap of 2,000
      send(2000) -- fits when they move to the front
      turn(3)
      take(500)
      send(3000) -- does not fit: the buffer grows
      turn(3)
      take(1)
      send(900)
      turn(3)
      take(2500 - 1 + 3000 + 900)
      assert.equal(table.concat(sent), table.concat(got))
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

    it("iterates by an iterator that stands alone", with_pair(function(a, b)
      a:write("one\ntwo\nthree\n")
      a:write_eof()
      local step = b:lines()
      assert.equal("one", step())
      assert.equal("two\n", b:lines("L")())
      assert.equal("three", step())
      assert.is_nil(step())
      assert.is_nil(step())
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

    it("tells how many bytes were missed, however many", with_pair(function(a, b)
      a:write("abc")
      a:write_eof()
      local err = raises(neap.IncompleteReadError, b:readexactly(1 << 40))
      assert.equal("the stream ended after 3 bytes, 1099511627776 expected", err.message)
      assert.equal(1 << 40, err.expected)
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

    it("loses no byte of large messages when it is cancelled, and sees their end", with_pair(function(a, b)
      local message = ("m"):rep(20000)
      a:write(message)
      local got = 0
      while got < #message do got = got + #await(b:read(65536)) end
      for steps = 0, 4 do
        local reader = started(function() return await(b:read(65536)) end)
        a:write(message)
        turn(steps)
        reader:cancel()
        local ok, data = pcall(await, reader)
        local size = ok and #data or 0
        if size < #message then assert.equal(#message - size, #await(b:readexactly(#message - size))) end
      end
      local reader = started(function() return await(b:read(10)), await(b:read(65536)), await(b:read(65536)) end)
      a:write(("n"):rep(50))
      a:write_eof()
      assert.same({ ("n"):rep(10), ("n"):rep(40) }, { await(reader) })
    end))

    it("gives each of more readers than run between two polls its large messages", function()
      neap.run(function()
        local server <close> = await(neap.start_server(function(stream)
          for data in function() return await(stream:read(65536)) end do await(stream:write(data)) end
        end, "127.0.0.1", 0, { backlog = 200 }))
        local port = server:getsockname().port
        local clients = {}
        for i = 1, 150 do
          clients[i] = function()
            local stream <close> = await(neap.open_connection("127.0.0.1", port))
            for round = 1, 3 do
              local message = ("%d %d;"):format(i, round):rep(2000)
              stream:write(message)
              assert.equal(message, await(stream:readexactly(#message)))
            end
          end
        end
        await(neap.gather(clients))
      end)
    end)
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
end)
