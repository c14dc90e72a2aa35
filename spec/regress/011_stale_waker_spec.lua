-- lua-nginx#248, #1439, #2478, #2514: the timer of a killed thread fires; a stale waker wakes with the
-- wrong value; killing a thread whose leaf operation lies in a nested coroutine.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A wait that is over", function()
  it("011 leaves no timer that fires later (lua-nginx#248)", function()
    run(function()
      local order = {}
      local task = neap.create_task(function()
        pcall(await, neap.sleep(5))
        order[#order + 1] = "cancelled at " .. neap.time()
        await(neap.sleep(10))
        order[#order + 1] = "slept until " .. neap.time()
      end)
      await(neap.sleep(1))
      task:cancel()
      await(task)
      assert.same({ "cancelled at 1.0", "slept until 11.0" }, order)
    end)
  end)

  it("011 leaves no waker at the futures that were not first (lua-nginx#1439)", function()
    run(function()
      local a, b, c = neap.Future(), neap.Future(), neap.Future()
      local got = {}
      local task = neap.create_task(function()
        local done = await(neap.wait({ a, b }, { return_when = "FIRST_COMPLETED" }))
        got[1] = done[1]:result()
        got[2] = await(c)
      end)
      loop.ticks(1)
      a:set_result "first"
      loop.ticks(3)
      b:set_result "stale"
      loop.ticks(3)
      assert.is_false(task:done())
      c:set_result "right"
      await(task)
      assert.same({ "first", "right" }, got)
    end)
  end)

  it("011 of two events at once wakes with its own value", function()
    run(function()
      local queue, event, order = neap.Queue(), neap.Event(), {}
      local task = neap.create_task(function()
        local ok = pcall(await, neap.wait_for(queue:get(), 1))
        order[#order + 1] = ok
        order[#order + 1] = await(event:wait())
        order[#order + 1] = await(neap.sleep(1, "slept"))
      end)
      await(neap.sleep(2))
      queue:put_nowait "late"
      loop.ticks(2)
      event:set()
      await(task)
      assert.same({ false, true, "slept" }, order)
      assert.equal("late", queue:get_nowait())
    end)
  end)

  it("011 is detached at its leaf, however deep (lua-nginx#2478, #2514)", function()
    run(function()
      local lock = neap.Lock()
      await(lock:acquire())
      local function deep(n)
        if n > 0 then return await(neap.async(deep)(n - 1)) end
        return await(lock:acquire())
      end
      local task = neap.create_task(function()
        neap.timeout(100, function()
          neap.task_group(function(tg) await(tg:create_task(function() deep(10) end)) end)
        end)
      end)
      loop.ticks(3)
      assert.equal("neap.Lock (held, 1 waiting)", tostring(lock))
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      assert.equal("neap.Lock (held, 0 waiting)", tostring(lock))
      lock:release()
      collectgarbage()
    end)
  end)

  it("011 is not touched by a coroutine of the user's own that is collected", function()
    run(function()
      local task = neap.create_task(function()
        local co = coroutine.create(function() coroutine.yield() end)
        coroutine.resume(co)
        await(neap.sleep(10))
        return co
      end)
      loop.ticks(1)
      task:cancel()
      collectgarbage()
      loop.raises(neap.CancelledError, await, task)
      collectgarbage()
    end)
  end)
end)
