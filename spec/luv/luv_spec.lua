-- Tasks and luv's handles on one loop: what works together, and the traps of luv that must not snap.
local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local REAL = { clock = "real" }

describe("A handle of luv beside tasks", function()
  it("calls back while tasks run, and may complete a future", function()
    run(function()
      local future, timer, ticks = neap.Future(), uv.new_timer(), 0
      timer:start(2, 0, function()
        timer:close()
        future:set_result("from luv", nil)
      end)
      while not future:done() do
        ticks = ticks + 1
        await(neap.sleep(0))
      end
      assert.same({ n = 2, "from luv", nil }, table.pack(await(future)))
      assert.is_true(ticks > 0)
    end, REAL)
  end)

  it("is not starved by tasks that never stop", function()
    run(function()
      local timer, fired = uv.new_timer(), 0
      timer:start(0, 1, function() fired = fired + 1 end)
      while fired < 3 do await(neap.sleep(0)) end
      timer:close()
      loop.ticks(300)
    end, REAL)
  end)

  it("waits for few of the steps that take long", function()
    run(function()
      local fired, steps = false, 0
      local timer = uv.new_timer()
      timer:start(1, 0, function() fired = true end)
      while not fired do
        local begin = uv.hrtime()
        while uv.hrtime() - begin < 10e6 do assert(begin) end
        steps = steps + 1
        await(neap.sleep(0))
      end
      timer:close()
      assert.is_true(steps < 100, steps) -- a slice has 128
    end, REAL)
  end)

  it("may be closed by a task, in whose step it never calls back", function()
    run(function()
      local closed = neap.Event()
      local timer = uv.new_timer()
      timer:start(1000, 0, function() error "not reached" end)
      timer:close(function() closed:set() end)
      assert.is_false(closed:is_set())
      await(closed:wait())
    end, REAL)
  end)

  it("may cancel tasks, make them, and call all that does not wait", function()
    run(function()
      local task = neap.create_task(neap.sleep(1000))
      local timer, child = uv.new_timer(), nil
      local event, queue = neap.Event(), neap.Queue()
      timer:start(1, 0, function()
        timer:close()
        task:cancel()
        event:set()
        queue:put_nowait "item"
        child = neap.create_task(neap.sleep(0, "child"))
        assert(neap.current_task() == nil)
      end)
      await(event:wait())
      assert.equal("item", await(queue:get()))
      assert.equal("child", await(child))
      loop.raises(neap.CancelledError, await, task)
    end, REAL)
  end)

  it("is awaited by a function that passes a callback", function()
    run(function()
      local future = neap.Future()
      uv.fs_stat("no such file", function(err) future:set_result(err) end)
      assert.matches("ENOENT", await(future))
    end)
  end)

  it("exchanges data with tasks through pipes", function()
    run(function()
      local fds = uv.pipe({ nonblock = true }, { nonblock = true })
      local reader, writer = uv.new_pipe(), uv.new_pipe()
      reader:open(fds.read)
      writer:open(fds.write)
      local queue = neap.Queue()
      reader:read_start(function(err, data) queue:put_nowait(err or data or "eof") end)
      for i = 1, 3 do
        writer:write("line " .. i)
        assert.equal("line " .. i, await(queue:get()))
      end
      writer:close()
      assert.equal("eof", await(queue:get()))
      reader:close()
      loop.ticks(2)
    end, REAL)
  end)
end)

