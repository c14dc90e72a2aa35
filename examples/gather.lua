-- gather runs awaitables at the same time and gives their results in the order of the arguments.
local neap = require "neap"
local await = neap.await

local weigh = neap.async(function(fruit, seconds)
  await(neap.sleep(seconds))
  if fruit == "coconut" then error("too heavy: " .. fruit, 0) end
  print("weighed", fruit)
  return #fruit
end)

neap.run(function()
  local weights = await(neap.gather(weigh("banana", 0.03), weigh("fig", 0.01), weigh("melon", 0.02)))
  print(weights.n, table.concat(weights, " "))

  -- The first error ends the gather; the others go on.
  print(pcall(await, neap.gather(weigh("coconut", 0.01), weigh("lime", 0.02))))
  await(neap.sleep(0.05))

  -- Or errors are results like any other.
  local mixed = await(neap.gather { weigh("coconut", 0.01), weigh("plum", 0.02), return_exceptions = true })
  print(mixed[1], mixed[2])
end)
--[[ prints:
weighed	fig
weighed	melon
weighed	banana
3	6 3 5
false	too heavy: coconut
weighed	lime
weighed	plum
too heavy: coconut	4
]]
