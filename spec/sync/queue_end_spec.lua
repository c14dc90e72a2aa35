-- task_done, join and shutdown.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("join", function()
  it("does not suspend when nothing was put", function()
    run(function()
      local ticked = false
      neap.call_soon(function() ticked = true end)
      await(neap.Queue():join())
      assert.is_false(ticked)
      await(neap.sleep(0))
    end)
  end)

  it("waits until every item was marked done", function()
    run(function()
      local queue = neap.Queue()
      for i = 1, 3 do queue:put_nowait(i) end
      local worker = neap.create_task(function()
        while true do
          local item = await(queue:get())
          await(neap.sleep(item))
          queue:task_done()
        end
      end)
      await(queue:join())
      assert.equal(6, neap.time())
      worker:cancel()
    end)
  end)

  it("wakes all who wait", function()
    run(function()
      local queue, woken = neap.Queue(), 0
      queue:put_nowait(1)
      for _ = 1, 3 do
        neap.create_task(function()
          await(queue:join())
          woken = woken + 1
        end)
      end
      loop.ticks(1)
      queue:task_done()
      loop.ticks(1)
      assert.equal(3, woken)
    end)
  end)

  it("may be cancelled", function()
    run(function()
      local queue = neap.Queue()
      queue:put_nowait(1)
      local task = neap.create_task(queue:join())
      loop.ticks(1)
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      queue:task_done()
      await(queue:join())
    end)
  end)

  it("counts items that were put, not those that are left", function()
    run(function()
      local queue = neap.Queue()
      queue:put_nowait(1)
      queue:get_nowait()
      loop.raises(neap.TimeoutError, await, neap.wait_for(queue:join(), 1))
    end)
  end)
end)

describe("task_done", function()
  it("is refused more often than items were put", function()
    run(function()
      local queue = neap.Queue()
      loop.raises(neap.ValueError, queue.task_done, queue)
      queue:put_nowait(1)
      queue:task_done()
      loop.raises(neap.ValueError, queue.task_done, queue)
    end)
  end)
end)

for _, class in ipairs { "Queue", "LifoQueue", "PriorityQueue" } do
  local new = neap[class]

  describe("shutdown of a " .. class, function()
    it("refuses puts, lets gets drain, and then refuses them too", function()
      run(function()
        local queue = new()
        queue:put_nowait(1)
        queue:put_nowait(1)
        queue:shutdown()
        loop.raises(neap.QueueShutDown, queue.put_nowait, queue, 2)
        loop.raises(neap.QueueShutDown, await, queue:put(2))
        assert.equal(1, await(queue:get()))
        assert.equal(1, queue:get_nowait())
        loop.raises(neap.QueueShutDown, queue.get_nowait, queue)
        loop.raises(neap.QueueShutDown, await, queue:get())
      end)
    end)

    it("wakes all who wait", function()
      run(function()
        local queue, full = new(), new(1)
        full:put_nowait(1)
        local tasks = {
          neap.create_task(queue:get()), neap.create_task(queue:get()),
          neap.create_task(full:put(2)), neap.create_task(full:put(3)),
        }
        loop.ticks(1)
        queue:shutdown()
        full:shutdown()
        for _, task in ipairs(tasks) do loop.raises(neap.QueueShutDown, await, task) end
        assert.equal(1, full:get_nowait())
      end)
    end)

    it("may be asked for again, and made immediate later", function()
      run(function()
        local queue = new()
        queue:put_nowait(1)
        queue:shutdown()
        queue:shutdown()
        assert.equal(1, queue:qsize())
        queue:shutdown(true)
        assert.equal(0, queue:qsize())
        loop.raises(neap.QueueShutDown, queue.get_nowait, queue)
      end)
    end)

    it("at once drops the items", function()
      run(function()
        local queue = new()
        for i = 1, 5 do queue:put_nowait(i) end
        queue:shutdown(true)
        assert.is_true(queue:empty())
        loop.raises(neap.QueueShutDown, await, queue:get())
        await(queue:join())
      end)
    end)

    it("at once still lets join wait for the items in process", function()
      run(function()
        local queue = new()
        for i = 1, 3 do queue:put_nowait(i) end
        await(queue:get())
        local joined = neap.create_task(queue:join())
        loop.ticks(1)
        queue:shutdown(true)
        loop.ticks(3)
        assert.is_false(joined:done())
        queue:task_done()
        await(joined)
      end)
    end)

    it("at once wakes those who join when nothing is in process", function()
      run(function()
        local queue = new()
        queue:put_nowait(1)
        local joined = neap.create_task(queue:join())
        loop.ticks(1)
        queue:shutdown(true)
        await(joined)
      end)
    end)

    it("leaves a getter that was woken its item", function()
      run(function()
        local queue = new()
        local task = neap.create_task(queue:get())
        loop.ticks(1)
        queue:put_nowait "mine"
        queue:shutdown()
        assert.equal("mine", await(task))
      end)
    end)

    it("wakes a getter whose item was dropped", function()
      run(function()
        local queue = new()
        local task = neap.create_task(queue:get())
        loop.ticks(1)
        queue:put_nowait "dropped"
        queue:shutdown(true)
        loop.raises(neap.QueueShutDown, await, task)
      end)
    end)
  end)
end
