-- lua_close and os.exit with tasks in every state, in processes of their own: they must end, with the
-- exit code that was asked for, and print no more than they were told to.
local child = require "spec.support.child"

local PRELUDE = [[
  local neap, uv = require "neap", require "luv"
  local async, await = neap.async, neap.await
  io.stdout:setvbuf "no"
]]

local function output(script) return child.output(PRELUDE .. script) end

-- What leaves a task in each state when the script ends without run().
local STATES = {
  ["has not begun"] = "neap.create_task(function() end)",
  ["sleeps"] = "neap.create_task(neap.sleep(1000)) await(neap.sleep(0))",
  ["is in sleep(0)"] = [[
    neap.create_task(function() while true do await(neap.sleep(0)) end end)
    await(neap.sleep(0))]],
  ["waits for a future"] = "local f = neap.Future() neap.create_task(function() await(f) end) await(neap.sleep(0))",
  ["waits for a task"] = [[
    local t = neap.create_task(neap.sleep(1000))
    neap.create_task(function() await(t) end)
    await(neap.sleep(0))]],
  ["is in the handoff window"] = [[
    local f = neap.Future()
    neap.create_task(function() await(f) end)
    await(neap.sleep(0))
    f:set_result(1)]],
  ["is cancelled but not yet told"] = [[
    local t = neap.create_task(neap.sleep(1000))
    await(neap.sleep(0))
    t:cancel()]],
  ["is done"] = "await(neap.create_task(function() return {} end))",
  ["has been cancelled"] = "local t = neap.create_task(function() end) t:cancel() pcall(await, t)",
  ["is in gather, wait, wait_for, shield and as_completed"] = [[
    local function nap() return neap.create_task(neap.sleep(1000)) end
    neap.create_task(function() await(neap.gather(nap(), nap())) end)
    neap.create_task(function() await(neap.wait({ nap(), nap() }, { timeout = 500 })) end)
    neap.create_task(function() await(neap.wait_for(nap(), 500)) end)
    neap.create_task(function() await(neap.shield(nap())) end)
    neap.create_task(function() for t in neap.as_completed({ nap(), nap() }, { timeout = 5 }) do await(t) end end)
    for _ = 1, 3 do await(neap.sleep(0)) end]],
  ["is in a timeout and a TaskGroup"] = [[
    neap.create_task(function() neap.timeout(100, function() await(neap.sleep(1000)) end) end)
    neap.create_task(function()
      neap.task_group(function(tg)
        tg:create_task(neap.sleep(1000))
        await(neap.sleep(1000))
      end)
    end)
    neap.create_task(function() local tg <close> = neap.TaskGroup() tg:create_task(neap.sleep(1000)) end)
    for _ = 1, 3 do await(neap.sleep(0)) end]],
  ["waits for a lock, an event, a condition, a semaphore, a barrier"] = [[
    local lock, event, condition = neap.Lock(), neap.Event(), neap.Condition()
    local semaphore, barrier = neap.Semaphore(0), neap.Barrier(3)
    await(lock:acquire())
    for _ = 1, 2 do
      neap.create_task(function() local held <close> = await(lock:acquire()) end)
      neap.create_task(function() await(event:wait()) end)
      neap.create_task(function()
        local held <close> = await(condition:acquire())
        await(condition:wait())
      end)
      neap.create_task(function() await(semaphore:acquire()) end)
      neap.create_task(function() await(barrier:wait()) end)
    end
    await(neap.sleep(0))]],
  ["waits for a queue"] = [[
    local queue, full = neap.Queue(), neap.PriorityQueue(1)
    full:put_nowait(1)
    neap.create_task(function() await(queue:get()) end)
    neap.create_task(function() await(full:put(2)) end)
    neap.create_task(function() await(full:join()) end)
    await(neap.sleep(0))]],
  ["holds variables to be closed"] = [[
    neap.create_task(function()
      local x <close> = setmetatable({}, { __close = function() await(neap.sleep(1)) end })
      await(neap.sleep(1000))
    end)
    await(neap.sleep(0))]],
}

describe("The end of the script closes cleanly when a task", function()
  for state, script in pairs(STATES) do
    it(state, function()
      assert.equal("end\n", output(script .. "\nprint 'end'"))
      assert.equal("end\n", output(script .. "\nprint 'end' os.exit(true, true)"))
    end)
  end
end)

describe("os.exit(0, true)", function()
  for state, script in pairs(STATES) do
    it("inside main ends the process when a task " .. state, function()
      assert.equal("end\n", output("neap.run(function()\n" .. script .. "\nprint 'end' os.exit(0, true) end)"))
    end)
  end

  it("inside a task that is awaited", function()
    assert.equal("in\n", output [[
      neap.run(function()
        await(neap.create_task(function()
          print "in"
          os.exit(0, true)
        end))
      end)
    ]])
  end)

  it("inside a callback", function()
    assert.equal("in\n", output [[
      neap.run(function()
        neap.call_soon(function()
          print "in"
          os.exit(0, true)
        end)
        await(neap.sleep(1000))
      end)
    ]])
  end)

  it("inside a done-callback and a timer", function()
    assert.equal("in\n", output [[
      neap.run(function()
        neap.call_later(0.001, function()
          local f = neap.Future()
          f:add_done_callback(function()
            print "in"
            os.exit(0, true)
          end)
          f:cancel()
        end)
        await(neap.sleep(1000))
      end)
    ]])
  end)

  it("gives the exit code that was asked for", function()
    assert.equal(7, child.run(PRELUDE .. "neap.run(function() os.exit(7, true) end)").code)
    assert.equal(7, child.run(PRELUDE .. "neap.run(function() os.exit(7) end)").code)
    assert.equal(1, child.run(PRELUDE .. "neap.run(function() os.exit(false, true) end)").code)
  end)

  it("reports an error nobody looked at", function()
    local out = output [[
      neap.create_task(function() error("unseen", 0) end)
      await(neap.sleep(0))
      os.exit(0, true)
    ]]
    assert.matches("unseen", out)
  end)
end)

describe("An error that main raises", function()
  it("ends the script with its text and the traceback of the task", function()
    local result = child.run(PRELUDE .. [[
      local function deep() error "broken" end
      neap.run(function() await(neap.create_task(function() deep() return 1 end, { name = "worker" })) end)
    ]])
    assert.equal(1, result.code)
    assert.matches("broken", result.out)
    assert.matches("worker", result.out)
    assert.matches("in .*function.*deep", result.out)
  end)

  it("ends the script with the text of an error object", function()
    local result = child.run(PRELUDE .. "neap.run(function() await(neap.wait_for(neap.sleep(1), 0)) end)")
    assert.equal(1, result.code)
    assert.matches("TimeoutError", result.out)
  end)
end)

describe("Finalizers at lua_close", function()
  it("may call the library without harm", function()
    assert.matches("^called\n", output [[
      keep = setmetatable({}, { __gc = function()
        pcall(await, neap.sleep(0))
        pcall(neap.create_task, function() end)
        pcall(neap.call_later, 1, function() end)
        pcall(neap.Future().set_exception, neap.Future(), "late")
        print "called"
      end })
      neap.run(neap.sleep(0))
    ]])
  end)
end)
