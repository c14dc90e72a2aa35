-- SPDX-License-Identifier: MIT
-- neap.h: C functions that park.
local neap = require "neap"
local probe = require "spec.probe"
local loop = require "spec.support.loop"
local await, create_task = neap.await, neap.create_task

local function it_runs(sentence, fn) it(sentence, function() loop.run(fn) end) end

local function started(fn, ...)
  local task = create_task(neap.async(fn)(...))
  await(neap.sleep(0))
  return task
end

local function is_cancelled(task)
  local ok, err = pcall(await, task)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.CancelledError), tostring(err))
  return err
end

-- Both kinds of waits: with an abort and without.
for _, abort in ipairs { true, false } do
  describe(abort and "neap_park with an abort" or "neap_park without an abort", function()
    it_runs("suspends until neap_wake, and everything on the stack stays", function()
      local wait = probe.wait(abort)
      assert.is_false(probe.parked(wait))
      local task = started(probe.park, wait, 1, nil, "x")
      assert.is_true(probe.parked(wait))
      probe.wake(wait)
      assert.is_false(probe.parked(wait))
      assert.is_false(task:done())
      assert.same({ 1, nil, "x" }, { await(task) })
    end)

    it_runs("can be woken before anything else runs, twice, and again later", function()
      local wait = probe.wait(abort)
      for _ = 1, 3 do
        local task = started(probe.park, wait)
        probe.wake(wait)
        probe.wake(wait)
        await(task)
        probe.wake(wait)
      end
    end)

    it_runs("never woken is woken by nothing that was left over", function()
      local wait, other = probe.wait(abort), probe.wait(abort)
      local task = started(function()
        probe.park(wait)
        probe.park(other)
        return "both"
      end)
      probe.wake(wait)
      await(neap.sleep(0))
      assert.is_true(probe.parked(other))
      probe.wake(wait) -- the old one
      await(neap.sleep(0.001))
      assert.is_false(task:done())
      probe.wake(other)
      assert.equal("both", await(task))
    end)

    it_runs("is cancelled though it was woken in the same tick", function()
      local wait, aborts = probe.wait(abort), probe.count "aborts"
      local task = started(probe.park, wait)
      probe.wake(wait)
      assert.is_true(task:cancel "why")
      assert.equal("why", is_cancelled(task).message)
      assert.equal(aborts, probe.count "aborts")
    end)

    it_runs("delivers a cancellation that was pending", function()
      local wait = probe.wait(abort)
      local task
      task = create_task(function()
        task:cancel "before"
        return probe.park(wait)
      end)
      await(neap.sleep(0))
      if not abort then probe.wake(wait) end
      assert.equal("before", is_cancelled(task).message)
      assert.is_false(probe.parked(wait))
    end)

    it_runs("may go on after a cancellation", function()
      local wait = probe.wait(abort)
      local task = started(probe.park_kept, wait)
      task:cancel()
      if not abort then probe.wake(wait) end
      assert.equal("cancelled", await(task))
    end)

    it_runs("refuses a second task at the same place", function()
      local wait = probe.wait(abort)
      local task = started(probe.park, wait)
      local err = loop.raises(neap.RuntimeError, probe.park, wait)
      assert.matches("parked there already", err.message)
      probe.wake(wait)
      await(task)
    end)

    it_runs("is ended with run()", function()
      local wait = probe.wait(abort)
      if not abort then neap.call_later(0.001, probe.wake, wait) end
      started(probe.park, wait)
      started(probe.park_kept, probe.wait(true))
    end)
  end)
end

