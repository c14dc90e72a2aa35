-- python/asyncio#270, #271, bpo-45997, #90155: a released unit is lost on cancel, waiters hang for ever,
-- the order is inverted.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A semaphore", function()
  it("002 gives the unit of a cancelled waiter to the next one (#270)", function()
    run(function()
      local semaphore = neap.Semaphore(1)
      await(semaphore:acquire())
      local first, second = neap.create_task(semaphore:acquire()), neap.create_task(semaphore:acquire())
      loop.ticks(1)
      semaphore:release()
      first:cancel()
      loop.raises(neap.CancelledError, await, first)
      assert.equal(semaphore, await(neap.wait_for(second, 1)))
    end)
  end)

  it("002 does not hang when a waiter is cancelled and another acquires in the same tick (#90155)", function()
    run(function()
      local semaphore = neap.Semaphore(1)
      local function hold()
        local _ <close> = await(semaphore:acquire())
        await(neap.sleep(0.1))
      end
      local a, b, c = neap.create_task(hold), neap.create_task(hold), neap.create_task(hold)
      loop.ticks(1)
      b:cancel()
      await(a)
      await(neap.wait_for(c, 10))
      assert.is_false(semaphore:locked())
    end)
  end)

  it("002 serves in the order of arrival, newcomers last (bpo-45997)", function()
    run(function()
      local semaphore, order = neap.Semaphore(1), {}
      local function worker(name, rounds)
        return function()
          for _ = 1, rounds do
            local _ <close> = await(semaphore:acquire())
            order[#order + 1] = name
            await(neap.sleep(0))
          end
        end
      end
      await(neap.gather(worker("a", 3), worker("b", 3), worker("c", 3)))
      assert.equal("a b c a b c a b c", table.concat(order, " "))
    end)
  end)

  it("002 wakes as many as were released, whatever is cancelled between", function()
    run(function()
      local semaphore = neap.Semaphore(0)
      local tasks = {}
      for i = 1, 10 do tasks[i] = neap.create_task(semaphore:acquire()) end
      loop.ticks(1)
      for _ = 1, 5 do semaphore:release() end
      for i = 1, 5 do tasks[i]:cancel() end
      loop.ticks(5)
      for i = 1, 5 do assert.is_true(tasks[i]:cancelled()) end
      for i = 6, 10 do assert.is_true(tasks[i]:done() and not tasks[i]:cancelled()) end
      assert.is_true(semaphore:locked())
    end)
  end)
end)
