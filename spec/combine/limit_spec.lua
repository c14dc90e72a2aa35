-- Time limits that bite: code that never awaits.
local neap = require "neap"
local busy = require "spec.support.busy"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await = neap.await
local spin, try, raises = busy.spin, busy.try, busy.raises

local REAL = { clock = "real" }

describe("a time limit on code that never awaits", function()
  for place, body in pairs(busy.places) do
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
    assert.same({ n = 2, true, "after" }, table.pack(try(function()
      return neap.move_on_after(0.05, spin) or "after"
    end)))
  end)

  it("may be past already", function() raises(neap.TimeoutError, neap.timeout, 0, spin) end)

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
      local inner, released
      local ok, problem = pcall(neap.timeout, 0.05, function()
        neap.create_task(function()
          inner = neap.current_task() -- here, as what create_task gives may be lost to the limit
          while not released do end
          return "inner"
        end, { eager_start = true })
        spin()
      end)
      released = true
      assert.is_false(ok)
      assert.equal(neap.TimeoutError, getmetatable(problem))
      assert.equal("inner", await(inner))
    end, REAL)
  end)

  -- Ends fn(wait), where wait() goes on until then.
  local function raises_with(fn)
    local released
    raises(neap.TimeoutError, function()
      local _ <close> = setmetatable({}, { __close = function() released = true end })
      neap.timeout(0.05, function() fn(function() while not released do end end) end)
    end)
  end

  it("of who started a task that started a task at once reaches through both", function()
    raises_with(function(wait)
      neap.create_task(function()
        neap.create_task(wait, { eager_start = true })
        wait()
      end, { eager_start = true })
      spin()
    end)
  end)

  it("is told again to who swallows it and starts tasks that are preempted", function()
    raises_with(function(wait)
      local function start() return neap.create_task(wait, { eager_start = true, slice = 0.005 }), "after it" end
      while true do pcall(start) end
    end)
  end)

  it("does not preempt a task because of what the one that started it had to bear before", function()
    loop.run(function()
      pcall(neap.timeout, 0.001, function() await(neap.sleep(9)) end)
      local ended
      local task = neap.create_task(function()
        local begin = os.clock()
        while os.clock() - begin < 0.2 do assert(begin) end
        ended = true
      end, { eager_start = true })
      assert.is_true(ended)
      await(task)
    end, { clock = "real", step_limit = 1000 })
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

  -- Catches every error and goes on, without an await.
  local function stubborn()
    local begin = os.clock()
    while true do
      pcall(spin)
      if os.clock() - begin > 30 then error "it went on" end
    end
  end

  for place, body in pairs {
    ["its await"] = function()
      pcall(await, neap.sleep(9))
      stubborn()
    end,
    ["an await of a task"] = function()
      pcall(await, neap.create_task(neap.sleep(9)))
      stubborn()
    end,
    ["a group"] = function()
      pcall(neap.task_group, function(group)
        group:create_task(neap.sleep(9))
        await(neap.sleep(9))
      end)
      stubborn()
    end,
    ["a task of a group"] = function()
      neap.task_group(function(group) group:create_task(stubborn) end)
    end,
    ["a task with slices"] = function() await(neap.create_task(stubborn, { slice = 0.001 })) end,
  } do
    it("ends code that swallows the cancellation in " .. place .. ", and awaits no more", function()
      raises(neap.TimeoutError, neap.timeout, 0.05, body)
    end)
  end

  it("lets the code after a cleaning-up await compute as long as it likes", function()
    assert.same({ n = 2, true, "computed" }, table.pack(try(function()
      return select(2, pcall(neap.timeout, 0.02, function()
        pcall(await, neap.sleep(9))
        await(neap.sleep(0))
        local begin = os.clock()
        while os.clock() - begin < 0.8 do assert(begin) end
        return "computed"
      end))
    end)))
  end)

  it("ends code that gives each of its tries a limit of its own, and goes on", function()
    raises(neap.TimeoutError, neap.timeout, 0.05, function()
      local begin = os.clock()
      while true do
        pcall(neap.timeout, 0.2, spin)
        if os.clock() - begin > 30 then error "it went on" end
      end
    end)
  end)

  it("counts what is swallowed anew for each stretch", function()
    local swallowed = {}
    local function swallow(i, times)
      pcall(neap.timeout, 0.05, function()
        for n = 1, times do
          pcall(spin)
          swallowed[i] = n
        end
      end)
    end
    assert.is_true((try(function()
      swallow(1, 1000)
      swallow(2, 2)
      swallow(3, 2)
    end)))
    assert.same({ swallowed[1], 2, 2 }, swallowed)
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

  it("that ran out in another task's step, which it did not end, ends the next one", function()
    loop.run(function()
      local go, ended = neap.Event(), nil
      local task = neap.create_task(function()
        ended = select(2, pcall(neap.timeout, 0.01, function()
          await(go:wait())
          local begin = os.clock()
          while os.clock() - begin < 10 do assert(begin) end
        end))
      end)
      await(neap.sleep(0))
      neap.create_task(function()
        local begin = os.clock()
        while os.clock() - begin < 0.2 do assert(begin) end
      end)
      go:set()
      await(task)
      assert.equal(neap.TimeoutError, getmetatable(ended))
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

describe("the end of run() with slices", function()
  it("ends a task that catches every error, when its grace is over", function()
    local ended
    assert.is_true(pcall(neap.run, function()
      neap.create_task(function()
        local begin = os.clock()
        while os.clock() - begin < 30 do pcall(spin) end
        ended = true
      end, { slice = 0.001 })
      await(neap.sleep(0.01))
    end, { shutdown_grace = 0.05 }))
    assert.is_nil(ended)
  end)
end)

describe("a limit that is dropped, neither left nor running any more", function()
  it("lets the watchdog sleep", function()
    assert.equal("it sleeps\n", child.output [[
      local neap, uv = require "neap", require "luv"
      local await = neap.await

      local function looks() -- how often threads but the main one have waited
        local n, main = 0, tostring(uv.os_getpid())
        for name in uv.fs_scandir_next, uv.fs_scandir "/proc/self/task" do
          local file = name ~= main and io.open("/proc/self/task/" .. name .. "/status")
          if file then
            n = n + tonumber(file:read "a":match "\nvoluntary_ctxt_switches:%s*(%d+)")
            file:close()
          end
        end
        return n
      end

      neap.run(function()
        neap.create_task(function()
          local scope = neap.timeout(0.001)
          pcall(await, neap.sleep(60))
          assert(scope:expired())
        end)
        neap.create_task(function() neap.timeout(60):reschedule(nil) end)
        await(neap.sleep(0.02))
        for _ = 1, 100 do
          local before, begin = looks(), neap.time()
          while neap.time() - begin < 0.1 do await(neap.sleep(0)) end
          if looks() == before then return print "it sleeps" end
        end
        print "it looks on"
      end)
    ]])
  end)
end)

describe("a state that has closed", function()
  it("is watched no more, whatever finalizers do", function()
    local out = child.output [[
      local neap
      local last = setmetatable({}, { __gc = function()
        print(neap.current_task():cancel(), (pcall(neap.create_task, print, { slice = 0.01 })))
        print(io.open "/proc/self/status":read "a":match "Threads:%s*(%d+)")
      end })
      neap = require "neap"
      neap.run(function() os.exit(last and 0, true) end)
    ]]
    assert.equal("true\tfalse\n1\n", out)
  end)
end)
