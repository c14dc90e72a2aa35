local neap, B = require "neap", require "bench"
local await, create_task = neap.await, neap.create_task
local total, width = B.args.total, B.args.width

neap.run(function()
  local t0, check, left = B.start(), 0, total
  local function work()
    while left > 0 do
      left = left - 1
      local process = await(neap.create_subprocess_exec { "true" })
      if await(process:wait()) == 0 then check = check + 1 end
    end
  end
  local tasks = {}
  for i = 1, width do tasks[i] = create_task(work) end
  await(neap.gather(tasks))
  B.report(t0, total, check)
end)
