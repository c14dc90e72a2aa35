-- bpo-22970, #111693, #112202, #86766, anyio#1075: left without the lock on cancel, the wrong
-- CancelledError, the notification lost, RuntimeError out of wait_for.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

-- A task that waits for the condition and tells what it ended with, and whether it had the lock.
local function waiter(condition, seen)
  return neap.create_task(function()
    local _ <close> = await(condition:acquire())
    local ok, err = pcall(await, condition:wait())
    seen[#seen + 1] = { ok = ok, err = err, held = condition:locked() }
    if not ok then error(err) end
  end)
end

describe("A condition", function()
  it("004 is left with the lock held though the waiter was cancelled (bpo-22970)", function()
    run(function()
      local condition, seen = neap.Condition(), {}
      local task = waiter(condition, seen)
      loop.ticks(1)
      await(condition:acquire())
      task:cancel()
      loop.ticks(2)
      task:cancel()
      condition:release()
      loop.raises(neap.CancelledError, await, task)
      assert.is_true(seen[1].held)
    end)
  end)

  it("004 raises the last CancelledError (#111693)", function()
    run(function()
      local condition, seen = neap.Condition(), {}
      local task = waiter(condition, seen)
      loop.ticks(1)
      await(condition:acquire())
      condition:notify()
      loop.ticks(2)
      task:cancel "first"
      loop.ticks(2)
      task:cancel "second"
      loop.ticks(2)
      condition:release()
      pcall(await, task)
      assert.equal("second", seen[1].err.message)
      assert.is_true(seen[1].held)
    end)
  end)

  it("004 passes the notification of a cancelled waiter on (#112202, anyio#1075)", function()
    run(function()
      local condition, seen = neap.Condition(), {}
      local first, second = waiter(condition, seen), waiter(condition, seen)
      loop.ticks(3)
      await(condition:acquire())
      condition:notify(1)
      first:cancel()
      condition:release()
      await(neap.wait_for(second, 1))
      assert.is_true(first:cancelled())
    end)
  end)

  it("004 raises no RuntimeError when wait_for gives up (#86766)", function()
    run(function()
      local condition = neap.Condition()
      local task = neap.create_task(function()
        local _ <close> = await(condition:acquire())
        await(neap.wait_for(condition:wait_for(function() return false end), 1))
      end)
      loop.raises(neap.TimeoutError, await, task)
      assert.is_false(condition:locked())
    end)
  end)
end)
