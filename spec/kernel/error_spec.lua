local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local CLASSES = {
  CancelledError = "Error", TimeoutError = "Error", InvalidStateError = "Error", RuntimeError = "Error",
  ValueError = "Error", DeadlockError = "Error", ExceptionGroup = "Error", QueueEmpty = "Error",
  QueueFull = "Error", QueueShutDown = "Error", BrokenBarrierError = "RuntimeError",
  IncompleteReadError = "Error", LimitOverrunError = "Error", OSError = "Error", ConnectionError = "OSError",
  ConnectionRefusedError = "ConnectionError", ConnectionResetError = "ConnectionError",
  BrokenPipeError = "ConnectionError", KeyboardInterrupt = "Error",
}

describe("A failure class", function()
  it("makes objects with name and message", function()
    for name in pairs(CLASSES) do
      if name ~= "ExceptionGroup" then
        local err = neap[name] "some text"
        assert.equal(name, err.name)
        assert.equal("some text", err.message)
        assert.matches(name .. ": some text", tostring(err))
        assert.is_true(neap.is(err, neap[name]))
      end
    end
  end)

  it("is one of its parents too", function()
    for name, parent in pairs(CLASSES) do
      if name ~= "ExceptionGroup" then
        assert.is_true(neap.is(neap[name] "x", neap[parent]), name)
        assert.is_true(neap.is(neap[name] "x", neap.Error), name)
      end
    end
    assert.is_false(neap.is(neap.TimeoutError "x", neap.CancelledError))
    assert.is_false(neap.is(neap.OSError "x", neap.ConnectionError))
  end)

  it("takes fields", function()
    local err = neap.OSError("no such host", { code = "ENOENT" })
    assert.equal("ENOENT", err.code)
    assert.equal("no such host", err.message)
    assert.is_false(pcall(neap.OSError, "x", 1))
  end)

  it("may have no message", function()
    assert.is_nil(neap.TimeoutError().message)
    assert.matches("TimeoutError", tostring(neap.TimeoutError()))
  end)

  it("can be extended", function()
    local HttpError = neap.Error:extend "HttpError"
    local NotFound = HttpError:extend "NotFound"
    local err = NotFound("gone", { status = 404 })
    assert.equal("NotFound", err.name)
    assert.equal(404, err.status)
    assert.is_true(neap.is(err, HttpError))
    assert.is_true(neap.is(err, neap.Error))
    assert.is_false(neap.is(err, neap.OSError))
    assert.is_false(neap.is(HttpError "x", NotFound))
    assert.matches("NotFound: gone", tostring(err))
    assert.is_false(pcall(function() neap.Error:extend() end))
  end)
end)

describe("is", function()
  it("is false for what is no object", function()
    for _, value in ipairs { 1, "TimeoutError", true, {}, print, setmetatable({}, {}) } do
      assert.is_false(neap.is(value, neap.TimeoutError))
    end
    assert.is_false(neap.is(nil, neap.TimeoutError))
  end)

  it("refuses what is no class", function()
    assert.is_false(pcall(neap.is, 1, nil))
    assert.is_false(pcall(neap.is, 1, "TimeoutError"))
  end)
end)

describe("A subclass of CancelledError", function()
  it("cancels the task that ends with it", function()
    run(function()
      local Stopped = neap.CancelledError:extend "Stopped"
      local task = neap.create_task(function() error(Stopped "by hand") end)
      local err = loop.failure(await, task)
      assert.is_true(neap.is(err, Stopped))
      assert.is_true(task:cancelled())
    end)
  end)
end)

