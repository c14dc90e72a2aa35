local neap, B = require "neap", require "bench"
local async, await, sleep = neap.async, neap.await, neap.sleep
local tasks, yields = B.args.tasks, B.args.yields

local worker = async(function(n)
  for _ = 1, n do await(sleep(0)) end
  return n
end)

neap.run(function()
  local t0, jobs, sum = B.start(), {}, 0
  for i = 1, tasks do jobs[i] = neap.create_task(worker(yields)) end
  for _, n in ipairs(await(neap.gather(jobs))) do sum = sum + n end
  B.report(t0, tasks * yields, sum)
end)
