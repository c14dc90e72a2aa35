-- Generators as every Python tutorial has them, each with an await inside: a coroutine of your own may await in a task.
local neap = require "neap"
local await = neap.await

-- Fibonacci: yields for ever.
local function fibonacci()
  return coroutine.wrap(function()
    local a, b = 0, 1
    while true do
      await(neap.sleep(0.01))
      coroutine.yield(a)
      a, b = b, a + b
    end
  end)
end

-- What is sent in comes out of yield; what is returned is the last value.
local function averager()
  return coroutine.wrap(function()
    local sum, n = 0, 0
    local value = coroutine.yield()
    while value do
      await(neap.sleep(0.01))
      sum, n = sum + value, n + 1
      value = coroutine.yield(sum / n)
    end
    return ("%d values"):format(n)
  end)
end

-- Two workers take turns, by hand, as greenlets do.
local function take_turns()
  local workers = {}
  for _, name in ipairs { "ping", "pong" } do
    workers[#workers + 1] = coroutine.create(function()
      for round = 1, 2 do
        await(neap.sleep(0.01))
        print(name, round)
        coroutine.yield()
      end
    end)
  end
  while coroutine.status(workers[1]) ~= "dead" do
    for _, worker in ipairs(workers) do assert(coroutine.resume(worker)) end
  end
end

neap.run(function()
  local numbers = {}
  for n in fibonacci() do
    if n > 50 then break end
    numbers[#numbers + 1] = n
  end
  print(table.concat(numbers, " "))

  local average = averager()
  average()
  print(average(10), average(20), average(60), average(nil))

  take_turns()

  local started = neap.time() -- two generators at once wait at once
  await(neap.gather(function() for n in fibonacci() do if n > 10 then return end end end,
    function() for n in fibonacci() do if n > 10 then return end end end))
  print(("%.2f s"):format(neap.time() - started))
end, { clock = "virtual" })

--[[ prints:
0 1 1 2 3 5 8 13 21 34
10.0	15.0	30.0	3 values
ping	1
pong	1
ping	2
pong	2
0.08 s
]]
