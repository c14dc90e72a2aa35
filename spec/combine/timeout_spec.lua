local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("timeout", function()
  it("refuses what is no number of seconds", function()
    run(function()
      for _, form in ipairs { neap.timeout, neap.timeout_at, neap.move_on_after } do
        for _, seconds in ipairs { "1", 0 / 0, math.huge, {} } do
          assert.matches("#1.*seconds expected", loop.failure(function() form(seconds, print) end))
        end
        assert.matches("#2.*function expected", loop.failure(function() form(1, 2) end))
      end
      assert.matches("#2.*function expected", loop.failure(function() neap.move_on_after(1) end))
    end)
  end)

  it("must be entered in a task", function()
    assert.matches("outside a task", loop.raises(neap.RuntimeError, neap.timeout, 1).message)
    assert.matches("outside a task", loop.raises(neap.RuntimeError, neap.timeout, 1, print).message)
  end)
end)

describe("timeout(seconds, fn)", function()
  it("gives all results of fn, which gets the scope", function()
    run(function()
      local results = table.pack(neap.timeout(5, function(scope)
        assert.equal(5, scope:when())
        assert.is_false(scope:expired())
        return await(neap.sleep(1, "a", nil, nil))
      end))
      assert.same({ n = 3, "a", nil, nil }, results)
      assert.equal(1, neap.time())
    end)
  end)

  it("raises TimeoutError when time is up, with the cancellation as its cause", function()
    run(function()
      local scope
      local err = loop.raises(neap.TimeoutError, neap.timeout, 2, function(s)
        scope = s
        await(neap.sleep(10))
      end)
      assert.is_true(neap.is(err.cause, neap.CancelledError))
      assert.is_true(scope:expired())
      assert.equal(2, neap.time())
      assert.equal(0, neap.current_task():cancelling())
      await(neap.sleep(1))
    end)
  end)

  it("passes the error of fn on", function()
    run(function()
      local err = {}
      assert.equal(err, loop.failure(neap.timeout, 5, function() error(err) end))
      await(neap.sleep(10))
    end)
  end)

  it("without a limit only calls fn", function()
    run(function()
      assert.equal("x", neap.timeout(nil, function(scope)
        assert.is_nil(scope:when())
        return await(neap.sleep(1e6, "x"))
      end))
    end)
  end)

  it("of zero runs fn up to its first suspension", function()
    run(function()
      local order = {}
      for _, seconds in ipairs { 0, -1 } do
        loop.raises(neap.TimeoutError, neap.timeout, seconds, function()
          order[#order + 1] = "body"
          await(neap.sleep(1))
          order[#order + 1] = "not reached"
        end)
      end
      assert.same({ "body", "body" }, order)
      assert.equal(0, neap.time())
    end)
  end)

  it("of zero does not touch an fn that does not suspend", function()
    run(function()
      assert.equal("x", neap.timeout(0, function() return "x" end))
      await(neap.sleep(1))
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("does not raise when fn swallowed the cancellation, but has expired", function()
    run(function()
      local scope
      assert.equal("swallowed", neap.timeout(1, function(s)
        scope = s
        pcall(await, neap.sleep(10))
        return "swallowed"
      end))
      assert.is_true(scope:expired())
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("leaves another error raised after the timeout alone", function()
    run(function()
      assert.equal("other", loop.failure(neap.timeout, 1, function()
        pcall(await, neap.sleep(10))
        error("other", 0)
      end))
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("waits for the clean-up of fn", function()
    run(function()
      local cleaned = false
      loop.raises(neap.TimeoutError, neap.timeout, 1, function()
        local _ <close> = setmetatable({}, { __close = function()
          await(neap.sleep(5))
          cleaned = true
        end })
        await(neap.sleep(10))
      end)
      assert.is_true(cleaned)
      assert.equal(6, neap.time())
    end)
  end)

  it("lets an outer cancellation through", function()
    run(function()
      local task = neap.create_task(function()
        neap.timeout(5, function() await(neap.sleep(10)) end)
      end)
      loop.ticks(1)
      task:cancel "outer"
      assert.equal("outer", loop.raises(neap.CancelledError, await, task).message)
    end)
  end)

  it("lets the outer cancellation win when both come at once", function()
    run(function()
      local task
      task = neap.create_task(function()
        neap.call_at(2, function() task:cancel() end)
        neap.timeout_at(2, function() await(neap.sleep(10)) end)
      end)
      loop.raises(neap.CancelledError, await, task)
      assert.equal(1, task:cancelling())
    end)
  end)

  it("converts a subclass of CancelledError", function()
    run(function()
      local Stopped = neap.CancelledError:extend "Stopped"
      loop.raises(neap.TimeoutError, neap.timeout, 1, function()
        local ok = pcall(await, neap.sleep(10))
        if not ok then error(Stopped()) end
      end)
    end)
  end)

  it("does not convert a cancellation of something it awaits", function()
    run(function()
      local task = neap.create_task(neap.sleep(10))
      neap.call_later(1, function() task:cancel() end)
      loop.raises(neap.CancelledError, neap.timeout, 5, function() await(task) end)
    end)
  end)

  it("works in a task that swallowed a cancellation before", function()
    run(function()
      local task = neap.create_task(function()
        pcall(await, neap.sleep(10))
        local ok, err = pcall(neap.timeout, 1, function() await(neap.sleep(10)) end)
        return ok, err, neap.current_task():cancelling()
      end)
      loop.ticks(1)
      task:cancel()
      local ok, err, cancelling = await(task)
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError))
      assert.equal(1, cancelling)
    end)
  end)
end)

describe("Nested timeouts", function()
  local function nested(outer, inner)
    local caught
    local ok, err = pcall(neap.timeout, outer, function()
      local inner_ok, inner_err = pcall(neap.timeout, inner, function() await(neap.sleep(100)) end)
      caught = not inner_ok and inner_err
      if caught and neap.is(caught, neap.CancelledError) then error(caught) end
      return "body"
    end)
    return caught, ok, err
  end

  it("convert in the inner one when it fires", function()
    run(function()
      local caught, ok = nested(5, 1)
      assert.is_true(neap.is(caught, neap.TimeoutError))
      assert.is_true(ok)
      assert.equal(1, neap.time())
    end)
  end)

  it("convert in the outer one when it fires", function()
    run(function()
      local caught, ok, err = nested(1, 5)
      assert.is_true(neap.is(caught, neap.CancelledError))
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError))
      assert.equal(1, neap.time())
    end)
  end)

  it("take back all they asked for when both fire", function()
    run(function()
      local _, ok, err = nested(1, 1)
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError))
      assert.equal(0, neap.current_task():cancelling())
      await(neap.sleep(1))
    end)
  end)
end)

describe("timeout as a variable to be closed", function()
  it("does nothing in time", function()
    run(function()
      do
        local _ <close> = neap.timeout(5)
        await(neap.sleep(1))
      end
      await(neap.sleep(10))
      assert.equal(11, neap.time())
    end)
  end)

  it("turns the cancellation into a TimeoutError", function()
    run(function()
      local scope
      loop.raises(neap.TimeoutError, function()
        local s <close> = neap.timeout(2)
        scope = s
        await(neap.sleep(10))
      end)
      assert.is_true(scope:expired())
      assert.equal(2, neap.time())
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("by timeout_at is of the loop's clock", function()
    run(function()
      await(neap.sleep(5))
      loop.raises(neap.TimeoutError, function()
        local scope <close> = neap.timeout_at(7)
        assert.equal(7, scope:when())
        await(neap.sleep(10))
      end)
      assert.equal(7, neap.time())
    end)
  end)

  it("by timeout_at in the past fires at the first suspension", function()
    run(function()
      await(neap.sleep(5))
      loop.raises(neap.TimeoutError, neap.timeout_at, 1, function() await(neap.sleep(1)) end)
      assert.equal(5, neap.time())
    end)
  end)

  it("tells its state", function()
    run(function()
      local scope
      do
        local s <close> = neap.timeout(2)
        scope = s
        assert.matches("active", tostring(scope))
      end
      assert.matches("finished", tostring(scope))
      assert.is_false(scope:expired())
    end)
  end)
end)

describe("reschedule", function()
  it("moves the deadline later, earlier, and to never", function()
    run(function()
      loop.raises(neap.TimeoutError, neap.timeout, 1, function(scope)
        scope:reschedule(8)
        assert.equal(8, scope:when())
        await(neap.sleep(5))
        scope:reschedule(6)
        await(neap.sleep(100))
      end)
      assert.equal(6, neap.time())
      assert.equal("x", neap.timeout(1, function(scope)
        scope:reschedule(nil)
        assert.is_nil(scope:when())
        return await(neap.sleep(100, "x"))
      end))
    end)
  end)

  it("into the past fires at the next suspension", function()
    run(function()
      await(neap.sleep(5))
      loop.raises(neap.TimeoutError, neap.timeout, 100, function(scope)
        scope:reschedule(1)
        await(neap.sleep(1))
      end)
      assert.equal(5, neap.time())
    end)
  end)

  it("is refused once the scope was left or has fired", function()
    run(function()
      local scope
      neap.timeout(5, function(s) scope = s end)
      loop.raises(neap.RuntimeError, scope.reschedule, scope, 10)
      neap.timeout(1, function(s)
        pcall(await, neap.sleep(10))
        loop.raises(neap.RuntimeError, s.reschedule, s, 10)
      end)
    end)
  end)

  it("refuses what is no number", function()
    run(function()
      neap.timeout(5, function(scope)
        for _, when in ipairs { "1", 0 / 0, math.huge } do
          assert.matches("seconds expected", loop.failure(scope.reschedule, scope, when))
        end
      end)
    end)
  end)

  it("that is not left keeps no run() from ending, nor the next one", function()
    local kept
    run(function() kept = neap.timeout(5) end)
    assert.equal("neap.Timeout (active)", tostring(kept))
    run(function()
      await(neap.sleep(10))
      assert.equal(10, neap.time())
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)
end)
