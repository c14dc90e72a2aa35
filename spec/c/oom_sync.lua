-- luacheck: ignore 211 512
-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua: locks and their kin, queues.
local M = dofile "spec/c/oom_part.lua"
local virtual, same, is = M.virtual, M.same, M.is

virtual("lock", function(neap, await, create_task)
  local lock, order, tasks = neap.Lock(), "", {}
  for i = 1, 4 do
    tasks[i] = create_task(function()
      local held <close> = await(lock:acquire())
      order = order .. i
      await(neap.sleep(1))
    end)
  end
  await(neap.sleep(0.5))
  tasks[2]:cancel("not you")
  await(neap.wait(tasks))
  same(order, "134")
  same(lock:locked(), false)
end)

virtual("event", function(neap, await, create_task)
  local event, woken = neap.Event(), 0
  local tasks = {}
  for i = 1, 3 do
    tasks[i] = create_task(function()
      await(event:wait())
      woken = woken + 1
    end)
  end
  neap.call_later(1, event.set, event)
  await(neap.wait(tasks))
  same(woken, 3)
  event:clear()
  same(event:is_set(), false)
end)

virtual("condition", function(neap, await, create_task)
  local condition, ready, woken, tasks = neap.Condition(), false, 0, {}
  for i = 1, 3 do
    tasks[i] = create_task(function()
      local held <close> = await(condition:acquire())
      if i == 1 then await(condition:wait()) else await(condition:wait_for(function() return ready end)) end
      woken = woken + 1
    end)
  end
  await(neap.sleep(1))
  do
    local held <close> = await(condition:acquire())
    ready = true
    condition:notify_all()
  end
  await(neap.wait(tasks, {timeout = 5}))
  same(woken, 3)
end)

virtual("semaphore", function(neap, await, create_task)
  local semaphore, most, now, tasks = neap.BoundedSemaphore(2), 0, 0, {}
  for i = 1, 5 do
    tasks[i] = create_task(function()
      local held <close> = await(semaphore:acquire())
      now = now + 1
      most = math.max(most, now)
      await(neap.sleep(1))
      now = now - 1
    end)
  end
  await(neap.wait(tasks))
  same(most, 2)
  same(pcall(semaphore.release, semaphore), false)
  local plain = neap.Semaphore(0)
  neap.call_soon(plain.release, plain)
  await(plain:acquire())
end)

virtual("barrier", function(neap, await, create_task)
  local barrier, sum, tasks = neap.Barrier(3), 0, {}
  for i = 1, 6 do
    tasks[i] = create_task(function()
      local place = await(barrier:wait())
      sum = sum + place
    end)
  end
  await(neap.wait(tasks, {timeout = 5}))
  same(sum, 6)
  local broken = create_task(barrier:wait())
  await(neap.sleep(1))
  await(barrier:abort())
  same(pcall(await, broken), false)
  await(barrier:reset())
  same(barrier:broken(), false)
end)

local function through(neap, await, create_task, queue, expected)
  local got = ""
  local consumer = create_task(function()
    while true do
      got = got .. await(queue:get())
      queue:task_done()
    end
  end)
  for i = 1, 6 do await(queue:put(7 - i)) end
  await(queue:join())
  consumer:cancel()
  same(got, expected)
  queue:put_nowait(1)
  same(queue:get_nowait(), 1)
  same(queue:qsize(), 0)
  queue:shutdown()
  local ok, err = pcall(await, queue:get())
  same(ok, false)
  is(err, neap.QueueShutDown)
end

virtual("queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.Queue(2), "654321")
  local queue = neap.Queue()
  for i = 1, 9 do queue:put_nowait(i) end
  for i = 1, 9 do same(await(queue:get()), i) end
  local getter = create_task(queue:get())
  await(neap.sleep(0))
  queue:put_nowait("kept")
  getter:cancel()
  await(neap.sleep(0))
  same(queue:get_nowait(), "kept")
  queue:put_nowait("dropped")
  queue:shutdown(true)
end)

virtual("lifo queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.LifoQueue(2), "563412")
end)

virtual("priority queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.PriorityQueue(), "123456")
end)

return M
