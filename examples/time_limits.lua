-- Code that never awaits: a time limit ends it, slices let it share the loop, step_limit tells who holds it up.
local neap = require "neap"
local await = neap.await

local function collatz(limit) -- the start below `limit` with the longest chain
  local best, longest = 1, 0
  for start = 1, limit do
    local n, length = start, 0
    while n ~= 1 do n, length = n % 2 == 0 and n // 2 or 3 * n + 1, length + 1 end
    if length > longest then best, longest = start, length end
  end
  return best, longest
end

local reports = {}
neap.set_exception_handler(function(context) reports[#reports + 1] = context.message end)

neap.run(function()
  print("no time for all", pcall(neap.timeout, 0.1, function() return collatz(math.huge) end))

  local answer = neap.create_task(function() return collatz(100000) end, { slice = 0.005 })
  local waits = 0
  while not answer:done() do -- other tasks go on meanwhile
    await(neap.sleep(0.001))
    waits = waits + 1
  end
  print("shared", waits > 1, await(answer))

  collatz(60000) -- alone: nobody else runs
  while #reports == 0 do end
  print((reports[1]:gsub("%d+ ms", "N ms")))
end, { step_limit = 0.2 })
--[[ prints:
no time for all	false	TimeoutError
shared	true	77031	350
a step of task Task-1 has run for N ms, and goes on
]]
