-- Three ways to limit time: wait_for one await, timeout a block, move_on_after a block without an error.
local neap = require "neap"
local await = neap.await

local function count(seconds)
  for i = 1, 5 do
    await(neap.sleep(seconds))
    print("counted", i)
  end
  return "all"
end

neap.run(function()
  print("wait_for", await(neap.wait_for(function() return "in time" end, 1)))
  print("wait_for", pcall(await, neap.wait_for(function() return count(0.1) end, 0.01)))

  local ok, problem = pcall(function()
    local scope <close> = neap.timeout(0.05)
    scope:reschedule(neap.time() + 0.25) -- more time is needed
    count(0.1)
  end)
  print("timeout", ok, neap.is(problem, neap.TimeoutError))

  print("move_on_after", neap.move_on_after(0.25, function() return count(0.1) end))
  print("move_on_after", neap.move_on_after(5, function() return count(0.001) end))
end)
--[[ prints:
wait_for	in time
wait_for	false	TimeoutError
counted	1
counted	2
timeout	false	true
counted	1
counted	2
move_on_after
counted	1
counted	2
counted	3
counted	4
counted	5
move_on_after	all
]]
