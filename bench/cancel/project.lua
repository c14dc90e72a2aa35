local neap, B = require "neap", require "bench"
local async, await, wait_for, Future, call_soon = neap.async, neap.await, neap.wait_for, neap.Future, neap.call_soon
local tasks, n = B.args.tasks, B.args.n

local worker = async(function()
  local check = 0
  for i = 0, n - 1 do
    local fut = Future()
    call_soon(fut.set_result, fut, i)
    check = check + await(wait_for(fut, 60))
  end
  return check
end)

neap.run(function()
  local t0, jobs, sum = B.start(), {}, 0
  for i = 1, tasks do jobs[i] = neap.create_task(worker()) end
  for _, v in ipairs(await(neap.gather(jobs))) do sum = sum + v end
  B.report(t0, tasks * n, sum)
end)