describe("An error in a luv callback", function()
  it("goes to the exception handler, and the loop goes on", function()
    local err = {}
    local reports = loop.run_reports(function()
      local timer, after = uv.new_timer(), neap.Event()
      timer:start(0, 0, function()
        timer:close()
        neap.call_later(0, function() after:set() end)
        error(err)
      end)
      await(after:wait())
    end, REAL)
    assert.is_nil(reports.error)
    assert.equal(1, #reports)
    assert.equal(err, reports[1].exception)
    assert.is_string(reports[1].message)
    assert.matches("luv_spec.lua", reports[1].traceback)
  end)

  it("may be await, which is refused there", function()
    local reports = loop.run_reports(function()
      local timer, after = uv.new_timer(), neap.Event()
      timer:start(0, 0, function()
        timer:close()
        after:set()
        await(neap.sleep(0))
      end)
      await(after:wait())
      loop.ticks(1)
    end, REAL)
    assert.equal(1, #reports)
    assert.is_true(neap.is(reports[1].exception, neap.RuntimeError))
  end)

  it("may be run, which is refused there", function()
    local reports = loop.run_reports(function()
      local timer, after = uv.new_timer(), neap.Event()
      timer:start(0, 0, function()
        timer:close()
        after:set()
        neap.run(function() end)
      end)
      await(after:wait())
      loop.ticks(1)
    end, REAL)
    assert.equal(1, #reports)
    assert.is_true(neap.is(reports[1].exception, neap.RuntimeError))
  end)
end)

describe("uv.walk", function()
  it("shows luv's handles and not neap's", function()
    run(function()
      local timer = uv.new_timer()
      neap.call_later(1000, function() end)
      local seen = {}
      uv.walk(function(handle) seen[#seen + 1] = handle end)
      assert.same({ timer }, seen)
      timer:close()
      loop.ticks(1)
    end, REAL)
  end)

  it("may close what it shows", function()
    run(function()
      local timers = { uv.new_timer(), uv.new_timer(), uv.new_timer() }
      uv.walk(function(handle) if not handle:is_closing() then handle:close() end end)
      for _, timer in ipairs(timers) do assert.is_true(timer:is_closing()) end
      await(neap.sleep(0.001))
    end, REAL)
  end)

  it("passes the error of its function on", function()
    local timer = uv.new_timer()
    assert.equal("x", loop.failure(uv.walk, function() error("x", 0) end))
    timer:close()
    uv.run()
    assert.is_false(pcall(uv.walk))
  end)
end)

describe("uv.run", function()
  it("lets tasks progress to their ends", function()
    local order = {}
    neap.create_task(function()
      for i = 1, 3 do
        await(neap.sleep(0.001))
        order[#order + 1] = i
      end
    end)
    uv.run()
    assert.same({ 1, 2, 3 }, order)
    assert.equal(0, neap.all_tasks().n)
  end)

  it("lets a thousand ticks pass without a timer", function()
    local ticks = 0
    neap.create_task(function()
      while ticks < 1000 do
        ticks = ticks + 1
        await(neap.sleep(0))
      end
    end)
    uv.run()
    assert.equal(1000, ticks)
  end)

  it("returns when the tasks wait for what cannot happen", function()
    local future = neap.Future()
    local task = neap.create_task(function() return await(future) end)
    uv.run()
    assert.is_false(task:done())
    future:set_result "later"
    uv.run()
    assert.equal("later", task:result())
  end)

  it("turns once with \"once\" and \"nowait\"", function()
    for _, mode in ipairs { "once", "nowait" } do
      local done = false
      neap.create_task(function()
        loop.ticks(3)
        done = true
      end)
      local turns = 0
      while not done and turns < 100 do
        turns = turns + 1
        uv.run(mode)
      end
      assert.is_true(done)
    end
  end)

  it("is refused inside a task and inside a callback", function()
    run(function()
      local function refused() return not pcall(uv.run, "nowait") end
      assert.is_true(refused())
      local inner
      neap.call_soon(function() inner = refused() end)
      loop.ticks(2)
      assert.is_true(inner)
    end)
  end)

  it("refuses neap.run and a top-level await in a callback", function()
    local timer, errors = uv.new_timer(), {}
    timer:start(0, 0, function()
      timer:close()
      errors[1] = select(2, pcall(neap.run, function() end))
      errors[2] = select(2, pcall(await, neap.sleep(0)))
    end)
    uv.run()
    assert.is_true(neap.is(errors[1], neap.RuntimeError))
    assert.is_true(neap.is(errors[2], neap.RuntimeError))
  end)

  it("refuses neap.run in a task", function()
    local err
    neap.create_task(function() err = select(2, pcall(neap.run, function() end)) end)
    uv.run()
    assert.is_true(neap.is(err, neap.RuntimeError))
  end)
end)

describe("uv.stop", function()
  it("stops uv.run, and tasks go on in the next one", function()
    local order = {}
    neap.create_task(function()
      await(neap.sleep(0.001))
      uv.stop()
      order[#order + 1] = "stopped"
      await(neap.sleep(0.001))
      order[#order + 1] = "went on"
    end)
    uv.run()
    assert.same({ "stopped" }, order)
    uv.run()
    assert.same({ "stopped", "went on" }, order)
  end)

  it("inside run is an error that says so", function()
    local cleaned = false
    local reports = loop.run_reports(function()
      local _ <close> = setmetatable({}, { __close = function() cleaned = true end })
      uv.stop()
      await(neap.sleep(0.001))
      await(neap.sleep(1000))
    end, REAL)
    assert.is_true(neap.is(reports.error, neap.RuntimeError))
    assert.matches("stopped", reports.error.message)
    assert.is_true(cleaned)
    assert.equal(0, neap.all_tasks().n)
    assert.equal("next", run(function() return await(neap.sleep(0, "next")) end))
  end)
end)

describe("uv.loop_alive", function()
  it("is true exactly while tasks or timers are to be run", function()
    assert.is_false(uv.loop_alive())
    local task = neap.create_task(function() end)
    assert.is_true(uv.loop_alive())
    uv.run()
    assert.is_true(task:done())
    assert.is_false(uv.loop_alive())
    local handle = neap.call_later(1000, function() end)
    assert.is_true(uv.loop_alive())
    handle:cancel()
    assert.is_false(uv.loop_alive())
  end)
end)
