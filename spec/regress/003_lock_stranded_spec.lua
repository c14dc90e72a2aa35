-- bpo-27585, bpo-32734, anyio#1145: a cancelled winner strands the rest; two winners after cancel and
-- release.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A lock", function()
  it("003 goes to the next one when its winner is cancelled (bpo-27585)", function()
    run(function()
      local lock = neap.Lock()
      await(lock:acquire())
      local first, second = neap.create_task(lock:acquire()), neap.create_task(lock:acquire())
      loop.ticks(1)
      lock:release()
      first:cancel()
      loop.raises(neap.CancelledError, await, first)
      assert.equal(lock, await(neap.wait_for(second, 1)))
      lock:release()
    end)
  end)

  it("003 has one winner after a cancel and a release in one step (bpo-32734)", function()
    run(function()
      local lock, inside, most = neap.Lock(), 0, 0
      await(lock:acquire())
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = neap.create_task(function()
          local _ <close> = await(lock:acquire())
          inside = inside + 1
          most = math.max(most, inside)
          loop.ticks(3)
          inside = inside - 1
        end)
      end
      loop.ticks(1)
      tasks[1]:cancel()
      lock:release()
      loop.ticks(50)
      for i = 2, 4 do assert.is_true(tasks[i]:done()) end
      assert.equal(1, most)
      assert.is_false(lock:locked())
    end)
  end)

  it("003 is not deadlocked by a waiter cancelled before the release (anyio#1145)", function()
    run(function()
      local lock = neap.Lock()
      await(lock:acquire())
      local cancelled, waiting = neap.create_task(lock:acquire()), neap.create_task(lock:acquire())
      loop.ticks(1)
      cancelled:cancel()
      lock:release()
      await(neap.wait_for(waiting, 1))
      lock:release()
      assert.equal(lock, await(neap.wait_for(lock:acquire(), 1)))
      lock:release()
    end)
  end)
end)
