-- SPDX-License-Identifier: MIT
-- Stacks that are parked: by many, for all that can be awaited, under limits of time, and where they may not be.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A parked stack", function()
  it("is one of ten thousand at once", function()
    run(function()
      local n, count = 0, loop.size(10000, 200)
      local tasks = {}
      for i = 1, count do
        tasks[i] = neap.create_task(function()
          table.sort({ 2, 1 }, function(a, b)
            await(neap.sleep(1))
            n = n + 1
            return a < b
          end)
        end)
      end
      await(neap.gather(table.unpack(tasks)))
      assert.equal(count, n)
    end)
  end)

  it("waits for all that can be awaited", function()
    run(function()
      local lock, queue, event, future = neap.Lock(), neap.Queue(1), neap.Event(), neap.Future()
      await(lock:acquire())
      local got = {}
      local task = neap.create_task(function()
        local waits = { "x" }
        table.sort({ 2, 1 }, function(a, b)
          local held <close> = await(lock:acquire())
          got[#got + 1] = await(queue:get())
          await(event:wait())
          got[#got + 1] = await(future)
          await(queue:put(waits))
          await(queue:put(waits))
          got[#got + 1] = await(neap.gather(neap.sleep(1, "g")))[1]
          got[#got + 1] = await(neap.wait_for(neap.sleep(1, "w"), 2))
          return a < b
        end)
      end)
      await(neap.sleep(1))
      lock:release()
      await(queue:put "q")
      await(neap.sleep(1))
      event:set()
      await(neap.sleep(1))
      future:set_result "f"
      await(queue:get())
      await(queue:get())
      await(task)
      assert.same({ "q", "f", "g", "w" }, got)
    end)
  end)

  it("obeys wait_for, timeout and a task group", function()
    run(function()
      local function hang() string.gsub("a", ".", function() await(neap.sleep(1000)) end) end
      loop.raises(neap.TimeoutError, await, neap.wait_for(hang, 1))
      loop.raises(neap.TimeoutError, neap.timeout, 1, hang)
      assert.is_nil((neap.move_on_after(1, hang)))
      assert.is_false((pcall(function()
        local group <close> = neap.TaskGroup()
        group:create_task(hang)
        await(neap.sleep(1))
        error "enough"
      end)))
    end)
  end)

  it("lets neap.pcall pass the cancellation on", function()
    run(function()
      local task = neap.create_task(function()
        coroutine.wrap(function() neap.pcall(await, neap.sleep(1000)) end)()
        error "not reached"
      end)
      await(neap.sleep(1))
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
    end)
  end)

  it("does not keep who starts a task at once", function()
    run(function()
      local order = {}
      local task = neap.create_task(function()
        string.gsub("a", ".", function()
          order[#order + 1] = "in"
          await(neap.sleep(1))
          order[#order + 1] = "end"
        end)
      end, { eager_start = true })
      order[#order + 1] = "after"
      await(task)
      assert.same({ "in", "after", "end" }, order)
    end)
  end)

  it("nests in tasks that start at once, which start others", function()
    run(function()
      local done = 0
      local function start(depth)
        if depth == 0 then return end
        local task = neap.create_task(function()
          start(depth - 1)
          coroutine.wrap(function() await(neap.sleep(1)) end)()
          done = done + 1
        end, { eager_start = true })
        if depth % 2 == 0 then await(neap.sleep(0)) end
        return task
      end
      start(20)
      await(neap.sleep(10))
      assert.equal(20, done)
    end)
  end)

  it("has the size that run() is told", function()
    local function deep(n)
      if n == 0 then return await(neap.sleep(1, "deep")) end
      return (("a"):gsub("a", function() return deep(n - 1) end))
    end
    assert.equal("deep", loop.run(function() return deep(150) end))
    assert.equal("deep", neap.run(function() return deep(10) end, { stack_size = 65536, clock = "virtual" }))
    for _, size in ipairs { 0, -1, 65535, 1.5, "x", 1 << 40 } do
      assert.matches("field 'stack_size'", loop.failure(neap.run, function() end, { stack_size = size }))
    end
  end)

  it("waits again and again without going deeper", function()
    run(function()
      local condition, n = neap.Condition(), 0
      local task = neap.create_task(function()
        local held <close> = await(condition:acquire())
        coroutine.wrap(function() await(condition:wait_for(function() return n == 3000 end)) end)()
        return n
      end)
      await(neap.sleep(0))
      for _ = 1, 3000 do
        local held <close> = await(condition:acquire())
        n = n + 1
        condition:notify_all()
      end
      assert.equal(3000, await(task))
    end)
  end)

  it("is that of the coroutine which awaits, whatever ran in between", function()
    run(function()
      local condition, tries = neap.Condition(), 0
      local function predicate()
        coroutine.wrap(function() await(neap.sleep(1)) end)()
        tries = tries + 1
        return tries == 3
      end
      local task = neap.create_task(coroutine.wrap(function()
        local held <close> = await(condition:acquire())
        return await(condition:wait_for(predicate)), "ended"
      end))
      for _ = 1, 2 do
        await(neap.sleep(2))
        local held <close> = await(condition:acquire())
        condition:notify()
      end
      assert.same({ true, "ended" }, { await(task) })
    end)
  end)

  it("is used once by a group that waits, however often it is cancelled", function()
    run(function()
      local task = neap.create_task(coroutine.wrap(function()
        local group <close> = neap.TaskGroup()
        group:create_task(function()
          for _ = 1, 3000 do pcall(await, neap.sleep(1)) end
        end)
      end))
      await(neap.sleep(0))
      for _ = 1, 3000 do
        task:cancel()
        await(neap.sleep(1))
      end
      assert.is_true(neap.is(loop.failure(await, task), neap.CancelledError))
    end, { stack_size = 65536 })
  end)

  it("stays when the next run wants stacks of another size", function()
    local first, second = neap.Runner { clock = "virtual" }, neap.Runner { clock = "virtual", stack_size = 1 << 18 }
    local order, task = {}, nil
    first:run(function()
      task = neap.create_task(function()
        coroutine.wrap(function() await(neap.sleep(2)) end)()
        order[#order + 1] = "parked"
      end)
      await(neap.sleep(1))
    end)
    second:run(function()
      await(task)
      order[#order + 1] = "other"
    end)
    assert.same({ "parked", "other" }, order)
    second:close()
    first:close()
  end)

  it("is shown by get_stack, the coroutine's frames first", function()
    run(function()
      local function inner() await(neap.sleep(1)) end
      local task = neap.create_task(function()
        local generate = coroutine.wrap(function() inner() end)
        generate()
      end)
      await(neap.sleep(0))
      local lines = {}
      for _, frame in ipairs(task:get_stack()) do lines[#lines + 1] = frame.line end
      local here = debug.getinfo(inner, "S").linedefined
      assert.same({ here, here + 2, here + 3 }, lines)
      assert.equal(1, #task:get_stack { limit = 1 })
      await(task)
    end)
  end)

  it("is there for a task that an exception handler starts at once", function()
    local seen
    local reports = loop.run_reports(function()
      neap.set_exception_handler(function()
        neap.create_task(function()
          coroutine.wrap(function() await(neap.sleep(1)) end)()
          seen = "parked"
        end, { eager_start = true })
      end)
      neap.call_soon(error, "oops")
      await(neap.sleep(2))
    end)
    assert.is_nil(reports.error)
    assert.equal("parked", seen)
  end)

  it("is not overrun: an error tells that there is no room", function()
    local function deeper()
      return coroutine.wrap(function()
        await(neap.sleep(0))
        return (("a"):gsub("a", function() return deeper() end))
      end)()
    end
    local err = loop.failure(neap.run, deeper, { stack_size = 65536 })
    assert.matches("C stack overflow.-stack_size", tostring(err))
  end)

  it("is refused in a finalizer and in an exception handler", function()
    local reports = {}
    local errors = {}
    neap.run(function()
      neap.set_exception_handler(function(context)
        reports[#reports + 1] = context
        errors[#errors + 1] = tostring(select(2, pcall(coroutine.wrap(function() await(neap.sleep(0)) end))))
      end)
      setmetatable({}, { __gc = function()
        errors[#errors + 1] = tostring(select(2, pcall(coroutine.wrap(function() await(neap.sleep(0)) end))))
      end })
      collectgarbage()
      neap.call_soon(error, "oops")
      await(neap.sleep(0.001))
    end)
    assert.equal(2, #errors)
    assert.matches("finalizer", errors[1])
    assert.matches("outside a task", errors[2])
    assert.equal(1, #reports)
  end)
end)
