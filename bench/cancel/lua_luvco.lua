local co, B = require "luvco", require "bench"
local tasks, n = B.args.tasks, B.args.n

local function worker()
  local check = 0
  for i = 0, n - 1 do
    local fut = co.future()
    co.call_soon(function() fut:set(i) end)
    check = check + co.wait_for(fut, 60000)
  end
  return check
end

local t0 = B.start()
co.run(function()
  local futs, sum = {}, 0
  for i = 1, tasks do futs[i] = co.task(worker) end
  for _, v in ipairs(co.gather(futs)) do sum = sum + v end
  B.report(t0, tasks * n, sum)
end)
