local neap = require "neap"
local loop = require "spec.support.loop"
local async, await = neap.async, neap.await

describe("Runner", function()
  it("refuses wrong options", function()
    assert.matches("table expected", loop.failure(neap.Runner, 1))
    assert.matches("'clock'", loop.failure(neap.Runner, { clock = "x" }))
  end)

  it("runs several awaitables on one loop, one after the other", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    assert.same({ n = 2, 1, nil }, table.pack(runner:run(function() return 1, nil end)))
    assert.equal("x", runner:run(neap.sleep(5, "x")))
    assert.equal(2, runner:run(async(function() return 2 end)()))
    assert.equal("boom", loop.failure(runner.run, runner, function() error("boom", 0) end))
    assert.equal(3, runner:run(function() return 3 end))
  end)

  it("keeps the tasks of one run for the next", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    local task = runner:run(function() return neap.create_task(neap.sleep(5, "later")) end)
    assert.is_false(task:done())
    assert.equal("later", runner:run(function() return await(task) end))
  end)

  it("keeps its context from one run to the next", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    local var = neap.ContextVar("v", { default = "none" })
    runner:run(function() var:set "kept" end)
    assert.equal("kept", runner:run(function() return var:get() end))
    assert.equal("none", var:get())
  end)

  it("leaves its clock to itself", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    runner:run(neap.sleep(5))
    assert.is_true(neap.run(neap.time) > 5.5)
    assert.equal(5, runner:run(neap.time))
    local other <close> = neap.Runner()
    assert.is_true(other:run(neap.time) > 5.5)
    local handle = neap.call_later(5, print)
    assert.matches("timers of the real clock are pending", tostring(loop.failure(runner.run, runner, neap.time)))
    handle:cancel()
  end)

  it("ends nothing when it has not run anything", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    local task = runner:run(function() return neap.create_task(neap.sleep(5)) end)
    neap.Runner():close()
    assert.is_false(task:done())
  end)

  it("keeps its clock from one run to the next", function()
    local runner <close> = neap.Runner { clock = "virtual" }
    runner:run(neap.sleep(5))
    assert.equal(5, runner:run(neap.time))
  end)

  it("cancels the tasks that are left when it is closed", function()
    local order = {}
    do
      local runner <close> = neap.Runner { clock = "virtual" }
      runner:run(function()
        neap.create_task(function()
          local _ <close> = setmetatable({}, { __close = function()
            await(neap.sleep(0))
            order[#order + 1] = "cleaned"
          end })
          await(neap.sleep(100))
        end)
        loop.ticks(1)
      end)
      assert.equal(1, neap.all_tasks().n)
    end
    assert.same({ "cleaned" }, order)
    assert.equal(0, neap.all_tasks().n)
    assert.equal("fresh", neap.run(neap.sleep(3, "fresh"), { clock = "virtual" }))
  end)

  it("cleans up on its own clock when it is closed", function()
    local cleaned
    do
      local runner <close> = neap.Runner { clock = "virtual" }
      runner:run(function()
        neap.create_task(function()
          local _ <close> = setmetatable({}, { __close = function()
            pcall(await, neap.sleep(3600))
            cleaned = neap.time()
          end })
          await(neap.sleep(100000))
        end)
        loop.ticks(1)
      end)
    end
    assert.equal(10, cleaned) -- the repeated cancellation ends the long clean-up
  end)

  it("may be closed twice, and is of no use after", function()
    local runner = neap.Runner()
    runner:close()
    runner:close()
    assert.matches("closed", loop.raises(neap.RuntimeError, runner.run, runner, function() end).message)
  end)

  it("may be closed without a run", function()
    local runner <close> = neap.Runner()
    assert.is_true(neap.is(runner, neap.Runner))
  end)

  it("refuses to run and to be closed while the loop runs", function()
    local runner <close> = neap.Runner()
    loop.run(function()
      loop.raises(neap.RuntimeError, runner.run, runner, function() end)
      loop.raises(neap.RuntimeError, runner.close, runner)
    end)
  end)
end)
