-- bpo-32684, bpo-46672: return_exceptions swallowed the outer cancellation; a callback before the outer
-- future existed.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("gather", function()
  it("006 with return_exceptions does not swallow the outer cancellation (bpo-32684)", function()
    run(function()
      local reached = false
      local task = neap.create_task(function()
        await(neap.gather { neap.sleep(10), neap.sleep(10), return_exceptions = true })
        reached = true
      end)
      loop.ticks(2)
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      assert.is_false(reached)
    end)
  end)

  it("006 of children that are done is complete (bpo-46672)", function()
    run(function()
      local done = neap.create_task(function() return 1 end)
      local failed = neap.create_task(function() error("x", 0) end)
      loop.ticks(1)
      assert.same({ n = 2, 1, 1 }, await(neap.gather(done, done)))
      assert.equal("x", loop.failure(await, neap.gather(done, failed)))
      assert.same({ n = 2, 1, "x" }, await(neap.gather { done, failed, return_exceptions = true }))
    end)
  end)

  it("006 of eager tasks that are done is complete (bpo-46672)", function()
    run(function()
      local function eager(i) return neap.create_task(function() return i end, { eager_start = true }) end
      assert.same({ n = 3, 1, 2, 3 }, await(neap.gather(eager(1), eager(2), eager(3))))
    end)
  end)
end)