describe("ExceptionGroup", function()
  it("needs a message and at least one error", function()
    assert.is_false(pcall(neap.ExceptionGroup))
    assert.is_false(pcall(neap.ExceptionGroup, "x"))
    assert.is_false(pcall(neap.ExceptionGroup, "x", {}))
  end)

  it("shows each error", function()
    local group = neap.ExceptionGroup("several", { "first", neap.TimeoutError "second", { 1 } })
    local text = tostring(group)
    assert.matches("ExceptionGroup: several %(3 errors%)", text)
    assert.matches("%[1%] first", text)
    assert.matches("%[2%] TimeoutError: second", text)
    assert.matches("%[3%] table", text)
    assert.matches("%(1 error%)", tostring(neap.ExceptionGroup("one", { "x" })))
  end)

  it("shows groups in groups", function()
    local inner = neap.ExceptionGroup("inner", { "deep" })
    local text = tostring(neap.ExceptionGroup("outer", { inner, "last" }))
    assert.matches("outer.*inner.*deep.*last", text)
  end)

  it("names the argument that is wrong", function()
    assert.matches("#1 .*string expected", select(2, pcall(neap.ExceptionGroup)))
    assert.matches("#2 .*table expected", select(2, pcall(neap.ExceptionGroup, "x")))
    assert.matches("#2 .*at least one", select(2, pcall(neap.ExceptionGroup, "x", {})))
    assert.matches("#2 .*table expected", select(2, pcall(neap.Error, "x", 1)))
  end)

  it("can be extended", function()
    local Failures = neap.ExceptionGroup:extend "Failures"
    local group = Failures:extend "Late" ("some", { "a", "b" })
    assert.same({ "a", "b" }, group.errors)
    assert.matches("Late: some %(2 errors%)", tostring(group))
    assert.is_true(neap.is(group, Failures))
    local chosen, rest = group:split(function(err) return err == "a" end)
    assert.same({ { "a" }, { "b" } }, { chosen, rest })
    assert.is_false(pcall(Failures, "none", {}))
  end)

  it("may hold nils, and its parts then too", function()
    local group = neap.ExceptionGroup("g", { n = 3, nil, "text" })
    local nils, rest = group:split(function(err) return err == nil end)
    assert.same({ { n = 2 }, { n = 1, "text" } }, { nils, rest })
  end)

  it("splits by a predicate", function()
    local late, other = neap.TimeoutError "t", neap.OSError "o"
    local group = neap.ExceptionGroup("g", { late, other, "text" })
    local is, rest = group:split(function(err) return neap.is(err, neap.TimeoutError) end)
    assert.same({ late }, is)
    assert.same({ other, "text" }, rest)
    assert.is_false(pcall(group.split, group))
    assert.is_false(pcall(group.split, {}, print))
  end)
end)

describe("The traceback of a task's error", function()
  local function deep() error(neap.Error "deep") end

  it("shows the stack where it failed", function()
    run(function()
      local task = neap.create_task(function() deep() return 1 end, { name = "failing" })
      local err = loop.failure(await, task)
      local line = debug.getinfo(deep, "S").linedefined
      assert.matches("error_spec.lua:" .. line, err.traceback)
      assert.matches("failing", err.traceback)
      assert.equal(err.traceback, task:traceback())
    end)
  end)

  it("goes on with the tasks that awaited it", function()
    run(function()
      local first = neap.create_task(function() deep() return 1 end, { name = "first" })
      local second = neap.create_task(function() await(first) end, { name = "second" })
      local third = neap.create_task(function() await(second) end, { name = "third" })
      local err = loop.failure(await, third)
      assert.matches("first.*second.*third", err.traceback)
      assert.matches("awaited by", err.traceback)
    end)
  end)

  it("is there for plain strings too", function()
    run(function()
      local task = neap.create_task(function() error "text" end, { name = "plain" })
      assert.matches("error_spec.lua", loop.failure(await, task))
      assert.matches("plain", task:traceback())
      assert.matches("error_spec.lua", task:traceback())
    end)
  end)

  it("shows the stack that was, not what closed since", function()
    run(function()
      local task = neap.create_task(function()
        local _ <close> = setmetatable({}, { __close = function() await(neap.sleep(1)) end })
        deep()
      end)
      local err = loop.failure(await, task)
      assert.matches("error_spec.lua:" .. debug.getinfo(deep, "S").linedefined, err.traceback)
    end)
  end)

  it("is nil for a task that did not fail", function()
    run(function()
      local task = neap.create_task(function() end)
      await(task)
      assert.is_nil(task:traceback())
    end)
  end)

  it("is part of what traceback shows of an error caught in a task", function()
    run(function()
      local task = neap.create_task(function() error "text" end, { name = "inner" })
      local ok, text = xpcall(await, neap.traceback, task)
      assert.is_false(ok)
      assert.matches("text", text)
      assert.matches("inner", text)
    end)
  end)
end)

