-- bpo-35125, #86802, #156321, #155854: callbacks left at the inner future, a late error lost or reported
-- twice, cancelled waiters left behind.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("shield", function()
  it("007 leaves nothing at the inner task when its awaiters are cancelled (bpo-35125, #155854)", function()
    run(function()
      local inner = neap.create_task(neap.sleep(100))
      local weak = setmetatable({}, { __mode = "k" })
      for _ = 1, 20 do
        local outer = neap.shield(inner)
        local waiter = neap.create_task(function() await(outer) end)
        weak[outer], weak[waiter] = true, true
        loop.ticks(1)
        waiter:cancel()
        loop.ticks(2)
      end
      collectgarbage()
      collectgarbage()
      local left = 0
      for _ in pairs(weak) do left = left + 1 end
      assert.is_true(left <= 1, left .. " are left") -- the last one may still be in a register
      inner:cancel()
      loop.ticks(1)
    end)
  end)

  it("007 reports the late error of an inner task that nobody else awaits (#86802)", function()
    local reports = loop.run_reports(function()
      local outer = neap.shield(function()
        await(neap.sleep(1))
        error("late", 0)
      end)
      loop.ticks(1)
      outer:cancel()
      await(neap.sleep(2))
    end)
    assert.equal(1, #reports)
    assert.equal("late", reports[1].exception)
  end)

  it("007 does not report it when somebody retrieves it (#156321)", function()
    run(function()
      local inner = neap.create_task(function()
        await(neap.sleep(1))
        error("late", 0)
      end)
      local outer = neap.create_task(neap.wait_for(neap.shield(inner), 0.5))
      loop.raises(neap.TimeoutError, await, outer)
      assert.equal("late", loop.failure(await, inner))
    end)
  end)
end)
