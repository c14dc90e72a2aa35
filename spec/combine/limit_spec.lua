-- Time limits that bite: code that never awaits.
local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await = neap.await

local REAL = { clock = "real" }

local function spin()
  local n = 0
  while true do n = n + 1 end
end

-- Runs on the real clock; gives what pcall gives.
local function try(body, ...)
  local args = table.pack(...)
  return loop.run(function() return pcall(body, table.unpack(args, 1, args.n)) end, REAL)
end

local function raises(class, body, ...)
  local ok, problem = try(body, ...)
  assert.is_false(ok)
  assert.equal(class, getmetatable(problem))
end

-- Where Lua code may run when the time is up.
local places = {
  ["a loop"] = spin,
  ["a loop without calls"] = function() while true do end end,
  ["a loop of C functions"] = function() while true do math.max(1, 2) end end,
  ["a loop that allocates"] = function() while true do local t = { {} }; t[2] = t end end,
  ["a recursion that never ends"] = function()
    local function down(n) return n == 0 or down(n - 1) and down(n - 1) end
    down(200)
  end,
  ["tail calls"] = function()
    local function again() return again() end
    again()
  end,
  ["a comparison of table.sort"] = function() table.sort({ 1, 2, 3 }, spin) end,
  ["a callback of string.gsub"] = function() string.gsub("a", "a", spin) end,
  ["a metamethod"] = function() return setmetatable({}, { __index = spin }).x end,
  ["__tostring"] = function() tostring(setmetatable({}, { __tostring = spin })) end,
  ["a reader of load"] = function() error(select(2, load(spin)), 0) end,
  ["an iterator"] = function() for _ in spin do end end,
  ["__close"] = function()
    local held <close> = setmetatable({}, { __close = spin })
    assert(held)
  end,
  ["xpcall with a handler"] = function() error(select(2, xpcall(spin, function(problem) return problem end)), 0) end,
  ["a wrapped coroutine"] = function() coroutine.wrap(spin)() end,
  ["coroutines in coroutines"] = function()
    local function nest(n)
      if n == 0 then spin() end
      coroutine.wrap(nest)(n - 1)
    end
    nest(20)
  end,
  ["a coroutine that was resumed"] = function()
    local co = coroutine.create(spin)
    error(select(2, coroutine.resume(co)), 0)
  end,
  ["a coroutine under a coroutine that goes on"] = function()
    coroutine.wrap(function()
      table.sort({ 1, 2, 3 }, function() coroutine.wrap(spin)() end)
    end)()
  end,
  ["a coroutine that awaited before"] = function()
    coroutine.wrap(function()
      await(neap.sleep(0))
      spin()
    end)()
  end,
  ["a parked task"] = function()
    string.gsub("a", "a", function()
      await(neap.sleep(0))
      spin()
    end)
  end,
}

