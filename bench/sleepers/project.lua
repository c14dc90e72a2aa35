local neap, B = require "neap", require "bench"
local async, await, sleep, create_task = neap.async, neap.await, neap.sleep, neap.create_task
local n = B.args.n

local sleeper = async(function(ms)
  await(sleep(ms / 1000))
  return ms
end)

neap.run(function()
  local t0, jobs, check, longest = B.start(), {}, 0, 0
  for ms in B.durations_ms(n) do
    jobs[#jobs + 1] = create_task(sleeper(ms))
    longest = math.max(longest, ms)
  end
  for i = 1, n do check = check + await(jobs[i]) end
  B.report(t0, n, check, { ideal_s = longest / 1000 })
end)
