-- What is long or deep: chains of awaits, arguments, recursion. In processes of their own where the
-- C stack could overflow.
local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local async, await, run = neap.async, neap.await, loop.run

local CHAIN = [[
  local neap = require "neap"
  local await = neap.await
  -- n tasks, each awaiting the one before
  local function chain(n)
    local task = neap.create_task(neap.sleep(1000))
    for _ = 1, n do
      local inner = task
      task = neap.create_task(function() await(inner) end)
    end
    for _ = 1, 2 do await(neap.sleep(0)) end
    return task
  end
  local function main(fn) neap.run(fn, { clock = "virtual" }) print "end" end
]]

-- with a collection at every step a long chain would take hours
local LONG = (os.getenv "NEAP_STRESS" or ""):find "gc" and 300 or loop.size(300000, 20000)

local function output(script)
  return child.output(CHAIN .. script:gsub("LONG", tostring(LONG)))
end

describe("A long chain of tasks", function()
  it("is cancelled from its end, or refuses with an error", function()
    assert.equal("end\n", output [[
      main(function()
        local task = chain(LONG)
        if pcall(task.cancel, task) then pcall(await, task) end
      end)
    ]])
  end)

  it("is cancelled by a timeout", function()
    assert.equal("false\nend\n", output [[
      main(function()
        local task = chain(LONG)
        print((pcall(neap.timeout, 1, function() await(task) end)))
      end)
    ]])
  end)
end)

describe("A deep nest of gathers", function()
  it("is cancelled from its end, or refuses with an error", function()
    assert.equal("end\n", output [[
      main(function()
        local future = neap.create_task(neap.sleep(1000))
        for _ = 1, LONG do future = neap.gather(future) end
        await(neap.sleep(0))
        if pcall(future.cancel, future) then pcall(await, future) end
      end)
    ]])
  end)
end)

describe("Awaiting coroutine objects in coroutine objects", function()
  local descend
  descend = async(function(n)
    if n == 0 then return "bottom" end
    return await(descend(n - 1))
  end)

  it("works a hundred levels deep", function()
    run(function() assert.equal("bottom", await(descend(100))) end)
  end)

  it("too deep is an error, after which the task goes on", function()
    run(function()
      assert.matches("overflow", tostring(loop.failure(await, descend(1e6))))
      assert.equal("on", await(neap.sleep(1, "on")))
    end)
  end)
end)

describe("A stack overflow", function()
  it("in a task is its error, and other tasks go on", function()
    run(function()
      local function recurse() return 1 + recurse() end
      local task = neap.create_task(recurse)
      assert.matches("stack overflow", loop.failure(await, task))
      assert.equal("on", await(neap.create_task(neap.sleep(1, "on"))))
    end)
  end)
end)

describe("Many", function()
  it("arguments of an async function are passed, or refused with an error", function()
    run(function()
      local count = async(function(...) return select("#", ...) end)
      assert.equal(10000, await(count(table.unpack({}, 1, 10000))))
      local ok, result = pcall(function() return await(count(table.unpack({}, 1, 70000))) end)
      assert.is_true(result == 70000 or not ok)
    end)
  end)

  it("results of a task come back", function()
    run(function()
      assert.equal(100000, select("#", await(neap.create_task(function() return table.unpack({}, 1, 100000) end))))
    end)
  end)

  it("children of a gather come back", function()
    run(function()
      local n, children = loop.size(100000, 1000), {}
      for i = 1, n do children[i] = neap.create_task(neap.sleep(0, i)) end
      local results = await(neap.gather(children))
      assert.equal(n, results.n)
      assert.equal(n, results[n])
    end)
  end)

  it("tasks sleep and wake", function()
    run(function()
      local n, woken = loop.size(100000, 1000), 0
      for i = 1, n do
        neap.create_task(function()
          await(neap.sleep(i % 100))
          woken = woken + 1
        end)
      end
      await(neap.sleep(1000))
      assert.equal(n, woken)
    end)
  end)
end)
