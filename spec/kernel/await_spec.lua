local neap = require "neap"
local loop = require "spec.support.loop"
local async, await, run = neap.async, neap.await, loop.run

describe("async", function()
  it("refuses what cannot be called", function()
    assert.matches("function expected, got nil", loop.failure(async, nil))
    assert.matches("function expected, got number", loop.failure(async, 1))
  end)

  it("accepts a value with __call", function()
    run(function()
      local fn = setmetatable({}, { __call = function(_, a) return a * 2 end })
      assert.equal(42, await(async(fn)(21)))
    end)
  end)

  it("makes a function that runs nothing when it is called", function()
    run(function()
      local ran = false
      local fn = async(function() ran = true end)
      local object = fn()
      loop.ticks(3)
      assert.is_false(ran)
      await(object)
      assert.is_true(ran)
    end)
  end)

  it("passes all arguments and all results, nils included", function()
    run(function()
      local echo = async(function(...) return select("#", ...), ... end)
      assert.same({ n = 5, 4, nil, "a", nil, nil }, table.pack(await(echo(nil, "a", nil, nil))))
      assert.same({ n = 1, 0 }, table.pack(await(echo())))
    end)
  end)

  it("calls the function anew for each coroutine object", function()
    run(function()
      local n = 0
      local count = async(function() n = n + 1 return n end)
      assert.equal(1, await(count()))
      assert.equal(2, await(count()))
    end)
  end)
end)

describe("A coroutine object", function()
  it("runs in the task that awaits it", function()
    run(function()
      local main = neap.current_task()
      assert.equal(main, await(async(neap.current_task)()))
    end)
  end)

  it("runs on the coroutine of the task", function()
    run(function()
      assert.equal(coroutine.running(), (await(async(coroutine.running)())))
    end)
  end)

  it("is awaited once", function()
    run(function()
      local object = async(function() return 1 end)()
      await(object)
      assert.matches("awaited already", loop.raises(neap.RuntimeError, await, object).message)
      assert.matches("awaited already", loop.raises(neap.RuntimeError, neap.create_task, object).message)
    end)
  end)

  it("cannot be awaited again while it runs", function()
    run(function()
      local object
      object = async(function() await(object) end)()
      loop.raises(neap.RuntimeError, await, object)
    end)
  end)

  it("cannot be awaited after it was closed", function()
    run(function()
      local object = async(function() end)()
      object:close()
      loop.raises(neap.RuntimeError, await, object)
    end)
  end)

  it("becomes a task once", function()
    run(function()
      local object = async(function() return "x" end)()
      local task = neap.create_task(object)
      loop.raises(neap.RuntimeError, neap.create_task, object)
      assert.equal("x", await(task))
    end)
  end)

  it("raises the very error of its function", function()
    run(function()
      local err = {}
      assert.equal(err, loop.failure(await, async(error)(err)))
    end)
  end)

  it("tells whether it was awaited", function()
    run(function()
      local object = async(function() end)()
      assert.matches("not awaited", tostring(object))
      await(object)
      assert.not_matches("not awaited", tostring(object))
    end)
  end)
end)

