-- `local held <close> = await(lock:acquire())` is asyncio's `async with lock as held`; nobody needs the name here.
local neap, B = require "neap", require "bench"
local async, await, sleep = neap.async, neap.await, neap.sleep
local tasks, n = B.args.tasks, B.args.acquires
local counter = 0

local worker = async(function(lock)
  for _ = 1, n do
    local _ <close> = await(lock:acquire())
    local seen = counter
    await(sleep(0))
    counter = seen + 1
  end
end)

neap.run(function()
  local t0, lock, jobs = B.start(), neap.Lock(), {}
  for i = 1, tasks do jobs[i] = neap.create_task(worker(lock)) end
  await(neap.gather(jobs))
  B.report(t0, tasks * n, counter)
end)
