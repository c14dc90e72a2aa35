local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local await = neap.await

-- What the deadlock of `body` says, with the names of tasks that are left.
local function message_of(body, options)
  local reports = loop.run_reports(body, options)
  assert(neap.is(reports.error, neap.DeadlockError), tostring(reports.error))
  return reports.error.message, reports
end

describe("A deadlock", function()
  it("is an error when main waits for what nobody can complete", function()
    local message = message_of(function() await(neap.Future()) end)
    assert.matches("neap.Future %(pending%)", message)
    assert.matches("deadlock_spec.lua:%d+", message)
  end)

  it("is found on the real clock too", function()
    message_of(function() await(neap.Future()) end, { clock = "real" })
  end)

  it("is a RuntimeError", function()
    local reports = loop.run_reports(function() await(neap.Future()) end)
    assert.is_true(neap.is(reports.error, neap.RuntimeError))
  end)

  it("names every waiting task, what it waits for, and where", function()
    local line
    local message = message_of(function()
      local lock, queue, event = neap.Lock(), neap.Queue(), neap.Event()
      local semaphore, barrier, condition = neap.Semaphore(0), neap.Barrier(2), neap.Condition()
      await(lock:acquire())
      local function spawn(name, awaitable)
        return neap.create_task(function()
          line = debug.getinfo(1, "l").currentline + 1
          return (await(awaitable))
        end, { name = name })
      end
      spawn("locker", lock:acquire())
      spawn("getter", queue:get())
      spawn("listener", event:wait())
      spawn("counter", semaphore:acquire())
      spawn("party", barrier:wait())
      neap.create_task(function()
        await(condition:acquire())
        await(condition:wait())
      end, { name = "observer" })
      await(spawn("follower", neap.Future()))
    end)
    assert.matches("task Task%-%d+ waits for neap.Task follower", message)
    local lock = "task locker waits for neap.Lock:acquire of neap.Lock %(held, 1 waiting%), at "
    assert.matches(lock .. "[^\n]*:" .. line, message)
    assert.matches("task getter waits for neap.Queue:get", message)
    assert.matches("task listener waits for neap.Event:wait", message)
    assert.matches("task counter waits for neap.Semaphore:acquire", message)
    assert.matches("task party waits for neap.Barrier:wait", message)
    assert.matches("task observer waits for neap.Condition:wait", message)
    assert.matches("task follower waits for neap.Future %(pending%)", message)
  end)

  it("cleans up the tasks that are left", function()
    local closed = {}
    message_of(function()
      for i = 1, 3 do
        neap.create_task(function()
          local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = i end })
          await(neap.Future())
        end)
      end
      await(neap.Future())
    end)
    table.sort(closed)
    assert.same({ 1, 2, 3 }, closed)
    assert.equal(0, neap.all_tasks().n)
  end)

  it("leaves the loop usable", function()
    message_of(function() await(neap.Future()) end)
    assert.equal("fine", loop.run(function() return await(neap.sleep(1, "fine")) end))
  end)

  it("is found when a task holds a lock for ever", function()
    local message = message_of(function()
      local lock = neap.Lock()
      local held <close> = await(lock:acquire())
      local again <close> = await(lock:acquire())
      return held, again
    end)
    assert.matches("neap.Lock:acquire", message)
  end)

  it("is found at a top-level await", function()
    local err = loop.raises(neap.DeadlockError, await, neap.Future())
    assert.is_string(err.message)
    for _, task in ipairs(neap.all_tasks()) do
      task:cancel()
      pcall(await, task)
    end
  end)

  it("is found when many tasks wait, and not all are listed", function()
    local n = 200
    local message = message_of(function()
      for _ = 1, n do neap.create_task(function() await(neap.Future()) end) end
      await(neap.Future())
    end)
    local _, lines = message:gsub("\n", "")
    assert.is_true(lines < n)
    assert.matches("more", message)
  end)
end)

describe("What is no deadlock", function()
  it("is a timer far away", function()
    loop.run(function() await(neap.sleep(1e9)) end)
  end)

  it("is an active handle of luv", function()
    loop.run(function()
      local future, timer = neap.Future(), uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        future:set_result(1)
      end)
      assert.equal(1, await(future))
    end, { clock = "real" })
  end)

  it("is an active handle of luv on the virtual clock, which waits for it", function()
    loop.run(function()
      local future, timer = neap.Future(), uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        future:set_result(1)
      end)
      assert.equal(1, await(neap.wait_for(future, 1e6)))
      assert.equal(0, neap.time())
    end)
  end)

  it("is a request of luv", function()
    loop.run(function()
      local future = neap.Future()
      uv.fs_stat(".", function(err, stat) future:set_result(err, stat) end)
      local err, stat = await(future)
      assert.is_nil(err)
      assert.equal("directory", stat.type)
    end)
  end)
end)