describe("await", function()
  it("refuses what is not awaitable, in a task and outside", function()
    local function refused()
      for _, value in ipairs { 1, "text", true, {}, coroutine.create(print), neap } do
        assert.matches("awaitable.*expected, got", loop.failure(await, value))
      end
      assert.matches("awaitable.*expected, got n", loop.failure(await))
      assert.matches("awaitable.*expected, got n", loop.failure(await, nil))
    end
    refused()
    run(refused)
  end)

  it("calls a plain function", function()
    run(function()
      assert.same({ n = 3, 1, nil, 3 }, table.pack(await(function() return 1, nil, 3 end)))
    end)
  end)

  it("calls __await with the value", function()
    run(function()
      local value = setmetatable({ result = 5 }, {
        __await = function(self)
          await(neap.sleep(1))
          return self.result, nil
        end,
      })
      assert.is_true(neap.isawaitable(value))
      assert.same({ n = 2, 5, nil }, table.pack(await(value)))
      assert.equal(5, await(neap.create_task(value)))
      assert.equal(5, await(neap.gather(value))[1])
      assert.equal(5, await(neap.wait_for(value, 10)))
    end)
  end)

  it("works at any depth: pcall, metamethods, iterators, close, load", function()
    run(function()
      local function nap(...) return await(neap.sleep(1, ...)) end
      assert.equal("a", select(2, pcall(nap, "a")))
      assert.equal("b", select(2, xpcall(nap, debug.traceback, "b")))
      local object = setmetatable({}, {
        __index = function(_, key) return nap(key) end,
        __add = function(_, n) return nap(n) end,
        __call = function(_, n) return nap(n) end,
        __close = function() nap() end,
        __len = function() return nap(9) end,
      })
      assert.equal("key", object.key)
      assert.equal(3, object + 3)
      assert.equal(4, object(4))
      assert.equal(9, #object)
      do
        local _ <close> = object
      end
      local items = {}
      for i in function(_, i) if i < 3 then return nap(i + 1) end end, nil, 0 do items[#items + 1] = i end
      assert.same({ 1, 2, 3 }, items)
      assert.equal("loaded", load("return ...")(nap "loaded"))
      assert.equal("in", load("local await, sleep = ... return await(sleep(1, 'in'))")(await, neap.sleep))
    end)
  end)

  it("passes errors through pcall after a suspension", function()
    run(function()
      local ok, err = pcall(function()
        await(neap.sleep(1))
        error({ code = 1 })
      end)
      assert.is_false(ok)
      assert.same({ code = 1 }, err)
    end)
  end)

  it("refuses a task that awaits itself", function()
    run(function()
      local task
      task = neap.create_task(function() await(task) end)
      assert.matches("itself", loop.raises(neap.RuntimeError, await, task).message)
    end)
  end)

  it("refuses a callback of the loop", function()
    local reports = loop.run_reports(function()
      neap.call_soon(function() await(neap.sleep(0)) end)
      loop.ticks(2)
    end)
    assert.equal(1, #reports)
    assert.is_true(neap.is(reports[1].exception, neap.RuntimeError))
    assert.matches("outside a task", reports[1].exception.message)
  end)

  it("refuses __gc inside a task", function()
    run(function()
      local err
      setmetatable({}, { __gc = function() err = select(2, pcall(await, neap.sleep(1))) end })
      collectgarbage()
      assert.is_true(neap.is(err, neap.RuntimeError))
      assert.matches("__gc", err.message)
    end)
  end)

  it("refuses __gc outside any task", function()
    local err
    setmetatable({}, { __gc = function() err = select(2, pcall(await, neap.sleep(0))) end })
    collectgarbage()
    assert.is_true(neap.is(err, neap.RuntimeError))
  end)

  it("refuses run() in __gc too", function()
    local err
    setmetatable({}, { __gc = function() err = select(2, pcall(neap.run, neap.sleep(0))) end })
    collectgarbage()
    assert.is_true(neap.is(err, neap.RuntimeError))
    assert.matches("run() inside a finalizer (__gc)", err.message, 1, true)
  end)

  it("does not allocate a new operation for what has no arguments", function()
    run(function()
      local queue, event = neap.Queue(), neap.Event()
      assert.is_true(rawequal(queue:get(), queue:get()))
      assert.is_true(rawequal(event:wait(), event:wait()))
      queue:put_nowait(1)
      queue:put_nowait(2)
      local get = queue:get()
      assert.equal(1, await(get))
      assert.equal(2, await(get))
    end)
  end)
end)

describe("A user's coroutine inside a task", function()
  it("yields and resumes as ever", function()
    run(function()
      local generate = coroutine.wrap(function()
        for i = 1, 3 do coroutine.yield(i) end
      end)
      local got = {}
      for i in generate do
        await(neap.sleep(1))
        got[#got + 1] = i
      end
      assert.same({ 1, 2, 3 }, got)
    end)
  end)
end)

describe("sleep", function()
  it("refuses what is not a finite number of seconds", function()
    for _, value in ipairs { 0 / 0, math.huge, -math.huge } do
      assert.matches("seconds expected, got", loop.failure(neap.sleep, value))
    end
    assert.matches("seconds expected, got n", loop.failure(neap.sleep))
    assert.matches("seconds expected, got string", loop.failure(neap.sleep, "1"))
    assert.matches("seconds expected, got table", loop.failure(neap.sleep, {}))
  end)

  it("is one tick when the time is zero or negative", function()
    run(function()
      for _, seconds in ipairs { 0, -1, -1e300, 0.0 } do
        local order, start = {}, neap.time()
        neap.call_soon(function()
          order[#order + 1] = "first"
          neap.call_soon(function() order[#order + 1] = "third" end)
        end)
        await(neap.sleep(seconds))
        order[#order + 1] = "second"
        loop.ticks(1)
        assert.same({ "first", "second", "third" }, order)
        assert.equal(start, neap.time())
      end
    end)
  end)

  it("gives back what follows the seconds", function()
    run(function()
      assert.same({ n = 0 }, table.pack(await(neap.sleep(1))))
      assert.same({ n = 3, "a", nil, nil }, table.pack(await(neap.sleep(1, "a", nil, nil))))
      assert.same({ n = 2, nil, 1 }, table.pack(await(neap.sleep(0, nil, 1))))
    end)
  end)

  it("is awaitable, and begins when it is awaited", function()
    run(function()
      local nap = neap.sleep(2, "x")
      assert.is_true(neap.isawaitable(nap))
      await(neap.sleep(5))
      local start = neap.time()
      assert.equal("x", await(nap))
      assert.equal(start + 2, neap.time())
      assert.is_true(neap.isawaitable(neap.sleep(1)))
    end)
  end)

  it("wakes the shorter sleeper first", function()
    run(function()
      local order = {}
      for _, seconds in ipairs { 3, 1, 2 } do
        neap.create_task(function()
          await(neap.sleep(seconds))
          order[#order + 1] = seconds
        end)
      end
      await(neap.sleep(10))
      assert.same({ 1, 2, 3 }, order)
    end)
  end)

  it("drops its timer when it is cancelled", function()
    run(function()
      local task = neap.create_task(neap.sleep(1000))
      await(neap.sleep(1))
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      assert.equal(1, neap.time())
    end)
    run(function() assert.equal(0, neap.time()) end)
  end)
end)

describe("isawaitable", function()
  it("tells awaitables from other values", function()
    assert.is_true(neap.isawaitable(neap.Future()))
    local object = async(function() end)()
    assert.is_true(neap.isawaitable(object))
    assert.is_false(neap.isawaitable(1))
    assert.is_false(neap.isawaitable({}))
    assert.is_false(neap.isawaitable(nil))
    assert.is_false(neap.isawaitable(neap.Lock()))
  end)
end)

describe("ensure_future", function()
  it("gives back futures and tasks, and makes tasks of the rest", function()
    run(function()
      local future = neap.Future()
      assert.equal(future, neap.ensure_future(future))
      local task = neap.ensure_future(async(function() return 1 end)())
      assert.is_true(neap.is(task, neap.Task))
      assert.equal(task, neap.ensure_future(task))
      assert.equal(1, await(task))
      assert.is_false(pcall(neap.ensure_future, 1))
    end)
  end)
end)
