-- A cancellation is an error raised at the await. What is to be closed is closed on the way, and that
-- may await; pcall catches it like any other error, neap.pcall lets it through.
local neap = require "neap"
local await = neap.await

local function open(name)
  print("open", name)
  return setmetatable({}, {
    __close = function(_, problem)
      await(neap.sleep(0.001))
      print("closed", name, problem)
    end,
  })
end

neap.run(function()
  local task = neap.create_task(function()
    local held <close> = open "file"
    local ok, result = neap.pcall(function()
      await(neap.sleep(0.001))
      error("an ordinary error", 0)
    end)
    print("neap.pcall", ok, result)
    neap.pcall(await, neap.sleep(60))
    print "never reached"
  end)
  await(neap.sleep(0.05))
  print("cancel", task:cancel "no longer needed")
  local ok, problem = pcall(await, task)
  print(ok, problem, neap.is(problem, neap.CancelledError), task:cancelled())

  -- A shield keeps what it awaits from being cancelled.
  local saving = neap.create_task(function()
    await(neap.sleep(0.01))
    print "saved"
  end)
  print(pcall(await, neap.wait_for(neap.shield(saving), 0.001)))
  await(saving)
end)
--[[ prints:
open	file
neap.pcall	false	an ordinary error
cancel	true
closed	file	CancelledError: no longer needed
false	CancelledError: no longer needed	true	true
false	TimeoutError
saved
]]