describe("a time limit on code that never awaits", function()
  for place, body in pairs(places) do
    it("ends " .. place, function() raises(neap.TimeoutError, neap.timeout, 0.05, body) end)
  end

  it("is that of wait_for", function()
    raises(neap.TimeoutError, function() await(neap.wait_for(spin, 0.05)) end)
  end)

  it("is that of timeout_at, and of a scope to be closed", function()
    raises(neap.TimeoutError, function() neap.timeout_at(neap.time() + 0.05, spin) end)
    raises(neap.TimeoutError, function()
      local scope <close> = neap.timeout(0.05)
      assert(scope)
      spin()
    end)
  end)

  it("is that of move_on_after", function()
    assert.same({ n = 2, true, "after" }, table.pack(try(function() return neap.move_on_after(0.05, spin) or "after" end)))
  end)

  it("may be past already", function()
    raises(neap.TimeoutError, neap.timeout, 0, spin)
  end)

  it("reaches tasks that are awaited", function()
    raises(neap.TimeoutError, function()
      await(neap.wait_for(neap.create_task(function() await(neap.create_task(spin)) end), 0.05))
    end)
    raises(neap.TimeoutError, function()
      neap.timeout(0.05, function() await(neap.gather(neap.sleep(9), neap.gather(spin, neap.sleep(9)))) end)
    end)
  end)

  it("reaches the tasks of a group, and of groups in it", function()
    local function grouped(fn)
      return function() neap.task_group(function(group) group:create_task(fn) end) end
    end
    raises(neap.TimeoutError, neap.timeout, 0.05, grouped(spin))
    raises(neap.TimeoutError, neap.timeout, 0.05, grouped(grouped(grouped(spin))))
  end)

  it("of who started a task at once lets that task wait", function()
    loop.run(function()
      local inner
      local ok, problem = pcall(neap.timeout, 0.05, function()
        inner = neap.create_task(function()
          while not inner do end
          return "inner"
        end, { eager_start = true })
        spin()
      end)
      assert.is_false(ok)
      assert.equal(neap.TimeoutError, getmetatable(problem))
      assert.equal("inner", await(inner))
    end, REAL)
  end)

  it("closes what is to be closed, and says where", function()
    local closed, problem = false, nil
    raises(neap.TimeoutError, neap.timeout, 0.05, function()
      local held <close> = setmetatable({}, { __close = function(_, e) closed, problem = true, e end })
      assert(held)
      spin()
    end)
    assert.is_true(closed)
    assert.equal(neap.CancelledError, getmetatable(problem))
  end)

  it("lets code that caught the cancellation clean up, with awaits", function()
    local steps = {}
    raises(neap.TimeoutError, neap.timeout, 0.05, function()
      local _, problem = pcall(spin)
      steps[1] = getmetatable(problem)
      await(neap.sleep(0.01))
      steps[2] = "slept"
      error(problem, 0)
    end)
    assert.same({ neap.CancelledError, "slept" }, steps)
  end)

  it("ends code that catches every error", function()
    raises(neap.TimeoutError, neap.timeout, 0.05, function()
      while true do pcall(spin) end
    end)
    raises(neap.TimeoutError, neap.timeout, 0.05, function()
      while true do
        pcall(function()
          while true do coroutine.resume(coroutine.create(spin)) end
        end)
      end
    end)
  end)

  it("goes no further than its stretch", function()
    local after = 0
    local ok = try(function()
      for _ = 1, 2 do
        pcall(neap.timeout, 0.05, function() while true do pcall(spin) end end)
        for _ = 1, 1e6 do after = after + 1 end
      end
    end)
    assert.is_true(ok)
    assert.equal(2e6, after)
  end)

  it("within another raises for the one that is due", function()
    local order = {}
    loop.run(function()
      neap.timeout(60, function()
        order[1] = select(2, pcall(neap.timeout, 0.05, spin))
      end)
      order[2] = "outer passed"
    end, REAL)
    assert.equal(neap.TimeoutError, getmetatable(order[1]))
    assert.equal("outer passed", order[2])
  end)

  it("of another task does not interrupt", function()
    loop.run(function()
      local waiting = true
      local other = neap.create_task(function()
        pcall(neap.timeout, 0.02, function() await(neap.sleep(60)) end)
        waiting = false
      end)
      await(neap.sleep(0))
      local begin = os.clock()
      while os.clock() - begin < 0.2 do assert(waiting) end
      await(other)
      assert.is_false(waiting)
    end, REAL)
  end)

  it("leaves the hook of a debugger as it was", function()
    local lines = 0
    local function count() lines = lines + 1 end
    loop.run(function()
      debug.sethook(count, "l")
      pcall(neap.timeout, 0.05, spin)
      assert.equal(count, (debug.gethook()))
      debug.sethook()
    end, REAL)
    assert.is_true(lines > 0)
  end)
end)

