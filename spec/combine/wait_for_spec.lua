local neap = require "neap"
local loop = require "spec.support.loop"
local async, await, run = neap.async, neap.await, loop.run

local function cleaning(seconds, finish)
  return function()
    local _ <close> = setmetatable({}, { __close = function()
      await(neap.sleep(seconds))
      finish()
    end })
    await(neap.sleep(1000))
  end
end

describe("wait_for", function()
  it("refuses wrong arguments", function()
    run(function()
      assert.matches("#1.*expected, got number", loop.failure(function() neap.wait_for(1, 1) end))
      local future = neap.Future()
      assert.matches("#2.*value expected", loop.failure(function() neap.wait_for(future) end))
      for _, seconds in ipairs { "1", 0 / 0, math.huge, {} } do
        assert.matches("#2.*seconds expected", loop.failure(function() neap.wait_for(future, seconds) end))
      end
    end)
  end)

  it("gives all results when they come in time", function()
    run(function()
      assert.same({ n = 3, "a", nil, nil }, table.pack(await(neap.wait_for(neap.sleep(1, "a", nil, nil), 2))))
      assert.equal(1, neap.time())
    end)
  end)

  it("raises the error of the awaitable", function()
    run(function()
      local err = {}
      assert.equal(err, loop.failure(await, neap.wait_for(function()
        await(neap.sleep(1))
        error(err)
      end, 2)))
    end)
  end)

  it("raises TimeoutError when time is up", function()
    run(function()
      loop.raises(neap.TimeoutError, await, neap.wait_for(neap.sleep(10), 2))
      assert.equal(2, neap.time())
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("without a limit just awaits", function()
    run(function()
      assert.equal("x", await(neap.wait_for(neap.sleep(1e6, "x"), nil)))
    end)
  end)

  it("runs the awaitable in the caller's task", function()
    run(function()
      local main = neap.current_task()
      assert.equal(main, await(neap.wait_for(async(neap.current_task)(), 5)))
    end)
  end)

  it("cancels a task it waited for", function()
    run(function()
      local task = neap.create_task(neap.sleep(10))
      loop.raises(neap.TimeoutError, await, neap.wait_for(task, 1))
      assert.is_true(task:cancelled())
    end)
  end)

  it("waits until the awaitable has cleaned up, and so may overrun", function()
    run(function()
      local cleaned = false
      local task = neap.create_task(cleaning(5, function() cleaned = true end))
      loop.raises(neap.TimeoutError, await, neap.wait_for(task, 1))
      assert.is_true(cleaned)
      assert.equal(6, neap.time())
      cleaned = false
      loop.raises(neap.TimeoutError, await, neap.wait_for(cleaning(5, function() cleaned = true end), 1))
      assert.is_true(cleaned)
    end)
  end)

  it("gives the value of an awaitable that refuses to be cancelled", function()
    run(function()
      assert.equal("late", await(neap.wait_for(function()
        pcall(await, neap.sleep(10))
        return "late"
      end, 1)))
    end)
  end)

  it("raises the error of an awaitable that fails when it is cancelled", function()
    run(function()
      assert.equal("in clean-up", loop.failure(await, neap.wait_for(cleaning(0, function()
        error("in clean-up", 0)
      end), 1)))
    end)
  end)

  it("converts only its own cancellation: the outer one wins", function()
    run(function()
      local task = neap.create_task(neap.wait_for(neap.sleep(10), 5))
      loop.ticks(1)
      task:cancel "outer"
      assert.equal("outer", loop.raises(neap.CancelledError, await, task).message)
    end)
  end)

  it("lets the outer one win when both come at once", function()
    run(function()
      local task
      task = neap.create_task(function()
        neap.call_later(2, function() task:cancel() end)
        await(neap.wait_for(neap.sleep(10), 2))
      end)
      loop.raises(neap.CancelledError, await, task)
    end)
  end)

  it("inside another converts the one that fired", function()
    run(function()
      local inner
      local ok, err = pcall(await, neap.wait_for(function()
        inner = select(2, pcall(await, neap.wait_for(neap.sleep(10), 1)))
        await(neap.sleep(10))
      end, 3))
      assert.is_false(ok)
      assert.is_true(neap.is(inner, neap.TimeoutError))
      assert.is_true(neap.is(err, neap.TimeoutError))
      assert.equal(3, neap.time())
    end)
  end)

  it("leaves no timer behind", function()
    run(function()
      await(neap.wait_for(neap.sleep(1), 1000))
      pcall(await, neap.wait_for(function() error "x" end, 1000))
      assert.equal(1, neap.time())
    end)
  end)

  it("can be made a task, gathered and waited for itself", function()
    run(function()
      assert.equal("x", await(neap.create_task(neap.wait_for(neap.sleep(1, "x"), 2))))
      assert.equal("x", await(neap.gather(neap.wait_for(neap.sleep(1, "x"), 2)))[1])
      assert.equal("x", await(neap.wait_for(neap.wait_for(neap.sleep(1, "x"), 2), 2)))
    end)
  end)
end)

describe("wait_for without time", function()
  for _, seconds in ipairs { 0, -1 } do
    it(("of %d s gives the result of what is done"):format(seconds), function()
      run(function()
        local future = neap.Future()
        future:set_result(1, 2)
        assert.same({ n = 2, 1, 2 }, table.pack(await(neap.wait_for(future, seconds))))
        local failed = neap.Future()
        failed:set_exception "x"
        assert.equal("x", loop.failure(await, neap.wait_for(failed, seconds)))
      end)
    end)

    it(("of %d s does not start a coroutine object"):format(seconds), function()
      run(function()
        local ran = false
        loop.raises(neap.TimeoutError, await, neap.wait_for(async(function() ran = true end)(), seconds))
        assert.is_false(ran)
        assert.equal(0, neap.time())
      end)
    end)

    it(("of %d s cancels a task and waits until it has ended"):format(seconds), function()
      run(function()
        local cleaned = false
        local task = neap.create_task(cleaning(5, function() cleaned = true end))
        loop.ticks(1)
        loop.raises(neap.TimeoutError, await, neap.wait_for(task, seconds))
        assert.is_true(cleaned)
        assert.is_true(task:cancelled())
      end)
    end)
  end

  it("gives the value of a task that refuses to be cancelled", function()
    run(function()
      local task = neap.create_task(function()
        pcall(await, neap.sleep(10))
        return "refused"
      end)
      loop.ticks(1)
      assert.equal("refused", await(neap.wait_for(task, 0)))
    end)
  end)

  it("times out when it ends a gather, which fails with its children's cancellation", function()
    run(function()
      for _, limit in ipairs { 1, 0, -1 } do
        local tasks = {}
        for i = 1, 2 do tasks[i] = neap.create_task(neap.sleep(10)) end
        loop.raises(neap.TimeoutError, await, neap.wait_for(neap.gather(tasks), limit))
        for i = 1, 2 do assert.is_true(tasks[i]:cancelled()) end
      end
      assert.equal(1, neap.time())
    end)
  end)
end)
