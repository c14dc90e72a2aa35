local neap = require "neap"
local loop = require "spec.support.loop"
local async, await, run = neap.async, neap.await, loop.run

local function nap(seconds, ...) return neap.create_task(neap.sleep(seconds, ...)) end

describe("as_completed", function()
  it("refuses what is not a list of awaitables", function()
    run(function()
      assert.matches("list of awaitables expected, got n", loop.failure(neap.as_completed))
      assert.matches("expected, got neap.Future", loop.failure(neap.as_completed, neap.Future()))
      assert.matches("element 1: awaitable expected", loop.failure(neap.as_completed, { 1 }))
      assert.matches("table expected", loop.failure(neap.as_completed, {}, 1))
      assert.matches("'timeout'", loop.failure(neap.as_completed, {}, { timeout = "1" }))
    end)
  end)

  it("of nothing ends at once", function()
    run(function()
      for _ in neap.as_completed {} do error "not reached" end
    end)
  end)

  it("gives the very futures, in the order they are done", function()
    run(function()
      local a, b, c = nap(3, "a"), nap(1, "b"), nap(2, "c")
      local order = {}
      for task in neap.as_completed { a, b, c } do
        assert.is_true(task:done())
        order[#order + 1] = task
      end
      assert.same({ b, c, a }, order)
      assert.equal(3, neap.time())
    end)
  end)

  it("makes tasks of what is no future", function()
    run(function()
      local results = {}
      local object = async(function() return "y" end)()
      for task in neap.as_completed { neap.sleep(2, "x"), object, function() return "z" end } do
        results[#results + 1] = task:result()
      end
      table.sort(results)
      assert.same({ "x", "y", "z" }, results)
    end)
  end)

  it("gives each duplicate once", function()
    run(function()
      local a, n = nap(1), 0
      for _ in neap.as_completed { a, a, a } do n = n + 1 end
      assert.equal(1, n)
    end)
  end)

  it("takes two calls of an operation as two", function()
    run(function()
      local queue, items = neap.Queue(), {}
      queue:put_nowait(1)
      queue:put_nowait(2)
      for task in neap.as_completed { queue:get(), queue:get() } do items[#items + 1] = task:result() end
      assert.same({ 1, 2 }, items)
    end)
  end)

  it("gives failed and cancelled ones too", function()
    run(function()
      local cancelled = nap(10)
      neap.call_later(2, function() cancelled:cancel() end)
      local seen = {}
      for task in neap.as_completed { cancelled, function() error("x", 0) end } do
        seen[#seen + 1] = select(2, pcall(task.result, task))
      end
      assert.equal("x", seen[1])
      assert.is_true(neap.is(seen[2], neap.CancelledError))
    end)
  end)

  it("raises TimeoutError for each one left when time is up, and cancels none", function()
    run(function()
      local a, b, c = nap(1, "a"), nap(5, "b"), nap(6, "c")
      local results = {}
      for task in neap.as_completed({ a, b, c }, { timeout = 3 }) do
        local ok, value = pcall(await, task)
        results[#results + 1] = ok and value or value.name
      end
      assert.same({ "a", "TimeoutError", "TimeoutError" }, results)
      assert.equal(3, neap.time())
      assert.is_false(b:done() or c:done())
      await(neap.gather(b, c))
    end)
  end)

  it("leaves no timer after break", function()
    run(function()
      local a, b = nap(1), nap(2)
      for _ in neap.as_completed({ a, b }, { timeout = 1000 }) do break end -- luacheck: ignore 512
      await(b)
      assert.equal(2, neap.time())
    end)
  end)

  it("goes on after break with the rest untouched", function()
    run(function()
      local a, b = nap(1, "a"), nap(2, "b")
      for _ in neap.as_completed { a, b } do break end -- luacheck: ignore 512
      assert.equal("b", await(b))
    end)
  end)

  it("is cancelled with the task, and leaves the futures alone", function()
    run(function()
      local a = nap(5, "a")
      local task = neap.create_task(function()
        for _ in neap.as_completed({ a }, { timeout = 50 }) do error "not reached" end
      end)
      loop.ticks(1)
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      assert.equal("a", await(a))
      assert.equal(5, neap.time())
    end)
  end)

  it("gives what was done while the body of the loop waited", function()
    run(function()
      local order = {}
      for task in neap.as_completed { nap(1, 1), nap(2, 2), nap(3, 3) } do
        await(neap.sleep(10))
        order[#order + 1] = task:result()
      end
      assert.same({ 1, 2, 3 }, order)
      assert.equal(31, neap.time())
    end)
  end)

  it("in several tasks at once works on the same futures", function()
    run(function()
      local tasks, seen = { nap(2), nap(1) }, 0
      local count = async(function() for _ in neap.as_completed(tasks) do seen = seen + 1 end end)
      await(neap.gather(count(), count()))
      assert.equal(4, seen)
    end)
  end)
end)
