-- SPDX-License-Identifier: MIT
-- coroutine.running() gives the coroutine of a task to anybody. Resuming it woke the task early and left its
-- wait behind; closing it freed what it waited on.
local neap = require "neap"
local await, create_task, sleep = neap.await, neap.create_task, neap.sleep

local function sleeper(waits)
  local co
  local task = create_task(function()
    co = coroutine.running()
    return await(waits())
  end)
  await(sleep(0))
  return task, co
end

describe("The coroutine of a task", function()
  local function when_done(future, fn) future:add_done_callback(function() fn() end) end
  local waits = {
    ["a future"] = function(f) return function() return f end end,
    ["wait"] = function(f) return function() return neap.wait { f } end end,
    ["wait_for"] = function(f) return function() return neap.wait_for(f, 10) end end,
    ["wait_for whose time is over"] = function(f)
      return function()
        return neap.wait_for(function()
          neap.pcall(await, neap.shield(f))
          pcall(await, neap.shield(f))
          return "late"
        end, 10)
      end
    end,
    ["as_completed"] = function(f)
      return function()
        return function()
          local value
          for done in neap.as_completed { f } do value = await(done) end
          return value
        end
      end
    end,
    ["a group"] = function(f)
      return function()
        return neap.async(function()
          neap.task_group(function(tg) tg:create_task(function() await(f) end) end)
          return "left"
        end)()
      end
    end,
    ["a sleep with a result"] = function() return function() return sleep(0.02, "slept") end end,
    ["a queue"] = function(f)
      local queue = neap.Queue()
      when_done(f, function() queue:put_nowait "item" end)
      return function() return queue:get() end
    end,
    ["a full queue"] = function(f)
      local queue = neap.Queue(1)
      queue:put_nowait(1)
      when_done(f, function() queue:get_nowait() end)
      return function() return neap.async(function() await(queue:put(2)) return "put" end)() end
    end,
    ["join"] = function(f)
      local queue = neap.Queue()
      queue:put_nowait(1)
      when_done(f, function() queue:task_done() end)
      return function() return neap.async(function() await(queue:join()) return "joined" end)() end
    end,
    ["a lock"] = function(f)
      local lock = neap.Lock()
      await(lock:acquire())
      when_done(f, function() lock:release() end)
      return function() return lock:acquire() end
    end,
    ["a semaphore"] = function(f)
      local semaphore = neap.Semaphore(0)
      when_done(f, function() semaphore:release() end)
      return function() return semaphore:acquire() end
    end,
    ["an event"] = function(f)
      local event = neap.Event()
      when_done(f, function() event:set() end)
      return function() return event:wait() end
    end,
    ["the lock of a condition"] = function(f)
      local condition = neap.Condition()
      await(condition:acquire())
      when_done(f, function() condition:release() end)
      return function() return condition:acquire() end
    end,
    ["a condition"] = function(f)
      local condition = neap.Condition()
      when_done(f, function()
        create_task(function()
          local _ <close> = await(condition:acquire())
          condition:notify()
        end)
      end)
      return function()
        return neap.async(function()
          local _ <close> = await(condition:acquire())
          return await(condition:wait())
        end)()
      end
    end,
    ["a barrier"] = function(f)
      local barrier = neap.Barrier(2)
      when_done(f, function() create_task(function() await(barrier:wait()) end) end)
      return function() return barrier:wait() end
    end,
  }
  for name, make in pairs(waits) do
    it("sleeps on when somebody resumes it: " .. name, function()
      neap.run(function()
        local future = neap.Future()
        local task, co = sleeper(make(future))
        assert.is_true((coroutine.resume(co, 1, 2)))
        neap.call_soon(function() coroutine.resume(co) end)
        await(sleep(0.001))
        assert.is_false(task:done())
        assert.equal("suspended", coroutine.status(co))
        future:set_result "done"
        assert.is_not_nil(await(task))
      end)
    end)
  end

  it("cannot be closed", function()
    neap.run(function()
      local future = neap.Future()
      local task, co = sleeper(function() return neap.wait { future } end)
      local ok, err = pcall(coroutine.close, co)
      assert.is_false(ok)
      assert.match("cannot close the coroutine of a task", err, 1, true)
      collectgarbage()
      collectgarbage()
      future:set_result(1)
      assert.equal(1, #await(task))
    end)
  end)

  it("is the only one that cannot be closed", function()
    local co = coroutine.create(function() coroutine.yield() end)
    assert.is_true(coroutine.close(co))
    co = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.equal("dead", coroutine.status(co))
    assert.is_false((pcall(coroutine.close, coroutine.running())))
    assert.is_false((pcall(coroutine.close)))
  end)
end)