describe("task:cancel()", function()
  it("ends the task that calls it, though it never awaits", function()
    raises(neap.CancelledError, function()
      await(neap.create_task(function()
        neap.current_task():cancel()
        spin()
      end))
    end)
  end)

  it("once taken back ends nothing", function()
    assert.same({ n = 2, true, "done" }, table.pack(try(function()
      neap.current_task():cancel()
      neap.current_task():uncancel()
      local begin = os.clock()
      while os.clock() - begin < 0.15 do assert(begin) end
      return "done"
    end)))
  end)
end)

describe("the end of run()", function()
  it("ends a task that neither awaits nor ends, when its grace is over", function()
    local closed
    local ok, reports = pcall(neap.run, function()
      neap.create_task(function()
        pcall(await, neap.sleep(60))
        local held <close> = setmetatable({}, { __close = function() closed = true end })
        assert(held)
        while true do pcall(spin) end
      end)
      await(neap.sleep(0))
    end, { shutdown_grace = 0.05 })
    assert.is_true(ok, reports)
    assert.is_nil(closed) -- at every instruction: not even that runs
  end)
end)

describe("a task with slices", function()
  it("shares the loop", function()
    loop.run(function()
      local enough = false
      local task = neap.create_task(function()
        while not enough do end
        return "enough"
      end, { slice = 0.002 })
      await(neap.sleep(0.02))
      enough = true
      assert.equal("enough", await(task))
    end, REAL)
  end)

  it("shares it with its like", function()
    loop.run(function()
      local turn, turns = 1, 0
      local function work(i)
        return function()
          for _ = 1, 3 do
            while turn ~= i do end
            turn, turns = 3 - i, turns + 1
          end
        end
      end
      await(neap.gather(neap.create_task(work(1), { slice = 0.002 }), neap.create_task(work(2), { slice = 0.002 })))
      assert.equal(6, turns)
    end, REAL)
  end)

  for place, body in pairs(places) do
    it("is cancelled in " .. place, function()
      raises(neap.CancelledError, function()
        local task = neap.create_task(body, { slice = 0.002 })
        await(neap.sleep(0.02))
        task:cancel()
        await(task)
      end)
    end)
  end

  it("keeps its locals, its coroutines and its results", function()
    loop.run(function()
      local function sum(n)
        local total = 0
        for i in coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) do total = total + i end
        return total, n
      end
      local tasks = {}
      for i = 1, 4 do tasks[i] = neap.create_task(function() return sum(200000 + i) end, { slice = 0.001 }) end
      for i = 1, 4 do
        local n = 200000 + i
        assert.same({ n * (n + 1) // 2, n }, { await(tasks[i]) })
      end
    end, REAL)
  end)

  it("has none of no or bad length", function()
    loop.run(function()
      for _, bad in ipairs { 0, -1, 0.0001, 0 / 0, math.huge, "x", {}, true } do
        local ok, problem = pcall(neap.create_task, spin, { slice = bad })
        assert.is_false(ok)
        assert.matches("field 'slice'", tostring(problem), 1, true)
      end
    end)
  end)

  it("works on the virtual clock too", function()
    loop.run(function()
      local enough = false
      local task = neap.create_task(function() while not enough do end end, { slice = 0.002 })
      await(neap.sleep(0))
      enough = true
      await(task)
    end)
  end)
end)

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
    assert.matches("limit_spec.lua:%d+: in .*busy", reports[1].traceback)
  end)

  it("reports the coroutine that runs and the task's own", function()
    local reports = reported(function(reports)
      await(neap.create_task(function()
        local inner = coroutine.wrap(function() while #reports == 0 do end end)
        inner()
      end, { name = "held" }))
    end)
    assert.matches("in a coroutine of the task", reports[1].traceback)
    assert.matches("limit_spec.lua:%d+: in .*limit_spec.lua:%d+: in ", reports[1].traceback)
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
      local ok, problem = pcall(neap.run, spin, { step_limit = bad })
      assert.is_false(ok)
      assert.matches("field 'step_limit'", tostring(problem), 1, true)
    end
  end)
end)
