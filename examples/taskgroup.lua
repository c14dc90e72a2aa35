-- The tasks of a group are done when the group is left. If one fails, the others are cancelled.
local neap = require "neap"
local await = neap.await

local function work(name, seconds, fails)
  local ok, problem = pcall(await, neap.sleep(seconds))
  if not ok then
    print(name, "was cancelled")
    error(problem, 0)
  end
  if fails then error(name .. " failed", 0) end
  print(name, "is done")
end

neap.run(function()
  neap.task_group(function(group)
    for i = 1, 3 do
      group:create_task(function() work("task " .. i, i / 100) end)
    end
  end)
  print "the first group is left"

  local ok, problem = pcall(function()
    local group <close> = neap.TaskGroup()
    group:create_task(function() work("quick", 0.01) end)
    group:create_task(function() work("bad", 0.02, true) end)
    group:create_task(function() work("slow", 10) end)
  end)
  print(ok, neap.is(problem, neap.ExceptionGroup), #problem.errors, problem.errors[1])
end)
--[[ prints:
task 1	is done
task 2	is done
task 3	is done
the first group is left
quick	is done
slow	was cancelled
false	true	1	bad failed
]]
