local neap = require "neap"
local loop = require "spec.support.loop"
local async, await, run = neap.async, neap.await, loop.run

describe("create_task", function()
  it("refuses what is not awaitable, and futures", function()
    run(function()
      for _, value in ipairs { 1, "x", true, {} } do
        assert.matches("expected, got", loop.failure(neap.create_task, value))
      end
      assert.matches("future", loop.failure(neap.create_task, neap.Future()))
      assert.is_false(pcall(neap.create_task))
    end)
  end)

  it("refuses wrong options before it makes anything", function()
    run(function()
      local body = function() end
      assert.matches("table expected", loop.failure(neap.create_task, body, 1))
      assert.matches("'name'.*string", loop.failure(neap.create_task, body, { name = {} }))
      assert.matches("'context'.*Context", loop.failure(neap.create_task, body, { context = {} }))
      assert.equal(1, neap.all_tasks().n)
    end)
  end)

  it("runs no user code, and keeps the order of call_soon", function()
    run(function()
      local order = {}
      neap.call_soon(function() order[#order + 1] = "cs1" end)
      neap.create_task(function() order[#order + 1] = "t" end)
      neap.call_soon(function() order[#order + 1] = "cs2" end)
      assert.same({}, order)
      loop.ticks(1)
      assert.same({ "cs1", "t", "cs2" }, order)
    end)
  end)

  it("takes coroutine objects, functions and operations", function()
    run(function()
      local queue = neap.Queue()
      queue:put_nowait "item"
      assert.equal(1, await(neap.create_task(async(function() return 1 end)())))
      assert.equal(2, await(neap.create_task(function() return 2 end)))
      assert.equal(3, await(neap.create_task(neap.sleep(1, 3))))
      assert.equal("item", await(neap.create_task(queue:get())))
    end)
  end)

  it("works outside run, and the task begins when the loop does", function()
    local task = neap.create_task(function() return "early" end)
    assert.is_false(task:done())
    assert.equal("early", run(function() return await(task) end))
  end)

  it("wakes its awaiter a tick after its end", function()
    run(function()
      local order = {}
      local task = neap.create_task(function()
        await(neap.sleep(0))
        order[#order + 1] = "body"
      end)
      neap.create_task(function()
        await(task)
        order[#order + 1] = "awaiter"
      end)
      loop.ticks(2)
      assert.same({ "body" }, order)
      assert.is_true(task:done())
      loop.ticks(1)
      assert.same({ "body", "awaiter" }, order)
    end)
  end)

  it("holds the task until it is done, though nobody else does", function()
    run(function()
      local finished = false
      neap.create_task(function()
        await(neap.sleep(1))
        finished = true
      end)
      collectgarbage()
      collectgarbage()
      await(neap.sleep(2))
      assert.is_true(finished)
    end)
  end)

  it("lets go of the task once it is done", function()
    run(function()
      local weak = setmetatable({}, { __mode = "k" })
      weak[neap.create_task(function() await(neap.sleep(1)) end)] = true
      collectgarbage()
      assert.is_not_nil(next(weak))
      await(neap.sleep(2))
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
    end)
  end)
end)

describe("Task", function()
  it("refuses set_result and set_exception", function()
    run(function()
      local task = neap.create_task(function() end)
      loop.raises(neap.RuntimeError, task.set_result, task, 1)
      loop.raises(neap.RuntimeError, task.set_exception, task, "x")
      await(task)
    end)
  end)

  it("is a future", function()
    run(function()
      local task = neap.create_task(function() return 1, nil end)
      assert.is_true(neap.is(task, neap.Task))
      assert.is_true(neap.is(task, neap.Future))
      loop.raises(neap.InvalidStateError, task.result, task)
      await(task)
      assert.same({ n = 2, 1, nil }, table.pack(task:result()))
    end)
  end)

  it("is what neap.Task makes, too", function()
    run(function()
      assert.equal("t", await(neap.Task(function() return neap.current_task():get_name() end, { name = "t" })))
    end)
  end)

  it("ends with the very error its body raised", function()
    run(function()
      for _, value in ipairs { "x", 1, false, {} } do
        local task = neap.create_task(function() error(value, 0) end)
        assert.is_true(rawequal(value, loop.failure(await, task)))
        assert.is_true(rawequal(value, task:exception()))
      end
      local ok, err = pcall(await, neap.create_task(function() error(nil) end))
      assert.is_false(ok)
      assert.is_nil(err)
    end)
  end)

  it("closes its variables when it fails, and they may await", function()
    run(function()
      local order = {}
      local task = neap.create_task(function()
        local _ <close> = setmetatable({}, {
          __close = function(_, err)
            await(neap.sleep(1))
            order[#order + 1] = err
          end,
        })
        error("boom", 0)
      end)
      assert.equal("boom", loop.failure(await, task))
      assert.same({ "boom" }, order)
      assert.equal(1, neap.time())
    end)
  end)

  it("may have more arguments and results than a stack is usually given", function()
    run(function()
      local n = 200
      local object = async(function(...) return ... end)(table.unpack({}, 1, n))
      assert.equal(n, select("#", await(neap.create_task(object))))
    end)
  end)
end)

describe("A task's name", function()
  it("is Task-N with rising numbers unless it is given", function()
    run(function()
      local a = neap.create_task(function() end)
      local b = neap.create_task(function() end)
      local n = tonumber(a:get_name():match "^Task%-(%d+)$")
      assert.equal(("Task-%d"):format(n + 1), b:get_name())
      assert.equal("crawler", neap.create_task(function() end, { name = "crawler" }):get_name())
      loop.ticks(2)
    end)
  end)

  it("can be changed, to any value's text", function()
    run(function()
      local task = neap.create_task(function() end)
      task:set_name "second"
      assert.equal("second", task:get_name())
      task:set_name(12)
      assert.equal("12", task:get_name())
      assert.matches("12", tostring(task))
      await(task)
      assert.equal("12", task:get_name())
    end)
  end)
end)

describe("current_task and all_tasks", function()
  it("know the task that runs", function()
    assert.is_nil(neap.current_task())
    run(function()
      local main = neap.current_task()
      local seen
      local task = neap.create_task(function() seen = neap.current_task() end)
      await(task)
      assert.equal(task, seen)
      assert.equal(main, neap.current_task())
    end)
    assert.is_nil(neap.current_task())
  end)

  it("have no task inside a callback", function()
    run(function()
      local seen = "unset"
      neap.call_soon(function() seen = neap.current_task() end)
      loop.ticks(1)
      assert.is_nil(seen)
    end)
  end)

  it("list those that are not done", function()
    run(function()
      local main = neap.current_task()
      local a = neap.create_task(neap.sleep(1))
      local b = neap.create_task(neap.sleep(2))
      local found = {}
      local tasks = neap.all_tasks()
      for i = 1, tasks.n do found[tasks[i]] = true end
      assert.same({ [main] = true, [a] = true, [b] = true }, found)
      assert.equal(3, tasks.n)
      await(a)
      assert.equal(2, neap.all_tasks().n)
      assert.equal(2, neap.all_tasks(1, {}).n)
      await(b)
      assert.equal(1, neap.all_tasks().n)
    end)
    assert.equal(0, neap.all_tasks().n)
  end)
end)

describe("a debug hook", function()
  it("that a task has set ends with it", function()
    local seen = {}
    local function hook() seen[#seen + 1] = coroutine.running() end
    run(function()
      await(neap.create_task(function() debug.sethook(hook, "", 1) end))
      seen = {}
      for _ = 1, 3 do
        await(neap.create_task(function() assert.is_nil((debug.gethook())) end))
      end
    end)
    run(function() debug.sethook(hook, "l") end)
    seen = {}
    run(function() assert.is_nil((debug.gethook())) end)
    assert.same({}, seen)
  end)
end)

describe("get_stack", function()
  it("shows where the task waits, innermost first", function()
    run(function()
      local function inner() await(neap.sleep(5)) end
      local task = neap.create_task(function() inner() return 1 end)
      loop.ticks(1)
      local frames = task:get_stack()
      local line = debug.getinfo(inner, "S").linedefined
      assert.matches("task_spec.lua$", frames[1].source)
      assert.equal(line, frames[1].line)
      assert.equal(line + 1, frames[2].line)
      assert.equal(1, #task:get_stack { limit = 1 })
      assert.matches("sleep", task:waits_for())
      task:cancel()
      pcall(await, task)
      assert.same({}, task:get_stack())
    end)
  end)

  it("refuses what is no number of frames, by its name", function()
    run(function()
      local task = neap.current_task()
      for _, limit in ipairs { -1, 0.5, 0 / 0, "many", false } do
        local refused = loop.failure(function() task:get_stack { limit = limit } end)
        assert.matches("#1 to 'get_stack' %(field 'limit'", refused)
      end
      assert.same({}, task:get_stack { limit = 0 })
    end)
  end)

  it("is empty before the first step", function()
    run(function()
      local task = neap.create_task(function() end)
      assert.same({}, task:get_stack())
      await(task)
    end)
  end)
end)

describe("An eager task", function()
  it("runs its first step inside create_task, as the current task", function()
    run(function()
      local main, order = neap.current_task(), {}
      local seen
      local task = neap.create_task(function()
        seen = neap.current_task()
        order[#order + 1] = "first"
        await(neap.sleep(0))
        order[#order + 1] = "second"
        return "done"
      end, { eager_start = true })
      order[#order + 1] = "created"
      assert.equal(main, neap.current_task())
      assert.equal(task, seen)
      assert.equal("done", await(task))
      assert.same({ "first", "created", "second" }, order)
    end)
  end)

  it("may be done before create_task returns", function()
    run(function()
      local task = neap.create_task(function() return 5 end, { eager_start = true })
      assert.is_true(task:done())
      assert.equal(5, task:result())
      assert.equal(1, neap.all_tasks().n)
      local failed = neap.create_task(function() error("early", 0) end, { eager_start = true })
      assert.equal("early", failed:exception())
    end)
  end)

  it("may start eager tasks of its own, deeper than the C stack", function()
    run(function()
      local depth = 0
      local function nest(n)
        depth = depth + 1
        if n > 0 then await(neap.create_task(function() nest(n - 1) end, { eager_start = true })) end
      end
      nest(300)
      assert.equal(301, depth)
    end)
  end)

  it("has a name and a context before its first step", function()
    run(function()
      local var = neap.ContextVar "v"
      local context = neap.Context()
      context:run(function() var:set "given" end)
      local name, value
      neap.create_task(function()
        name, value = neap.current_task():get_name(), var:get()
      end, { name = "eager", context = context, eager_start = true })
      assert.equal("eager", name)
      assert.equal("given", value)
    end)
  end)
end)

describe("A yield that is not await", function()
  it("fails the task with an error that says so", function()
    run(function()
      local closed = false
      local task = neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        coroutine.yield "oops"
      end)
      local err = loop.failure(await, task)
      assert.matches("yield", tostring(err))
      assert.is_true(closed)
      await(neap.sleep(1))
    end)
  end)
end)
