-- What the host run_script runs. The chunk is a task: it awaits without neap.run.
local neap = require "neap"
local await = neap.await

local name, seconds = ...

local function announce(what)
  await(neap.sleep(tonumber(seconds)))
  if not what then error "nothing to announce" end
  return what .. " has come"
end

local task = neap.create_task(announce, { name = "announcer" })
task:cancel()
print(pcall(await, task))
print(await(neap.gather(neap.sleep(0.02, "last"), neap.sleep(0.01, "first")))[2])
print(announce(name))
