-- bpo-23812, python/asyncio#201, #256, #269: an item is lost, or a getter left waiting, when a woken
-- getter is cancelled.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A queue", function()
  it("001 gives the item of a cancelled getter to the next one (bpo-23812)", function()
    run(function()
      local queue = neap.Queue()
      local first, second = neap.create_task(queue:get()), neap.create_task(queue:get())
      loop.ticks(1)
      queue:put_nowait(0)
      first:cancel()
      loop.raises(neap.CancelledError, await, first)
      assert.equal(0, await(neap.wait_for(second, 1)))
    end)
  end)

  it("001 keeps every item when many getters are cancelled in the handoff window", function()
    run(function()
      local queue, tasks, got = neap.Queue(), {}, {}
      for i = 1, 20 do
        tasks[i] = neap.create_task(function()
          local item = await(queue:get())
          got[#got + 1] = item
        end)
      end
      loop.ticks(1)
      for i = 1, 10 do queue:put_nowait(i) end
      for i = 1, 20, 2 do tasks[i]:cancel() end
      loop.ticks(30)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
      assert.is_true(queue:empty())
    end)
  end)

  it("001 loses nothing to wait_for when item and time limit come together (python/asyncio#201)", function()
    run(function()
      local queue, got = neap.Queue(), {}
      neap.create_task(function()
        for i = 1, 50 do
          await(neap.sleep(1))
          queue:put_nowait(i)
        end
      end)
      while #got < 50 do
        local ok, item = pcall(await, neap.wait_for(queue:get(), 1))
        if ok then
          got[#got + 1] = item
        else
          assert.is_true(neap.is(item, neap.TimeoutError))
        end
      end
      for i = 1, 50 do assert.equal(i, got[i]) end
    end)
  end)

  it("001 lets the next putter in when a woken putter is cancelled (#256, #269)", function()
    run(function()
      local queue = neap.Queue(1)
      queue:put_nowait(0)
      local putters = {}
      for i = 1, 4 do putters[i] = neap.create_task(queue:put(i)) end
      loop.ticks(1)
      queue:get_nowait()
      putters[1]:cancel()
      putters[2]:cancel()
      assert.equal(3, await(neap.wait_for(queue:get(), 1)))
      assert.equal(4, await(neap.wait_for(queue:get(), 1)))
    end)
  end)
end)
