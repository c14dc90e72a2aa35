-- SPDX-License-Identifier: MIT
-- neap.h: how streams with filters end, and what filters tell of themselves.
local neap = require "neap"
local probe = require "spec.probe"
local pair = dofile "spec/io/pair.lua"
local loop = require "spec.support.loop"
local await = neap.await
local with_pair, fails, turn, started = pair.with_pair, pair.fails, pair.turn, pair.started

describe("A filter that lingers", function()
  it("goes on receiving after close, until the peer's end", with_pair(function(a, b)
    local ended, filter = probe.count "ended", probe.filter_set(a, "echo")
    probe.linger(filter, 30)
    a:write "bye"
    a:close()
    assert.is_true(a:is_closing())
    local waiter = started(function() return await(a:wait_closed()) end)
    assert.equal("bye", await(b:readexactly(3)))
    b:write "is dropped"
    await(neap.sleep(0.005))
    assert.is_false(waiter:done())
    b:write_eof()
    await(neap.wait_for(waiter, 5))
    assert.equal(ended, probe.count "ended")
    assert.is_nil(await(b:read(1)))
  end))

  it("is closed when it feeds the end", with_pair(function(a, b)
    probe.linger(probe.filter_set(a, "frames"), 30)
    a:close()
    b:write "\0\3abc\0"
    turn()
    local waiter = started(function() return await(a:wait_closed()) end)
    assert.is_false(waiter:done())
    b:write "\0"
    await(neap.wait_for(waiter, 5))
  end))

  it("is closed at once when it has had the end", with_pair(function(a, b)
    probe.linger(probe.filter_set(a, "frames"), 30)
    b:write "\0\0"
    assert.is_nil(await(a:read(1)))
    a:close()
    await(neap.wait_for(a:wait_closed(), 5))
  end))

  it("is closed when time is up, with a TimeoutError", with_pair(function(a)
    probe.linger(probe.filter_set(a, "xor", 1), 0.01)
    a:close()
    assert.is_true(neap.is(fails(neap.wait_for(a:wait_closed(), 5)), neap.TimeoutError))
  end))

  it("does not wait for ever until a peer has taken what was written", with_pair(function(a)
    probe.linger(probe.filter_set(a, "frames"), 0.02)
    pair.fill(a)
    a:close()
    assert.is_true(neap.is(fails(neap.wait_for(a:wait_closed(), 5)), neap.TimeoutError))
  end))

  it("goes on reading if it was stopped", with_pair(function(a, b)
    probe.linger(probe.filter_set(a, "xor", 1), 30)
    local writer = neap.create_task(function()
      for _ = 1, 200 do await(b:write(("y"):rep(65536))) end
      b:close()
    end)
    await(neap.sleep(0.05))
    assert.is_false(writer:done())
    a:close()
    await(neap.wait_for(a:wait_closed(), 20))
    await(writer)
  end))

  it("may be aborted, fail or be reset meanwhile", function()
    for _, how in ipairs { "abort", "fail", "reset" } do
      with_pair(function(a, b)
        local filter = probe.filter_set(a, "xor", 1)
        probe.linger(filter, 30)
        a:close()
        turn()
        if how == "abort" then a:abort() elseif how == "fail" then probe.fail(filter, -71, "x") else b:abort() end
        await(neap.wait_for(a:wait_closed(), 5))
      end)()
    end
  end)

  it("may be forgotten", function()
    local destroyed = probe.count "destroyed"
    loop.run(function()
      local got = neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        got:set_result(await(stream:read "a"))
      end, "127.0.0.1", 0))
      do
        local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        probe.linger(probe.filter_set(stream, "frames"), 30)
      end
      collectgarbage()
      collectgarbage()
      server:close()
      pcall(await, neap.wait_for(server:wait_closed(), 0.02))
      server:abort_clients()
      await(neap.wait_for(server:wait_closed(), 5))
      assert.is_false(got:done())
      while probe.count "destroyed" == destroyed do await(neap.sleep(0.001)) end
    end, { clock = "real" })
  end)
