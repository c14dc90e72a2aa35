local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local async, await = neap.async, neap.await

describe("run", function()
  it("refuses what is not awaitable", function()
    for _, value in ipairs { 1, "x", true, {} } do
      assert.matches("expected, got", loop.failure(neap.run, value))
    end
    assert.is_false(pcall(neap.run))
  end)

  it("refuses wrong options", function()
    local body = function() end
    assert.matches("table expected", loop.failure(neap.run, body, 1))
    assert.matches("'clock'", loop.failure(neap.run, body, { clock = "fast" }))
    assert.matches("'clock'", loop.failure(neap.run, body, { clock = {} }))
    for _, grace in ipairs { -1, "x", 0 / 0 } do
      assert.matches("'shutdown_grace'", loop.failure(neap.run, body, { shutdown_grace = grace }))
    end
  end)

  it("gives all results of main", function()
    assert.same({ n = 3, 1, nil, nil }, table.pack(neap.run(function() return 1, nil, nil end)))
    assert.same({ n = 0 }, table.pack(neap.run(function() end)))
  end)

  it("takes coroutine objects, operations and futures", function()
    assert.equal(3, neap.run(async(function(a, b) return a + b end)(1, 2)))
    assert.equal("x", neap.run(neap.sleep(0, "x")))
    local future = neap.Future()
    future:set_result "f"
    assert.equal("f", neap.run(future))
  end)

  it("makes main a task", function()
    local task = neap.run(function() return neap.current_task() end)
    assert.is_true(neap.is(task, neap.Task))
    assert.is_true(task:done())
  end)

  it("refuses a run inside a run, at once and without harm", function()
    loop.run(function()
      local ran = false
      local err = loop.raises(neap.RuntimeError, neap.run, function() ran = true end)
      assert.matches("while the loop is running", err.message)
      assert.is_false(ran)
      await(neap.sleep(1))
    end)
  end)

  it("refuses a run inside a callback", function()
    local err
    loop.run(function()
      neap.call_soon(function() err = select(2, pcall(neap.run, function() end)) end)
      loop.ticks(2)
    end)
    assert.is_true(neap.is(err, neap.RuntimeError))
  end)

  it("works again and again, also after a failure", function()
    for i = 1, 5 do
      assert.equal(i, neap.run(neap.sleep(0, i)))
      assert.equal("boom", loop.failure(neap.run, function() error("boom", 0) end))
    end
  end)

  it("raises CancelledError when main is cancelled", function()
    loop.raises(neap.CancelledError, neap.run, function()
      neap.current_task():cancel()
      await(neap.sleep(0))
    end)
  end)

  it("works inside a coroutine of the user's own", function()
    local result = coroutine.wrap(function()
      return neap.run(function() return await(neap.sleep(0, "in a coroutine")) end)
    end)()
    assert.equal("in a coroutine", result)
    assert.equal("after", neap.run(neap.sleep(0, "after")))
  end)

  it("leaves nothing alive of luv's loop", function()
    neap.run(function()
      neap.create_task(neap.sleep(1000))
      neap.call_later(1000, function() end)
      await(neap.sleep(0))
    end)
    assert.is_false(uv.loop_alive())
  end)
end)

