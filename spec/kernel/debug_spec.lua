local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local child = require "spec.support.child"
local async, await = neap.async, neap.await

local DEBUG, SLOW = { debug = true }, { debug = true, slow = "slow" }

local function reports_of(body, options) return loop.run_reports(body, options or DEBUG) end

local function here() return debug.getinfo(2, "l").currentline end

describe("Debug mode reports a coroutine object that was never awaited", function()
  local fn = async(function() end)

  it("with the line that made it", function()
    local line
    local reports = reports_of(function()
      fn() line = here()
      collectgarbage()
    end)
    assert.equal(1, #reports)
    assert.matches("never awaited", reports[1].message)
    assert.matches("debug_spec.lua:" .. line, reports[1].message)
  end)

  it("but not one that was awaited, made a task, or closed", function()
    local reports = reports_of(function()
      await(fn())
      await(neap.create_task(fn()))
      fn():close()
      collectgarbage()
    end)
    assert.equal(0, #reports)
  end)

  it("but not one that a finished TaskGroup refused", function()
    local reports = reports_of(function()
      local group
      neap.task_group(function(tg) group = tg end)
      pcall(group.create_task, group, fn())
      collectgarbage()
    end)
    assert.equal(0, #reports)
  end)

  it("and is silent without debug mode", function()
    loop.run(function()
      fn()
      collectgarbage()
    end)
  end)
end)

describe("Debug mode reports a step that blocks the loop", function()
  local function block(ms)
    local start = uv.hrtime()
    while uv.hrtime() - start < ms * 1e6 do end -- luacheck: ignore 542
  end

  it("with the task and where the step ended", function()
    local line
    local reports = reports_of(function()
      local task = neap.create_task(function()
        block(120)
        line = here() + 1
        await(neap.sleep(0))
      end, { name = "slow" })
      await(task)
    end, SLOW)
    assert.equal(1, #reports)
    assert.matches("slow", reports[1].message)
    assert.matches("%d+ ms", reports[1].message)
    assert.matches("debug_spec.lua:" .. line, reports[1].message)
  end)

  it("also when the task ends in it", function()
    local reports = reports_of(function()
      await(neap.create_task(function() block(120) end, { name = "slow" }))
    end, SLOW)
    assert.equal(1, #reports)
    assert.matches("^a step of task slow took %d+ ms, up to its end$", reports[1].message)
  end)

  it("and is silent without debug mode", function()
    loop.run(function()
      block(120)
      await(neap.sleep(0))
    end)
  end)
end)

describe("Debug mode reports a swallowed cancellation", function()
  it("with the task, and who caught it", function()
    local line
    local reports = reports_of(function()
      local task = neap.create_task(function()
        line = here() + 1
        pcall(await, neap.sleep(10))
      end, { name = "swallower" })
      loop.ticks(1)
      task:cancel()
      await(task)
    end)
    assert.equal(1, #reports)
    assert.matches("swallower", reports[1].message)
    assert.matches("swallowed", reports[1].message)
    assert.matches("debug_spec.lua:" .. line, reports[1].message)
  end)

  it("but not one that was taken back by uncancel", function()
    local reports = reports_of(function()
      local task = neap.create_task(function()
        pcall(await, neap.sleep(10))
        neap.current_task():uncancel()
      end)
      loop.ticks(1)
      task:cancel()
      await(task)
    end)
    assert.equal(0, #reports)
  end)

  it("but not those of timeouts and groups, which take back their own", function()
    local reports = reports_of(function()
      await(neap.create_task(function()
        pcall(neap.timeout, 1, function() await(neap.sleep(10)) end)
        neap.move_on_after(1, function() await(neap.sleep(10)) end)
        pcall(neap.task_group, function(tg)
          tg:create_task(function() error "x" end)
          await(neap.sleep(10))
        end)
        pcall(await, neap.wait_for(neap.sleep(10), 1))
      end))
    end)
    assert.equal(0, #reports)
  end)

  it("and is silent without debug mode", function()
    loop.run(function()
      local task = neap.create_task(function() pcall(await, neap.sleep(10)) end)
      loop.ticks(1)
      task:cancel()
      await(task)
    end)
  end)
end)

describe("Debug mode", function()
  it("ends with the run", function()
    reports_of(function() end)
    loop.run(function()
      async(function() end)()
      collectgarbage()
    end)
  end)

  it("is switched on by NEAP_DEBUG=1", function()
    local script = [[
      local neap = require "neap"
      local fn = neap.async(function() end)
      neap.run(function()
        fn()
        collectgarbage()
      end)
    ]]
    assert.matches("never awaited %(made at script:4%)", child.output(script, { env = { NEAP_DEBUG = "1" } }))
    assert.equal("", child.output(script, { env = { NEAP_DEBUG = "0" } }))
    assert.equal("", child.output(script, { env = { NEAP_DEBUG = "" } }))
  end)
end)