describe("An error nobody looked at", function()
  it("is reported when run ends, with its task and traceback", function()
    local reports = loop.run_reports(function()
      neap.create_task(function() error("lost", 0) end, { name = "forgotten" })
      await(neap.sleep(1))
    end)
    assert.equal(1, #reports)
    assert.matches("forgotten", reports[1].message)
    assert.equal("lost", reports[1].exception)
    assert.matches("error_spec.lua", reports[1].traceback)
  end)

  it("is reported once, also when its task was collected before", function()
    local reports = loop.run_reports(function()
      neap.create_task(function() error("lost", 0) end)
      await(neap.sleep(1))
      collectgarbage()
      collectgarbage()
      await(neap.sleep(1))
      collectgarbage()
    end)
    assert.equal(1, #reports)
    assert.equal("lost", reports[1].exception)
  end)

  it("is reported also while the loop is never idle", function()
    local seen
    neap.set_exception_handler(function(context) seen = context.exception end)
    neap.run(function()
      neap.create_task(function() error("unseen", 0) end)
      for _ = 1, 1000 do
        await(neap.sleep(0))
        collectgarbage "step"
        if seen then break end
      end
      assert.equal("unseen", seen)
    end)
    neap.set_exception_handler(nil)
  end)

  it("is reported in the order the tasks failed", function()
    local reports = loop.run_reports(function()
      for i = 1, 5 do neap.create_task(function() error(i, 0) end) end
      loop.ticks(2)
    end)
    local order = {}
    for i, report in ipairs(reports) do order[i] = report.exception end
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("is not reported when it was awaited, also by pcall", function()
    run(function()
      local task = neap.create_task(function() error "seen" end)
      pcall(await, task)
    end)
  end)

  it("is not reported for a cancelled task", function()
    run(function()
      local task = neap.create_task(neap.sleep(10))
      loop.ticks(1)
      task:cancel()
      loop.ticks(2)
    end)
  end)

  it("is reported though the main task failed", function()
    local reports = loop.run_reports(function()
      neap.create_task(function() error("lost", 0) end)
      loop.ticks(2)
      error("main", 0)
    end)
    assert.equal("main", reports.error)
    assert.equal(1, #reports)
    assert.equal("lost", reports[1].exception)
  end)
end)

describe("The error of main", function()
  it("leaves run as the very same value", function()
    local err = {}
    assert.equal(err, loop.failure(neap.run, function() error(err) end))
    assert.equal("text", loop.failure(neap.run, function() error("text", 0) end))
    local ok, value = pcall(neap.run, function() error(nil) end)
    assert.is_false(ok)
    assert.is_nil(value)
  end)

  it("is not reported besides", function()
    local reports = loop.run_reports(function() error("once", 0) end)
    assert.equal("once", reports.error)
    assert.equal(0, #reports)
  end)
end)

describe("The default exception handler", function()
  it("tells where an error came from whose __tostring fails", function()
    local out = child.output [[
      local neap = require "neap"
      local broken = setmetatable({}, { __tostring = function() error "no text" end })
      neap.run(function()
        neap.create_task(function() error(broken) end, { name = "unlucky" })
        neap.create_task(function() error(neap.ExceptionGroup("two", { broken, "the other" }), 0) end)
        neap.await(neap.sleep(0.001))
      end)
    ]]
    assert.matches("the error of task unlucky was never retrieved: %(a table whose __tostring failed%)\nstack", out)
    assert.matches("two %(2 errors%)\n  %[1%] %(a table whose __tostring failed%)\n  %[2%] the other", out)
  end)
end)

describe("An exception handler", function()
  it("set inside run lasts until its end, then the one before is back", function()
    local function outer() end
    neap.set_exception_handler(outer)
    neap.run(function()
      neap.set_exception_handler(print)
      neap.set_exception_handler(function() end)
    end)
    assert.equal(outer, neap.get_exception_handler())
    neap.run(function() neap.set_exception_handler(nil) end)
    assert.equal(outer, neap.get_exception_handler())
    neap.set_exception_handler(nil)
    neap.run(function() neap.set_exception_handler(print) end)
    assert.is_nil(neap.get_exception_handler())
  end)
end)

describe("An error in the exception handler", function()
  it("that is an object is told as its text", function()
    local out = child.output [[
      local neap = require "neap"
      neap.run(function()
        neap.set_exception_handler(function() error(neap.ValueError "handler broke", 0) end)
        neap.call_soon(error, "original")
        neap.await(neap.sleep(0.001))
      end)
    ]]
    assert.matches("original", out)
    assert.matches("in the exception handler: ValueError: handler broke", out)
  end)

  it("leaves the report to the default handler, and the loop alone", function()
    local out = child.output [[
      local neap = require "neap"
      neap.run(function()
        neap.set_exception_handler(function() error "handler broke" end)
        neap.call_soon(error, "original")
        neap.await(neap.sleep(0.001))
        print "goes on"
      end)
    ]]
    assert.matches("goes on", out)
    assert.matches("original", out)
    assert.matches("handler broke", out)
  end)
end)
