-- acquire gives the lock back, and a <close> variable releases it, also after an error.
local neap = require "neap"
local await = neap.await

neap.run(function()
  local lock, balance = neap.Lock(), 100

  local function withdraw(amount)
    local held <close> = await(lock:acquire())
    local before = balance
    await(neap.sleep(0.001)) -- nobody else gets here meanwhile
    if before < amount then error("only " .. before .. " left", 0) end
    balance = before - amount
  end

  local results = await(neap.gather {
    function() withdraw(70) end,
    function() withdraw(50) end,
    function() withdraw(30) end,
    return_exceptions = true,
  })
  print(balance, results[2], lock)

  local slots, inside, most = neap.Semaphore(3), 0, 0
  local function visit()
    local held <close> = await(slots:acquire())
    inside = inside + 1
    most = math.max(most, inside)
    await(neap.sleep(0.001))
    inside = inside - 1
  end
  local visits = {}
  for i = 1, 20 do visits[i] = function() visit() end end
  await(neap.gather(visits))
  print("at most", most, slots)
end)
--[[ prints:
0	only 30 left	neap.Lock (free, 0 waiting)
at most	3	neap.Semaphore (value 3, 0 waiting)
]]
