-- SPDX-License-Identifier: MIT
-- neap.h: filters.
local neap = require "neap"
local probe = require "spec.probe"
local pair = dofile "spec/io/pair.lua"
local loop = require "spec.support.loop"
local await = neap.await
local with_pair, fails, turn, started = pair.with_pair, pair.fails, pair.turn, pair.started

-- As with_pair, and every filter that fn sets is destroyed exactly once; fn returns their number.
local function with_filters(fn, options)
  return function()
    local destroyed, expected = probe.count "destroyed", nil
    with_pair(function(a, b) expected = fn(a, b) or 1 end, options)()
    collectgarbage()
    assert.equal(destroyed + expected, probe.count "destroyed")
  end
end

local function xor(text, mask) return (text:gsub(".", function(c) return string.char(c:byte() ~ mask) end)) end

describe("A filter", function()
  it("changes bytes in both directions", with_filters(function(a, b)
    probe.filter_set(a, "xor", 0x20)
    a:write("Hello", 1, "X")
    a:writelines { "y\n" }
    assert.equal("hELLO\x11xY*", await(b:read "l" and b:readexactly(9)))
    b:write(xor("answer\nmore", 0x20))
    assert.equal("answer", await(a:read "l"))
    assert.equal("more", await(a:readexactly(4)))
  end))

  it("on both ends gives what was written", with_filters(function(a, b)
    probe.filter_set(a, "frames")
    probe.filter_set(b, "frames")
    local text = ("0123456789"):rep(30000)
    local reader = neap.create_task(b:readexactly(#text))
    await(a:write(text))
    assert.equal(text, await(reader))
    a:write_eof()
    assert.is_nil(await(b:read(1)))
    b:write "and back"
    b:write_eof()
    assert.equal("and back", await(a:read "a"))
    return 2
  end))

  it("gets nothing before neap_filter_set has returned, then what was there first", with_filters(function(a, b)
    b:write(xor("before ", 1))
    pcall(await, neap.wait_for(a:readexactly(100), 0.005)) -- until it was received
    probe.filter_set(a, "xor", 1)
    b:write(xor("and after", 1))
    assert.equal("before and after", await(a:readexactly(16)))
  end))

  it("gets what was there also when the end comes with it", with_filters(function(a, b)
    b:write(xor("one", 1))
    pcall(await, neap.wait_for(a:readexactly(4), 0.005))
    probe.filter_set(a, "xor", 1)
    b:write(xor(" two", 1))
    b:write_eof()
    assert.equal("one two", await(a:read "a"))
  end))

  it("with bytes waiting may be closed or aborted at once", with_filters(function(a, b)
    b:write "aaa"
    a:write "bbb"
    pcall(await, neap.wait_for(a:readexactly(4), 0.005))
    pcall(await, neap.wait_for(b:readexactly(4), 0.005))
    probe.filter_set(a, "xor", 1)
    probe.filter_set(b, "xor", 1)
    a:close()
    b:abort()
    return 2
  end))

  it("may feed more than it got, and the reader gets all", with_filters(function(a, b)
    probe.filter_set(a, "many", 1000)
    b:write(("x"):rep(1000))
    b:write_eof()
    assert.equal(1000000, #await(a:read "a"))
  end))

  it("is told the end once, also if it does not pass it on", with_filters(function(a, b)
    local ended = probe.count "ended"
    local filter = probe.filter_set(a, "quiet", 1)
    b:write "a"
    b:write_eof()
    assert.equal("`", await(a:read(1)))
    turn(5)
    local reader = started(function() return await(a:read(1)) end)
    await(neap.sleep(0.005))
    assert.equal(ended + 1, probe.count "ended")
    assert.is_false(reader:done())
    probe.feed(filter, "late")
    assert.equal("l", await(reader))
    probe.feed_eof(filter)
    assert.equal("ate", await(a:read "a"))
    assert.equal(-4095, probe.feed(filter, "no more")) -- UV_EOF
    assert.equal(ended + 1, probe.count "ended")
  end))

  it("may end reading before the peer does", with_filters(function(a, b)
    local filter = probe.filter_set(a, "frames")
    b:write "\0\3abc\0\0"
    assert.equal("abc", await(a:read "a"))
    assert.is_true(a:at_eof())
    probe.feed_eof(filter)
    a:write "still writing"
    assert.equal("\0\13still writing", await(b:readexactly(15)))
  end))

  it("without ended, write_eof and destroy passes the end on", function()
    local filter
    with_pair(function(a, b)
      filter = probe.filter_set(a, "bare", 1)
      b:write(xor("text", 1))
      b:write_eof()
      assert.equal("text", await(a:read "a"))
      a:write_eof()
      assert.is_nil(await(b:read(1)))
    end)()
    probe.free(filter)
  end)

  it("sends what ends it, once, at write_eof or close", with_filters(function(a, b)
    local finished = probe.count "finished"
    probe.filter_set(a, "frames")
    a:write "x"
    a:write_eof()
    a:write_eof()
    a:close()
    assert.equal("\0\1x\0\0", await(b:read "a"))
    assert.equal(finished + 1, probe.count "finished")
  end))

  it("sends what ends it at close alone", with_filters(function(a, b)
    local finished = probe.count "finished"
    probe.filter_set(a, "frames")
    a:write "x"
    a:close()
    a:close()
    assert.equal("\0\1x\0\0", await(b:read "a"))
    assert.equal(finished + 1, probe.count "finished")
  end))

  it("sends nothing more at abort", with_filters(function(a, b)
    local finished = probe.count "finished"
    probe.filter_set(a, "frames")
    a:abort()
    assert.is_true(neap.is(fails(b:read "a"), neap.ConnectionResetError))
    assert.equal(finished, probe.count "finished")
  end))

  it("that sends after write_eof is refused, and reading goes on to its end", with_filters(function(a, b)
    local filter = probe.filter_set(a, "echo")
    a:write_eof()
    assert.equal(-32, probe.send(filter, "x")) -- UV_EPIPE
    b:write "to the end"
    assert.is_nil(await(b:read(1)))
    b:write_eof()
    assert.equal("to the end", await(a:read "a"))
  end))

  it("can send and feed by itself", with_filters(function(a, b)
    local filter = probe.filter_set(a, "echo")
    assert.equal(0, probe.send(filter, "hi"))
    assert.equal("hi", await(b:readexactly(2)))
    local reader = started(function() return await(a:read(10)) end)
    assert.equal(0, probe.feed(filter, "fed"))
    assert.equal(0, probe.feed(filter, ""))
    assert.equal(0, probe.send(filter, ""))
    assert.equal("fed", await(reader))
    b:write "ping"
    assert.equal("ping", await(a:readexactly(4)))
    assert.equal("ping", await(b:readexactly(4)))
  end))
end)

describe("A filter that fails", function()
  it("loses the connection with its message", with_filters(function(a, b)
    probe.filter_set(a, "fail", -71)
    local reader = started(function() return await(a:read(1)) end)
    b:write "x"
    local err = fails(reader)
    assert.equal("EPROTO", err.code)
    assert.matches("the filter is displeased", tostring(err))
    assert.matches("the filter is displeased", tostring(fails(a:read(1))))
    assert.matches("the filter is displeased", tostring(fails(a:write "x")))
    assert.matches("the filter is displeased", tostring(fails(a:wait_closed())))
    pcall(await, b:read(1))
  end))

  it("with a status alone loses it with that", with_filters(function(a, b)
    probe.filter_set(a, "status", -71)
    b:write "x"
    assert.equal("EPROTO", fails(a:read(1)).code)
    pcall(await, b:read(1))
  end))

  it("while Lua writes fails what is awaited, not the call", with_filters(function(a, b)
    probe.filter_set(a, "status", -71)
    local awaitable = a:write("x", "y")
    assert.equal("EPROTO", fails(awaitable).code)
    assert.equal("EPROTO", fails(a:read(1)).code)
    pcall(await, b:read(1))
  end))

  it("on its own account, first message first", with_filters(function(a, b)
    local filter = probe.filter_set(a, "xor", 1)
    probe.fail(filter, -71, "one")
    probe.fail(filter, -104, "two")
    local err = fails(a:read(1))
    assert.equal("EPROTO", err.code)
    assert.matches("one", tostring(err))
    assert.is_true(probe.feed(filter, "x") < 0)
    assert.is_true(probe.send(filter, "x") < 0)
    pcall(await, b:read(1))
  end))

  it("with a status that is none loses it all the same", with_filters(function(a, b)
    local filter = probe.filter_set(a, "xor", 1)
    probe.fail(filter, 0, "no status")
    assert.matches("no status", tostring(fails(a:read(1))))
    pcall(await, b:read(1))
  end))

  it("with what was there before loses it after neap_filter_set", with_filters(function(a, b)
    b:write "bytes"
    pcall(await, neap.wait_for(a:readexactly(6), 0.005))
    probe.filter_set(a, "fail", -71)
    assert.matches("the filter is displeased", tostring(fails(a:read(1))))
    pcall(await, b:read(1))
  end))
end)

describe("neap_filter_set", function()
  it("refuses what is no open stream, and leaves the filter to its caller", with_filters(function(a, b)
    assert.matches("neap.Stream", loop.failure(probe.filter_set, {}, "xor"))
    probe.filter_set(a, "xor", 1)
    assert.matches("has a filter already", tostring(loop.failure(probe.filter_set, a, "xor")))
    a:close()
    assert.matches("closed", tostring(loop.failure(probe.filter_set, a, "xor")))
    await(a:wait_closed())
    assert.matches("closed", tostring(loop.failure(probe.filter_set, a, "xor")))
    assert.is_nil(await(b:read(1)))
    assert.matches("has ended", tostring(loop.failure(probe.filter_set, b, "xor")))
  end))

  it("refuses a stream that a task reads from", with_filters(function(a, b)
    local reader = started(function() return await(a:read(1)) end)
    assert.matches("a task is reading", tostring(loop.failure(probe.filter_set, a, "xor")))
    reader:cancel()
    pcall(await, reader)
    probe.filter_set(a, "xor", 1)
    b:write "`"
    assert.equal("a", await(a:read(1)))
  end))

  it("lets no reader receive past the filter", with_filters(function(a, b)
    local block = ("x"):rep(8192)
    for _ = 1, 2 do -- large messages: the reader receives by itself
      b:write(block)
      assert.equal(8192, #await(a:readexactly(8192)))
      b:write(block)
      local n = 0
      repeat n = n + #await(a:read(65536)) until n == 8192
    end
    local reader = started(function() return await(a:read(65536)) end)
    b:write(xor("secret", 1))
    await(neap.sleep(0.002))
    if not reader:done() then
      reader:cancel()
      pcall(await, reader)
      probe.filter_set(a, "xor", 1)
      assert.equal("secret", await(a:readexactly(6)))
    else -- it was quicker
      probe.filter_set(a, "xor", 1)
    end
  end))
end)

describe("Back-pressure through a filter", function()
  it("stops reading from the socket, and goes on when Lua reads", with_filters(function(a, b)
    probe.filter_set(a, "xor", 1)
    local chunk, sent = ("y"):rep(65536), 0
    local writer = neap.create_task(function()
      for _ = 1, 200 do
        await(b:write(chunk))
        sent = sent + #chunk
      end
      b:write_eof()
    end)
    await(neap.sleep(0.05))
    assert.is_false(writer:done()) -- the kernel's buffers are full, and so is ours
    local got = 0
    for data in function() return await(a:read(1 << 20)) end do
      got = got + #data
      assert.equal("x", data:sub(1, 1))
    end
    assert.equal(200 * #chunk, got)
    await(writer)
  end))

  it("makes the writer wait", with_filters(function(a, b)
    probe.filter_set(a, "frames")
    local chunk = ("z"):rep(65000)
    local writer = started(function() for _ = 1, 200 do await(a:write(chunk)) end a:write_eof() end)
    await(neap.sleep(0.05))
    assert.is_false(writer:done())
    assert.is_true(a:get_write_buffer_size() > 0)
    probe.filter_set(b, "frames")
    assert.equal(200 * #chunk, #await(b:read "a"))
    await(writer)
    return 2
  end))
end)

describe("A stream with a filter", function()
  it("that is collected ends it in order", function()
    local destroyed, finished = probe.count "destroyed", probe.count "finished"
    loop.run(function()
      local got = neap.Future()
      local function take(stream) got:set_result(await(stream:read "a")) end
      local server <close> = await(neap.start_server(take, "127.0.0.1", 0))
      do
        local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        probe.filter_set(stream, "frames")
        stream:write "bye"
      end
      collectgarbage()
      collectgarbage()
      assert.equal("\0\3bye\0\0", await(neap.wait_for(got, 5)))
    end, { clock = "real" })
    assert.equal(destroyed + 1, probe.count "destroyed")
    assert.equal(finished + 1, probe.count "finished")
  end)

  it("that is closed with much unsent flushes it through", with_filters(function(a, b)
    probe.filter_set(a, "xor", 1)
    a:write(("y"):rep(3000000))
    a:close()
    local n = 0
    for data in function() return await(b:read(1 << 20)) end do n = n + #data end
    assert.equal(3000000, n)
  end))

  it("that the peer resets destroys it once", with_filters(function(a, b)
    probe.filter_set(a, "xor", 1)
    b:abort()
    assert.is_true(neap.is(fails(a:read(1)), neap.ConnectionResetError))
  end))
end)
