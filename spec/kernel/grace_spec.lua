local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A cancellation with a grace time", function()
  it("refuses a wrong grace", function()
    run(function()
      local task = neap.create_task(function() end)
      assert.matches("'grace'", loop.failure(function() task:cancel(nil, { grace = -1 }) end))
      assert.matches("'grace'", loop.failure(function() task:cancel(nil, { grace = "1" }) end))
      assert.matches("'grace'", loop.failure(function() task:cancel(nil, { grace = 0 / 0 }) end))
      assert.matches("table expected", loop.failure(function() task:cancel(nil, 1) end))
      assert.equal(0, task:cancelling())
      await(task)
    end)
  end)

  it("repeats at every await once the time is over, until the task ends", function()
    run(function()
      local tries = 0
      local task = neap.create_task(function()
        while tries < 5 do
          if not pcall(await, neap.sleep(100)) then tries = tries + 1 end
        end
        return "gave in"
      end)
      loop.ticks(1)
      task:cancel(nil, { grace = 3 })
      assert.equal("gave in", await(task))
      assert.equal(5, tries)
      assert.equal(3, neap.time())
    end)
  end)

  it("means nothing to other futures", function()
    run(function()
      local task = neap.create_task(function() pcall(await, neap.sleep(5)) end)
      await(neap.sleep(0))
      assert.is_true(neap.Future():cancel("stop", { grace = 1 }))
      assert.is_true(neap.gather(task):cancel("stop", { grace = 1 }))
      await(neap.sleep(3))
    end)
  end)

  it("is not repeated for a task that ends in time", function()
    run(function()
      local errors = 0
      local task = neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function()
          if not pcall(await, neap.sleep(2)) then errors = errors + 1 end
        end })
        await(neap.sleep(100))
      end)
      loop.ticks(1)
      task:cancel(nil, { grace = 3 })
      loop.raises(neap.CancelledError, await, task)
      assert.equal(0, errors)
      assert.equal(2, neap.time())
    end)
  end)

  it("stops when the task calls uncancel", function()
    run(function()
      local errors = 0
      local task = neap.create_task(function()
        while not pcall(await, neap.sleep(100)) do
          errors = errors + 1
          if errors == 3 then
            while neap.current_task():uncancel() > 0 do end -- luacheck: ignore 542
          end
        end
        return errors
      end)
      loop.ticks(1)
      task:cancel(nil, { grace = 1 })
      assert.equal(3, await(task))
      assert.equal(101, neap.time())
    end)
  end)
end)
