-- A server that ends well: on TERM it accepts nobody any more, lets those it has finish for a while, and aborts who
-- does not. It takes three connections at once; the others wait in the backlog. Under systemd it would listen at
-- neap.listen_fds()[1] in the place of a host, and lose nobody while it is started anew.
local neap = require "neap"
local uv = require "luv"
local await = neap.await

local function serve(stream)
  for line in stream:lines() do
    await(neap.sleep(0.02)) -- work
    await(stream:write(line:reverse(), "\n"))
  end
end

local client = neap.async(function(port, word)
  local stream <close> = await(neap.open_connection("127.0.0.1", port))
  await(stream:write(word, "\n"))
  return await(stream:read "l")
end)

neap.run(function()
  local server = await(neap.start_server(serve, "127.0.0.1", 0, { max_connections = 3 }))
  local port = server:getsockname().port
  local stop = neap.Event()
  neap.add_signal_handler("TERM", stop.set, stop)

  -- Somebody who never goes away, and five that want one word.
  local idle <close> = await(neap.open_connection("127.0.0.1", port))
  local words = await(neap.gather(client(port, "one"), client(port, "two"), client(port, "three"),
    client(port, "four"), client(port, "five")))
  print(table.concat(words, " "))

  local late = neap.create_task(client(port, "late"))
  while server:connections() < 2 do await(neap.sleep(0.001)) end
  uv.kill(uv.os_getpid(), "sigterm")

  await(stop:wait())
  local aborted = await(server:shutdown(1))
  print(await(late), aborted .. " aborted", server:is_serving())
  print(pcall(await, idle:read "l"))
end)
--[[ prints:
eno owt eerht ruof evif
etal	1 aborted	false
false	ConnectionResetError: read: connection reset by peer (ECONNRESET)
]]
