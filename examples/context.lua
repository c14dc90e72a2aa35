-- A context variable has a value of its own in each task: what a task sets, others do not see.
local neap = require "neap"
local await = neap.await

local user = neap.ContextVar("user", { default = "nobody" })

local function log(text) print(user:get(), text) end -- no argument is handed down

local function serve(name)
  user:set(name)
  log "comes"
  await(neap.sleep(0.001))
  neap.create_task(function() log "sends a child" end) -- a child starts with a copy
  await(neap.sleep(0.001))
  log "goes"
end

neap.run(function()
  await(neap.gather(function() serve "ann" end, function() serve "bob" end))
  log "is here"

  local token = user:set "root"
  log "rules"
  user:reset(token)
  log "is here again"

  local context = neap.copy_context()
  context:run(function()
    user:set "guest"
    log "is inside"
  end)
  print(context:get(user), user:get())
end)
--[[ prints:
ann	comes
bob	comes
ann	sends a child
bob	sends a child
ann	goes
bob	goes
nobody	is here
root	rules
nobody	is here again
guest	is inside
guest	nobody
]]
