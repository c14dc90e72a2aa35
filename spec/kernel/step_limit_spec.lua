-- Reports of steps that hold up the loop, while they do.
local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await = neap.await

describe("step_limit", function()
  local function reported(body)
    return loop.run_reports(function(reports)
      body(reports)
      return reports
    end, { clock = "real", step_limit = 0.05, slow = "held" })
  end

  it("reports a step while it still runs, with its stack", function()
    local reports = reported(function(reports)
      await(neap.create_task(function()
        local function busy() while #reports == 0 do end end
        busy()
        assert.equal(1, #reports)
      end, { name = "held" }))
    end)
    assert.matches("^a step of task held has run for %d+ ms, and goes on$", reports[1].message)
    assert.matches("step_limit_spec.lua:%d+: in .*busy", reports[1].traceback)
  end)

  it("reports the coroutine that runs and the task's own", function()
    local reports = reported(function(reports)
      await(neap.create_task(function()
        local inner = coroutine.wrap(function() while #reports == 0 do end end)
        inner()
      end, { name = "held" }))
    end)
    assert.matches("in a coroutine of the task", reports[1].traceback)
    assert.matches("step_limit_spec.lua:%d+: in .*step_limit_spec.lua:%d+: in ", reports[1].traceback)
  end)

  it("reports a callback", function()
    local reports = reported(function(reports)
      neap.call_soon(function() while #reports == 0 do end end)
      await(neap.sleep(0))
      await(neap.sleep(0))
    end)
    assert.matches("^a callback has run for", reports[1].message)
  end)

  it("reports a C function that does not return, from outside", function()
    local out = child.output [[
      local neap = require "neap"
      neap.run(function() os.execute "sleep 0.5" end, { step_limit = 0.1 })
    ]]
    assert.matches("^neap: a step of task number 1 has held up the loop for %d+ ms, in a C function:\n", out)
    assert.matches("execute", out, 1, true)
    assert.matches("script:2", out, 1, true)
  end)

  it("has a default in debug mode, and none otherwise", function()
    local source = [[
      local neap = require "neap"
      local told
      neap.set_exception_handler(function(context) told = told or context.message end)
      neap.run(function()
        local begin = os.time()
        while not told and os.time() < begin + %d do end
      end, { debug = %s })
      print(told and told:match "has run" or "nothing")
    ]]
    assert.equal("has run\n", child.output(source:format(30, "true")))
    assert.equal("nothing\n", child.output(source:format(3, "false")))
  end)

  it("must be seconds, more than 0", function()
    for _, bad in ipairs { 0, -1, 0 / 0, math.huge, "x", {} } do
      local ok, problem = pcall(neap.run, function() end, { step_limit = bad })
      assert.is_false(ok)
      assert.matches("field 'step_limit'", tostring(problem), 1, true)
    end
  end)
end)
