-- #113848: timeout and TaskGroup did not recognise subclasses of CancelledError.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local Stopped = neap.CancelledError:extend "Stopped"

-- Awaits for long, and raises its own kind of cancellation.
local function stop()
  local ok = pcall(await, neap.sleep(100))
  if not ok then error(Stopped "own") end
end

describe("A subclass of CancelledError", function()
  it("009 is turned into TimeoutError by timeout, move_on_after and wait_for", function()
    run(function()
      loop.raises(neap.TimeoutError, neap.timeout, 1, stop)
      assert.equal(0, select("#", neap.move_on_after(1, stop)))
      loop.raises(neap.TimeoutError, await, neap.wait_for(stop, 1))
      assert.equal(0, neap.current_task():cancelling())
    end)
  end)

  it("009 raised by a task of a TaskGroup does not fail it", function()
    run(function()
      neap.task_group(function(tg)
        local task = tg:create_task(stop)
        loop.ticks(1)
        task:cancel()
      end)
    end)
  end)

  it("009 raised by the body of a TaskGroup that was asked to cancel does not fail it", function()
    run(function()
      local err = loop.raises(neap.ExceptionGroup, neap.task_group, function(tg)
        tg:create_task(function() error("child", 0) end)
        stop()
      end)
      assert.same({ "child" }, err.errors)
    end)
  end)
end)
