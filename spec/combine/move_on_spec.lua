local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("move_on_after", function()
  it("gives all results of fn in time", function()
    run(function()
      assert.same({ n = 3, "a", nil, nil }, table.pack(neap.move_on_after(5, function()
        return await(neap.sleep(1, "a", nil, nil))
      end)))
    end)
  end)

  it("gives nothing and goes on when time is up", function()
    run(function()
      local scope
      assert.equal(0, select("#", neap.move_on_after(2, function(s)
        scope = s
        await(neap.sleep(10))
        return "not reached"
      end)))
      assert.is_true(scope:expired())
      assert.equal(2, neap.time())
      assert.equal(0, neap.current_task():cancelling())
      await(neap.sleep(1))
    end)
  end)

  it("passes errors on", function()
    run(function()
      local err = {}
      assert.equal(err, loop.failure(neap.move_on_after, 5, function() error(err) end))
      assert.equal("late", loop.failure(neap.move_on_after, 1, function()
        pcall(await, neap.sleep(10))
        error("late", 0)
      end))
    end)
  end)

  it("lets an outer cancellation through", function()
    run(function()
      local task = neap.create_task(function()
        neap.move_on_after(5, function() await(neap.sleep(10)) end)
        error "not reached"
      end)
      loop.ticks(1)
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
    end)
  end)

  it("does not swallow the timeout around it", function()
    run(function()
      loop.raises(neap.TimeoutError, neap.timeout, 1, function()
        neap.move_on_after(5, function() await(neap.sleep(10)) end)
        error "not reached"
      end)
      assert.equal(1, neap.time())
    end)
  end)

  it("inside another moves on in the inner one first", function()
    run(function()
      local order = {}
      neap.move_on_after(5, function()
        neap.move_on_after(1, function() await(neap.sleep(10)) end)
        order[#order + 1] = neap.time()
        await(neap.sleep(10))
      end)
      order[#order + 1] = neap.time()
      assert.same({ 1.0, 5.0 }, order)
    end)
  end)
end)
