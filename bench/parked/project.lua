-- Awaits in what string.gsub calls, so with the C stack set aside.
local neap, B = require "neap", require "bench"
local await, sleep = neap.await, neap.sleep
local tasks, awaits = B.args.tasks or B.args.n, B.args.awaits or 1
local text, pause = ("x"):rep(awaits), B.args.n and 1 or 0

local worker = neap.async(function()
  local n = 0
  text:gsub(".", function()
    await(sleep(pause))
    n = n + 1
  end)
  return n
end)

neap.run(function()
  local t0, jobs, sum = B.start(), {}, 0
  for i = 1, tasks do jobs[i] = neap.create_task(worker()) end
  for _, n in ipairs(await(neap.gather(jobs))) do sum = sum + n end
  B.report(t0, tasks * awaits, sum)
end)