end)

describe("A filter that fails", function()
  it("still sends what it has sent", with_pair(function(a, b)
    local filter = probe.filter_set(a, "xor", 1)
    probe.send(filter, "the reason is this")
    probe.fail(filter, -71, "this")
    assert.equal("the reason is this", await(b:read "a"))
    assert.matches("this", tostring(fails(a:wait_closed())))
  end))

  it("gives the error that it makes to everybody", with_pair(function(a)
    local forgiven, filter = probe.count "forgiven", probe.filter_set(a, "xor", 1)
    local reader = started(function() return await(a:read(1)) end)
    probe.fail_with(filter, -71, 42)
    probe.fail_with(filter, -71, 43)
    assert.equal(forgiven + 1, probe.count "forgiven")
    assert.equal(42, fails(reader))
    assert.equal(42, fails(a:read(1)))
    assert.equal(42, fails(a:write "x"))
    assert.equal(42, fails(a:wait_closed()))
    assert.equal(42, fails(a:drain()))
  end))

  it("forgets its error with the stream", function()
    collectgarbage()
    collectgarbage()
    local forgiven = probe.count "forgiven"
    with_pair(function(a) probe.fail_with(probe.filter_set(a, "xor", 1), -71, 1) end)()
    collectgarbage()
    collectgarbage()
    assert.equal(forgiven + 1, probe.count "forgiven")
  end)
end)

describe("A filter is told that all is over", function()
  local function told(status, fn)
    return with_pair(function(a, b)
      local over = probe.count "over"
      local filter = probe.filter_set(a, "xor", 1)
      fn(a, b, filter)
      assert.equal(over + 1, probe.count "over")
      assert.equal(status, probe.count "over_status")
      a:abort()
      assert.equal(over + 1, probe.count "over")
    end)
  end

  it("by close", told(-103, function(a) a:close() end))
  it("by abort", told(-103, function(a) a:abort() end))
  it("by its own failure", told(-71, function(_, _, filter) probe.fail(filter, -71) end))
  it("by the peer", told(-104, function(a, b)
    b:abort()
    fails(a:read(1))
  end))
end)

describe("A filter", function()
  it("may make what it feeds in the stream's own room", with_pair(function(a, b)
    probe.filter_set(a, "room", 1)
    for _, size in ipairs { 1, 100, 5000, 60000, 300000 } do
      local text = ("y"):rep(size)
      local writer = neap.create_task(b:write(text))
      assert.equal(("x"):rep(size), await(a:readexactly(size)))
      await(writer)
      writer = neap.create_task(b:write(text))
      local n = 0
      while n < size do n = n + #await(a:read(65536)) end
      await(writer)
    end
    b:write(("y"):rep(20000))
    await(neap.sleep(0.005))
    b:write "z"
    assert.equal(("x"):rep(20000) .. "{", await(a:readexactly(20001)))
  end))

  it("tells what it knows by get_extra_info", with_pair(function(a)
    assert.equal(5, a:get_extra_info("mask", 5))
    probe.filter_set(a, "xor", 9)
    assert.equal(9, a:get_extra_info "mask")
    assert.equal("none", a:get_extra_info("else", "none"))
    assert.is_table(a:get_extra_info "peername")
  end))

  it("makes writers wait for what it holds back", with_pair(function(a)
    local filter = probe.filter_set(a, "hold")
    local writer = started(function() return await(a:write(("x"):rep(70000))) end)
    assert.equal(70000, a:get_write_buffer_size())
    assert.is_false(writer:done())
    probe.hold(filter, 20000)
    turn()
    assert.is_false(writer:done())
    probe.hold(filter, 0)
    await(writer)
    assert.equal(0, a:get_write_buffer_size())
  end))

  it("gets the pieces of one write as one", with_pair(function(a, b)
    probe.filter_set(a, "frames")
    a:write("a", "bc", 1)
    assert.equal("\0\4abc1", await(b:readexactly(6)))
  end))
end)