describe("A top-level await", function()
  it("runs the loop until that one thing is done", function()
    assert.same({ n = 2, nil, "x" }, table.pack(await(neap.sleep(0, nil, "x"))))
    assert.equal(5, await(function() return 5 end))
    assert.equal(6, await(async(function() return 6 end)()))
    local task = neap.create_task(function() return 7 end)
    assert.equal(7, await(task))
  end)

  it("raises the error", function()
    assert.equal("boom", loop.failure(await, function() error("boom", 0) end))
  end)

  it("leaves other tasks to the next one", function()
    local order = {}
    local slow = neap.create_task(function()
      loop.ticks(5)
      order[#order + 1] = "slow"
    end)
    await(function() order[#order + 1] = "quick" end)
    assert.same({ "quick" }, order)
    assert.is_false(slow:done())
    await(slow)
    assert.same({ "quick", "slow" }, order)
  end)

  it("is refused in a callback of the loop", function()
    local err
    neap.call_soon(function() err = select(2, pcall(await, neap.sleep(0))) end)
    await(neap.sleep(0))
    assert.is_true(neap.is(err, neap.RuntimeError))
  end)

  it("works in a coroutine of the user's own outside the loop", function()
    assert.equal("x", coroutine.wrap(function() return await(neap.sleep(0, "x")) end)())
  end)
end)

describe("The end of run", function()
  it("does not wait for ever for what clean-up makes", function()
    local made = 0
    local function again()
      pcall(await, neap.sleep(1000))
      made = made + 1
      neap.create_task(again)
    end
    local ok, err = pcall(neap.run, function()
      neap.create_task(again)
      await(neap.sleep(0))
    end, { clock = "virtual" })
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.is_true(made >= 1000)
    assert.equal(0, neap.all_tasks().n)
  end)

  it("lets what clean-up makes end within the time of grace", function()
    local ended = false
    neap.run(function()
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        neap.create_task(function()
          await(neap.sleep(9))
          ended = true
        end)
      end)
      await(neap.sleep(0))
    end, { clock = "virtual" })
    assert.is_true(ended)
  end)

  it("cancels all remaining tasks and waits for them", function()
    local order = {}
    loop.run(function()
      for i = 1, 3 do
        neap.create_task(function()
          local _ <close> = setmetatable({}, { __close = function()
            await(neap.sleep(i))
            order[#order + 1] = i
          end })
          await(neap.sleep(1000))
        end)
      end
      loop.ticks(1)
    end)
    assert.same({ 1, 2, 3 }, order)
  end)

  it("comes before the error of main leaves run", function()
    local cleaned = false
    local reports = loop.run_reports(function()
      neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function()
          await(neap.sleep(1))
          cleaned = true
        end })
        await(neap.sleep(1000))
      end)
      loop.ticks(1)
      error("main", 0)
    end)
    assert.equal("main", reports.error)
    assert.is_true(cleaned)
  end)

  it("reports a task that fails in its clean-up", function()
    local reports = loop.run_reports(function()
      neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function() error("clean-up", 0) end })
        await(neap.sleep(1000))
      end)
      loop.ticks(1)
    end)
    assert.equal(1, #reports)
    assert.equal("clean-up", reports[1].exception)
  end)

  it("waits for the tasks that clean-up makes, as long as something else keeps the loop", function()
    local order = {}
    loop.run(function()
      neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function()
          await(neap.create_task(function()
            await(neap.sleep(2))
            order[#order + 1] = "grandchild"
          end))
          order[#order + 1] = "child"
        end })
        await(neap.sleep(1000))
      end)
      loop.ticks(1)
    end)
    assert.same({ "grandchild", "child" }, order)
  end)

  it("lets the tasks talk to each other", function()
    local order = {}
    loop.run(function()
      local event = neap.Event()
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        await(event:wait())
        order[#order + 1] = "woken"
      end)
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        await(neap.sleep(1))
        order[#order + 1] = "set"
        event:set()
      end)
      loop.ticks(1)
    end)
    assert.same({ "set", "woken" }, order)
  end)

  it("repeats the cancellation after the grace time", function()
    local swallowed, ended = 0, nil
    loop.run(function()
      neap.create_task(function()
        while swallowed < 4 do
          if not pcall(await, neap.sleep(1000)) then swallowed = swallowed + 1 end
        end
        ended = neap.time()
      end)
      loop.ticks(1)
    end, { shutdown_grace = 7 })
    assert.equal(4, swallowed)
    assert.equal(7, ended)
  end)

  it("gives ten seconds unless told otherwise", function()
    local repeated
    loop.run(function()
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        pcall(await, neap.sleep(1000))
        repeated = neap.time()
      end)
      loop.ticks(1)
    end)
    assert.equal(10, repeated)
  end)

  it("does not wait when the grace is zero", function()
    local repeated
    loop.run(function()
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        pcall(await, neap.sleep(1000))
        repeated = neap.time()
      end)
      loop.ticks(1)
    end, { shutdown_grace = 0 })
    assert.equal(0, repeated)
  end)

  it("gives up on a task that waits for what cannot happen, however often it is cancelled, and says so", function()
    local reports = loop.run_reports(function()
      neap.create_task(function()
        while true do pcall(await, neap.Future()) end
      end, { name = "stubborn" })
      loop.ticks(1)
    end)
    local text = tostring(reports.error)
    for _, report in ipairs(reports) do text = text .. tostring(report.message) .. tostring(report.exception) end
    assert.matches("stubborn", text)
    assert.equal(0, neap.all_tasks().n)
    assert.equal(1, neap.run(neap.sleep(0, 1)))
  end)

  it("repeats at once when the tasks left wait for nothing that can happen", function()
    local swallowed = 0
    loop.run(function()
      neap.create_task(function()
        for _ = 1, 3 do
          if not pcall(await, neap.Future()) then swallowed = swallowed + 1 end
        end
      end)
      loop.ticks(1)
    end)
    assert.equal(3, swallowed)
  end)
end)
