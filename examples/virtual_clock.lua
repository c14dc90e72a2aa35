-- On the virtual clock time jumps to the next deadline whenever nothing is ready: a day takes no time.
local neap = require "neap"
local await = neap.await

local started = os.time()

neap.run(function()
  local start = neap.time()
  local function now() return ("%5.1f h"):format((neap.time() - start) / 3600) end

  neap.create_task(function()
    while true do
      await(neap.sleep(6 * 3600))
      print(now(), "the bell rings")
    end
  end)
  await(neap.sleep(8 * 3600))
  print(now(), "breakfast")
  print(now(), pcall(await, neap.wait_for(neap.sleep(86400), 7 * 3600)))
  print(now(), "dinner")
end, { clock = "virtual" })

print("really", os.time() - started < 2 and "no time at all")
--[[ prints:
  6.0 h	the bell rings
  8.0 h	breakfast
 12.0 h	the bell rings
  8.0 h	false	TimeoutError
 15.0 h	dinner
really	no time at all
]]