describe("neap_park", function()
  it_runs("calls abort at once when it is cancelled", function()
    local wait, aborts = probe.wait(true), probe.count "aborts"
    local task = started(probe.park, wait)
    task:cancel "now"
    assert.equal(aborts + 1, probe.count "aborts")
    assert.is_false(probe.parked(wait))
    probe.wake(wait) -- too late
    assert.equal("now", is_cancelled(task).message)
  end)

  it_runs("without an abort keeps the cancellation until it is woken", function()
    local wait = probe.wait(false)
    local task = started(probe.park, wait)
    task:cancel()
    await(neap.sleep(0.001))
    assert.is_false(task:done())
    assert.is_true(probe.parked(wait))
    probe.wake(wait)
    is_cancelled(task)
  end)

  it_runs("goes on after a cancellation, parks again", function()
    local first, second = probe.wait(true), probe.wait(true)
    local task = started(function() return probe.park_kept(first), probe.park_kept(second) end)
    task:cancel()
    await(neap.sleep(0))
    assert.is_true(probe.parked(second))
    probe.wake(first)
    await(neap.sleep(0))
    assert.is_false(task:done())
    probe.wake(second)
    assert.equal("cancelled", (await(task)))
  end)

  it("raises outside tasks and in callbacks, and has not begun to wait", function()
    local wait = probe.wait(true)
    assert.matches("outside a task", tostring(loop.failure(probe.park, wait)))
    loop.run(function()
      local done = neap.Future()
      neap.call_soon(function() done:set_result(loop.failure(probe.park, wait)) end)
      assert.matches("outside a task", tostring(await(done)))
    end)
    assert.is_false(probe.parked(wait))
  end)

  it_runs("works in a coroutine of the task's own, and across sort", function()
    local wait = probe.wait(true)
    local task = started(function()
      coroutine.wrap(function() probe.park(wait) end)()
      local sorted = { 2, 1 }
      table.sort(sorted, function(a, b)
        probe.park(wait)
        return a < b
      end)
      return sorted[1]
    end)
    while not task:done() do
      assert.is_true(probe.parked(wait))
      probe.wake(wait)
      await(neap.sleep(0))
    end
    assert.equal(1, await(task))
    local cancelled = started(function() coroutine.wrap(function() probe.park(wait) end)() end)
    cancelled:cancel()
    assert.is_true(neap.is(loop.failure(await, cancelled), neap.CancelledError))
    assert.is_false(probe.parked(wait))
  end)

  it_runs("works across pcall, metamethods and iterators", function()
    local wait = probe.wait(true)
    local object = setmetatable({}, { __index = function(_, key) return (probe.park(wait, key)) end })
    local task = started(function()
      local seen = {}
      seen[1] = select(2, pcall(probe.park, wait, "pcall"))
      seen[2] = object.index
      for value in function(_, last) if not last then return (probe.park(wait, "for")) end end do seen[3] = value end
      return seen
    end)
    for _ = 1, 3 do
      probe.wake(wait)
      await(neap.sleep(0))
    end
    assert.same({ "pcall", "index", "for" }, await(task))
  end)

  it_runs("can be caught like any cancellation", function()
    local wait = probe.wait(true)
    local task = started(function() return pcall(probe.park, wait) end)
    task:cancel()
    local ok, err = await(task)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.CancelledError))
  end)

  it_runs("under wait_for and timeout", function()
    local wait = probe.wait(true)
    loop.raises(neap.TimeoutError, function() neap.timeout(1, function() probe.park(wait) end) end)
    assert.is_false(probe.parked(wait))
  end)
end)

describe("neap_raise_cancelled", function()
  it("raises another error outside a task", function()
    assert.matches("outside a task", tostring(loop.failure(probe.raise_cancelled)))
  end)
end)

describe("neap_pushasync", function()
  it_runs("makes an async function of a C function", function()
    local wait = probe.wait(true)
    local fn = probe.async(wait)
    local coroutine_object = fn("a", "b")
    await(neap.sleep(0))
    assert.is_false(probe.parked(wait)) -- nothing ran
    neap.call_soon(neap.call_soon, probe.wake, wait)
    assert.same({ "a", "b" }, { await(coroutine_object) })
  end)

  it_runs("composes with gather, wait_for and create_task", function()
    local one, two = probe.wait(true), probe.wait(true)
    neap.call_later(0.1, probe.wake, two)
    neap.call_later(0.2, probe.wake, one)
    assert.same({ 1, 2, n = 2 }, await(neap.gather(probe.async(one)(1), probe.async(two)(2))))
    local ok, err = pcall(await, neap.wait_for(probe.async(one)(), 1))
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TimeoutError))
    local task = create_task(probe.async(two)("t"), { name = "parked" })
    await(neap.sleep(0))
    probe.wake(two)
    assert.equal("t", await(task))
  end)
end)

describe("The host's functions, called from Lua", function()
  it_runs("spawn, cancel and look at results inside a task", function()
    local status, task = probe.spawn("named", function(a) return a, neap.current_task():get_name() end, 1)
    assert.equal(0, status)
    assert.equal(1, (probe.result(task))) -- LUA_YIELD
    await(task)
    assert.same({ 0, 1, "named" }, { probe.result(task) })
    assert.same({ 0, 1 }, { probe.result(task, 1) })
    local _, other = probe.spawn(nil, function() await(neap.Future()) end)
    await(neap.sleep(0))
    assert.is_true(probe.cancel(other))
    is_cancelled(other)
    assert.is_false(probe.cancel(other))
    assert.equal(2, (probe.result(other)))
    local future = neap.Future()
    assert.is_true(probe.cancel(future))
    local bad, err = probe.spawn(nil, {})
    assert.equal(2, bad)
    assert.matches("function expected, got table", err)
    local callable = setmetatable({}, { __call = function(_, x) return x end })
    local _, called = probe.spawn(nil, callable, 9)
    assert.equal(9, await(called))
  end)

  it_runs("refuse to run, turn and close inside", function()
    local status, err = probe.run(function() end)
    assert.equal(2, status)
    assert.matches("while the loop is running", tostring(err))
    assert.is_false(probe.turn(1))
    probe.close()
    await(neap.sleep(0)) -- it is open still
  end)
end)
