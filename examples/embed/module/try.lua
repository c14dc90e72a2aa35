-- try.lua SOCKET: the module at work.
local neap, redis = require "neap", require "redis"
local await, socket = neap.await, ...

neap.run(function()
  local db = redis.connect(socket)
  print(await(db:command("SET", "moon", "full")))
  local all = await(neap.gather(db:command("GET", "moon"), db:command("INCR", "tides"), db:command("GET", "none")))
  print(all[1], all[2], all[3])
  print(table.concat(await(db:command("MGET", "moon", "tides")), " "))
  print(select(2, pcall(await, db:command "MOON")):match "^[^,]+")

  -- Nothing comes for 0.3 s; whoever waited is gone by then, and the reply is dropped.
  print(pcall(await, neap.wait_for(db:command("BLPOP", "empty", "0.3"), 0.05)))
  local future = db:command("GET", "moon")
  await(neap.sleep(0))
  print(future:cancel(), pcall(await, future))
  print(await(db:command("GET", "moon")))

  local many = {} -- more than the socket takes at once
  for i = 1, 5000 do many[i] = db:command("SET", "key" .. i, ("x"):rep(1000)) end
  print(#await(neap.gather(many)), await(db:command("STRLEN", "key5000")))

  local last = db:command("BLPOP", "empty", "0")
  db:close()
  print(pcall(await, last))
end)
--[[ prints:
OK
full	1	nil
full 1
ERR unknown command 'MOON'
false	TimeoutError
true	false	CancelledError
full
5000	1000
false	the connection to redis was lost
]]
