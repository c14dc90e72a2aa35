-- When nothing can ever happen any more, that is an error which names who waits for what, and where.
local neap = require "neap"
local await = neap.await

local ok, problem = pcall(neap.run, function()
  local left, right = neap.Lock(), neap.Lock()

  local function take(first, second)
    local held <close> = await(first:acquire())
    await(neap.sleep(0.001))
    await(second:acquire()):release()
  end

  neap.create_task(function() take(left, right) end, { name = "anna" })
  await(neap.create_task(function() take(right, left) end, { name = "bert" }))
end)

print(ok, neap.is(problem, neap.DeadlockError))
print((tostring(problem):gsub("[%w/._-]*(deadlock.lua)", "%1")))
--[[ prints:
false	true
DeadlockError: deadlock: nothing is ready, no timer and no I/O is left, and
  task Task-1 waits for neap.Task bert (pending), at deadlock.lua:15
  task anna waits for neap.Lock:acquire of neap.Lock (held, 1 waiting), at deadlock.lua:11
  task bert waits for neap.Lock:acquire of neap.Lock (held, 1 waiting), at deadlock.lua:11
]]
