local neap, B = require "neap", require "bench"
local async, await, create_task, gather = neap.async, neap.await, neap.create_task, neap.gather
local total, batch = B.args.total, B.args.batch

local trivial = async(function(i) return i end)

neap.run(function()
  local t0, check = B.start(), 0
  for base = 0, total - 1, batch do
    local jobs = {}
    for i = 1, batch do jobs[i] = create_task(trivial(base + i - 1)) end
    for _, v in ipairs(await(gather(jobs))) do check = check + v end
  end
  B.report(t0, total, check)
end)
