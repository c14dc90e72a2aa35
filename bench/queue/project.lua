local neap, B = require "neap", require "bench"
local async, await, gather, Queue = neap.async, neap.await, neap.gather, neap.Queue
local n, rounds = B.args.items or 0, B.args.rounds or 0

local producer = async(function(q)
  for i = 0, n - 1 do await(q:put(i)) end
end)

local consumer = async(function(q)
  local check = 0
  for _ = 1, n do check = check + await(q:get()) end
  return check
end)

local ping = async(function(a, b)
  local check = 0
  for i = 0, rounds - 1 do
    await(a:put(i))
    check = check + await(b:get())
  end
  return check
end)

local pong = async(function(a, b)
  for _ = 1, rounds do await(b:put(await(a:get()))) end
end)

neap.run(function()
  local t0, check = B.start(), 0
  if rounds > 0 then
    local a, b = Queue(1), Queue(1)
    check = check + await(gather(ping(a, b), pong(a, b)))[1]
  else
    local q = Queue(B.args.maxsize)
    check = check + await(gather(producer(q), consumer(q)))[2]
  end
  B.report(t0, n + rounds, check)
end)
