local neap, B = require "neap", require "bench"
local async, await, create_task = neap.async, neap.await, neap.create_task
local total = B.args.total

local failing = async(function(i) error(neap.ValueError("number " .. i)) end)

neap.run(function()
  local t0, caught = B.start(), 0
  for i = 1, total do
    local ok, problem = pcall(await, create_task(failing(i)))
    if not ok and problem.traceback then caught = caught + 1 end
  end
  B.report(t0, total, caught)
end)
