local neap = require "neap"
local await = neap.await

local greet = neap.async(function(name, seconds)
  await(neap.sleep(seconds))
  return "hello, " .. name
end)
neap.run(function()
  local both = await(neap.gather(greet("moon", 0.2), greet("sun", 0.1)))
  print(both[1], both[2])
  print(pcall(await, neap.wait_for(greet("comet", 60), 0.1)))
end)
--[[ prints:
hello, moon	hello, sun
false	TimeoutError
]]
