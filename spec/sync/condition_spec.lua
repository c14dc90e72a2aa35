local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function waiters(condition, order, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.create_task(function()
      local _ <close> = await(condition:acquire())
      local value = await(condition:wait())
      order[#order + 1] = i
      return value
    end)
  end
  loop.ticks(n + 1)
  return tasks
end

local function notify(condition, n)
  local _ <close> = await(condition:acquire())
  condition:notify(n)
end

describe("Condition", function()
  it("refuses to wait and to notify without its lock", function()
    run(function()
      local condition = neap.Condition()
      loop.raises(neap.RuntimeError, await, condition:wait())
      loop.raises(neap.RuntimeError, condition.notify, condition)
      loop.raises(neap.RuntimeError, condition.notify_all, condition)
      loop.raises(neap.RuntimeError, await, condition:wait_for(function() return false end))
      loop.raises(neap.RuntimeError, condition.release, condition)
    end)
  end)

  it("refuses wrong arguments", function()
    run(function()
      local condition = neap.Condition()
      assert.matches("neap.Lock expected", loop.failure(neap.Condition, 1))
      assert.matches("neap.Lock expected", loop.failure(neap.Condition, neap.Event()))
      assert.matches("function expected", loop.failure(function() condition:wait_for(1) end))
      assert.matches("neap.Condition expected", loop.failure(condition.wait, {}))
      assert.matches("number expected", loop.failure(function() condition:notify {} end))
    end)
  end)

  it("gives itself when it is acquired, and is released by its variable", function()
    run(function()
      local condition = neap.Condition()
      do
        local held <close> = await(condition:acquire())
        assert.equal(condition, held)
        assert.is_true(condition:locked())
      end
      assert.is_false(condition:locked())
    end)
  end)

  it("may share a lock", function()
    run(function()
      local lock = neap.Lock()
      local a, b = neap.Condition(lock), neap.Condition(lock)
      local _ <close> = await(a:acquire())
      assert.is_true(b:locked())
      assert.is_true(lock:locked())
      b:notify_all()
    end)
  end)

  it("releases the lock while it waits, and has it back after", function()
    run(function()
      local condition, held = neap.Condition(), nil
      local task = neap.create_task(function()
        local _ <close> = await(condition:acquire())
        local value = await(condition:wait())
        held = condition:locked()
        return value
      end)
      loop.ticks(1)
      assert.is_false(condition:locked())
      notify(condition)
      assert.is_true(await(task))
      assert.is_true(held)
      assert.is_false(condition:locked())
    end)
  end)

  it("wakes as many as it is told, the first first", function()
    run(function()
      local condition, order = neap.Condition(), {}
      local tasks = waiters(condition, order, 5)
      notify(condition)
      loop.ticks(10)
      assert.same({ 1 }, order)
      notify(condition, 2)
      loop.ticks(10)
      assert.same({ 1, 2, 3 }, order)
      notify(condition, 0)
      loop.ticks(10)
      assert.same({ 1, 2, 3 }, order)
      notify(condition, 100)
      await(neap.gather(tasks))
      assert.same({ 1, 2, 3, 4, 5 }, order)
    end)
  end)

  it("wakes all by notify_all", function()
    run(function()
      local condition, order = neap.Condition(), {}
      local tasks = waiters(condition, order, 3)
      do
        local _ <close> = await(condition:acquire())
        condition:notify_all()
        loop.ticks(5)
        assert.same({}, order) -- notify does not release the lock
      end
      await(neap.gather(tasks))
      assert.same({ 1, 2, 3 }, order)
    end)
  end)

  it("does not keep a notification for later", function()
    run(function()
      local condition, order = neap.Condition(), {}
      notify(condition)
      local task = waiters(condition, order, 1)[1]
      loop.ticks(5)
      assert.is_false(task:done())
      notify(condition)
      await(task)
    end)
  end)

  it("tells its state", function()
    run(function()
      local condition = neap.Condition()
      local task = waiters(condition, {}, 1)[1]
      assert.equal("neap.Condition (free, 1 waiting)", tostring(condition))
      notify(condition)
      await(task)
      assert.equal("neap.Condition (free, 0 waiting)", tostring(condition))
    end)
  end)
end)

describe("wait_for of a condition", function()
  it("gives the predicate's value, without waiting when it is true", function()
    run(function()
      local condition = neap.Condition()
      local _ <close> = await(condition:acquire())
      assert.equal("value", await(condition:wait_for(function() return "value" end)))
    end)
  end)

  it("asks again after each notification", function()
    run(function()
      local condition, asked, ready = neap.Condition(), 0, false
      local task = neap.create_task(function()
        local _ <close> = await(condition:acquire())
        return await(condition:wait_for(function()
          asked = asked + 1
          return ready
        end))
      end)
      loop.ticks(1)
      notify(condition)
      loop.ticks(5)
      assert.equal(2, asked)
      assert.is_false(task:done())
      ready = "now"
      notify(condition)
      assert.equal("now", await(task))
      assert.equal(3, asked)
    end)
  end)

  it("passes the predicate's error on, with the lock held", function()
    run(function()
      local condition = neap.Condition()
      local _ <close> = await(condition:acquire())
      assert.equal("x", loop.failure(await, condition:wait_for(function() error("x", 0) end)))
      assert.is_true(condition:locked())
    end)
  end)
end)

describe("Cancelling a task that waits for a condition", function()
  it("raises with the lock held", function()
    run(function()
      local condition, held = neap.Condition(), nil
      local task = neap.create_task(function()
        local _ <close> = await(condition:acquire())
        local _, err = pcall(await, condition:wait())
        held = condition:locked()
        error(err)
      end)
      loop.ticks(1)
      task:cancel "why"
      assert.equal("why", loop.raises(neap.CancelledError, await, task).message)
      assert.is_true(held)
      assert.is_false(condition:locked())
    end)
  end)

  it("waits for the lock as long as somebody else holds it", function()
    run(function()
      local condition = neap.Condition()
      local task = waiters(condition, {}, 1)[1]
      do
        local _ <close> = await(condition:acquire())
        task:cancel()
        loop.ticks(5)
        assert.is_false(task:done())
      end
      loop.raises(neap.CancelledError, await, task)
      assert.is_false(condition:locked())
    end)
  end)

  it("again and again while it takes the lock back raises the last one, with the lock held", function()
    run(function()
      local condition, held = neap.Condition(), nil
      local task = neap.create_task(function()
        local _ <close> = await(condition:acquire())
        local _, err = pcall(await, condition:wait())
        held = condition:locked()
        error(err)
      end)
      loop.ticks(1)
      do
        local _ <close> = await(condition:acquire())
        for i = 1, 3 do
          task:cancel("number " .. i)
          loop.ticks(3)
        end
      end
      assert.equal("number 3", loop.raises(neap.CancelledError, await, task).message)
      assert.is_true(held)
      assert.is_false(condition:locked())
    end)
  end)

  it("after it was notified passes the notification on", function()
    run(function()
      local condition, order = neap.Condition(), {}
      local tasks = waiters(condition, order, 2)
      notify(condition)
      tasks[1]:cancel()
      loop.ticks(10)
      assert.is_true(tasks[1]:cancelled())
      assert.same({ 2 }, order)
    end)
  end)

  it("while it takes the lock back passes the notification on", function()
    run(function()
      local condition, order = neap.Condition(), {}
      local tasks = waiters(condition, order, 2)
      do
        local _ <close> = await(condition:acquire())
        condition:notify()
        loop.ticks(2)
        tasks[1]:cancel()
        loop.ticks(2)
      end
      loop.ticks(10)
      assert.is_true(tasks[1]:cancelled())
      assert.same({ 2 }, order)
    end)
  end)

  it("leaves the others to their notifications", function()
    run(function()
      local condition, order = neap.Condition(), {}
      local tasks = waiters(condition, order, 3)
      tasks[2]:cancel()
      loop.ticks(3)
      local seen = #order
      do
        local _ <close> = await(condition:acquire())
        condition:notify_all()
      end
      loop.ticks(10)
      assert.is_true(tasks[1]:done() and tasks[3]:done())
      assert.equal(2, #order)
      assert.is_true(seen <= 1) -- a spurious wake-up is legal, no more than one
    end)
  end)
end)
