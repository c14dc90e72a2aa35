-- KeyboardInterrupt is the one error that stops the loop, wherever it is raised.
local neap = require "neap"
local loop = require "spec.support.loop"
local await = neap.await

describe("KeyboardInterrupt", function()
  it("raised by main leaves run", function()
    local reports = loop.run_reports(function() error(neap.KeyboardInterrupt "main") end)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
    assert.equal(0, #reports)
  end)

  it("raised in a callback stops the loop and leaves run", function()
    local reached = false
    local reports = loop.run_reports(function()
      neap.call_soon(error, neap.KeyboardInterrupt "callback")
      await(neap.sleep(1))
      reached = true
    end)
    assert.is_false(reached)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
    assert.equal(0, #reports)
  end)

  it("raised in another task is stored there and leaves run", function()
    local reached, task = false, nil
    local reports = loop.run_reports(function()
      task = neap.create_task(function() error(neap.KeyboardInterrupt "task") end)
      await(neap.sleep(1))
      reached = true
    end)
    assert.is_false(reached)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
    assert.is_true(neap.is(task:exception(), neap.KeyboardInterrupt))
  end)

  it("is what a TaskGroup raises first, before the errors of others", function()
    local reports = loop.run_reports(function()
      neap.task_group(function(tg)
        tg:create_task(function() error("other", 0) end)
        tg:create_task(function() error(neap.KeyboardInterrupt "child") end)
      end)
    end)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
  end)

  it("raised by the body of a TaskGroup leaves it as it is", function()
    local reports = loop.run_reports(function()
      neap.task_group(function(tg)
        tg:create_task(neap.sleep(10))
        error(neap.KeyboardInterrupt "body")
      end)
    end)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
  end)

  it("is not caught by neap.pcall", function()
    local reports = loop.run_reports(function()
      neap.pcall(error, neap.KeyboardInterrupt "x")
    end)
    assert.is_true(neap.is(reports.error, neap.KeyboardInterrupt))
  end)
end)
