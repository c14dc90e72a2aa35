local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function waiters(event, order, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.create_task(function()
      local value = await(event:wait())
      order[#order + 1] = i
      return value
    end)
  end
  return tasks
end

describe("Event", function()
  it("refuses what is no event", function()
    local event = neap.Event()
    for _, name in ipairs { "wait", "set", "clear", "is_set" } do
      assert.matches("neap.Event expected", loop.failure(event[name], {}))
    end
  end)

  it("is set and cleared, each again without effect", function()
    run(function()
      local event = neap.Event()
      assert.is_false(event:is_set())
      event:set()
      event:set()
      assert.is_true(event:is_set())
      event:clear()
      event:clear()
      assert.is_false(event:is_set())
    end)
  end)

  it("that is set is waited for without a suspension", function()
    run(function()
      local event, ticked = neap.Event(), false
      event:set()
      neap.call_soon(function() ticked = true end)
      assert.is_true(await(event:wait()))
      assert.is_false(ticked)
      await(neap.sleep(0))
    end)
  end)

  it("wakes all that wait, in the order they came", function()
    run(function()
      local event, order = neap.Event(), {}
      local tasks = waiters(event, order, 4)
      loop.ticks(1)
      event:set()
      assert.same({}, order)
      loop.ticks(1)
      assert.same({ 1, 2, 3, 4 }, order)
      for _, task in ipairs(tasks) do assert.is_true(await(task)) end
    end)
  end)

  it("wakes them though it is cleared before they run", function()
    run(function()
      local event, order = neap.Event(), {}
      local tasks = waiters(event, order, 2)
      loop.ticks(1)
      event:set()
      event:clear()
      assert.is_true(await(tasks[1]))
      assert.is_true(await(tasks[2]))
      assert.is_false(event:is_set())
    end)
  end)

  it("does not wake those that come after clear", function()
    run(function()
      local event, order = neap.Event(), {}
      event:set()
      event:clear()
      local task = waiters(event, order, 1)[1]
      loop.ticks(3)
      assert.is_false(task:done())
      event:set()
      await(task)
    end)
  end)

  it("loses no waiter when one of them is cancelled", function()
    run(function()
      local event, order = neap.Event(), {}
      local tasks = waiters(event, order, 3)
      loop.ticks(1)
      tasks[2]:cancel()
      event:set()
      loop.ticks(2)
      assert.same({ 1, 3 }, order)
      assert.is_true(tasks[2]:cancelled())
    end)
  end)

  it("loses no waiter when one of them is cancelled in the handoff window", function()
    run(function()
      local event, order = neap.Event(), {}
      local tasks = waiters(event, order, 3)
      loop.ticks(1)
      event:set()
      tasks[2]:cancel()
      loop.ticks(2)
      assert.same({ 1, 3 }, order)
      assert.is_true(tasks[2]:cancelled())
    end)
  end)

  it("is set from a callback and before run", function()
    local event = neap.Event()
    neap.call_soon(function() event:set() end)
    run(function() assert.is_true(await(event:wait())) end)
  end)

  it("tells its state", function()
    run(function()
      local event = neap.Event()
      local task = neap.create_task(event:wait())
      loop.ticks(1)
      assert.equal("neap.Event (unset, 1 waiting)", tostring(event))
      event:set()
      await(task)
      assert.equal("neap.Event (set, 0 waiting)", tostring(event))
    end)
  end)

  it("is waited for with a time limit", function()
    run(function()
      local event = neap.Event()
      loop.raises(neap.TimeoutError, await, neap.wait_for(event:wait(), 1))
      assert.equal("neap.Event (unset, 0 waiting)", tostring(event))
    end)
  end)
end)
