-- Which ports of a host are open, and what do they say? Many at once, each bounded in time; a name is resolved
-- once. With a host (and a range of ports) it scans that: port_scanner.lua 127.0.0.1 1 1024
local neap = require "neap"
local await = neap.await

-- "open" and its first line, "closed", or "silent" when nobody answers at all.
local function probe(ip, port, patience)
  local connect = neap.open_connection(ip, port)
  local ok, stream = pcall(await, neap.wait_for(connect, patience))
  if ok then
    local connection <close> = stream
    local heard, line = pcall(await, neap.wait_for(connection:read "l", patience))
    return "open", heard and line and line:gsub("%c", "") or "(says nothing)"
  end
  return neap.is(stream, neap.ConnectionRefusedError) and "closed" or "silent"
end

-- {[port] = {state, line}}: workers take the ports from one iterator, so that few sockets are open at once.
local function scan(ip, ports, workers, patience)
  local found, i = {}, 0
  neap.task_group(function(group)
    for _ = 1, math.min(workers, #ports) do
      group:create_task(function()
        while i < #ports do
          i = i + 1
          local port = ports[i]
          found[port] = { probe(ip, port, patience) }
        end
      end)
    end
  end)
  return found
end

local function report(ports, found, name)
  local count = { open = 0, closed = 0, silent = 0 }
  for _, port in ipairs(ports) do
    local state, line = found[port][1], found[port][2]
    count[state] = count[state] + 1
    if state == "open" then print(("%-6s %s"):format(name(port), line)) end
  end
  print(("%d ports: %d open, %d closed, %d silent"):format(#ports, count.open, count.closed, count.silent))
end

-- Three services and some ports that are closed, to have something to scan.
local function demonstrate()
  local names, ports, servers = {}, {}, {}
  local function serve(name, handler)
    local server = await(neap.start_server(handler, "127.0.0.1", 0))
    local port = server:getsockname().port
    ports[#ports + 1], names[port] = port, name
    return server
  end
  local function says(text)
    return function(stream) await(stream:write(text, "\r\n")) end
  end
  servers[1] = serve("ssh", says "SSH-2.0-toy")
  servers[2] = serve("mail", says "220 mail.example ESMTP")
  servers[3] = serve("mute", function() end)
  for _ = 1, 40 do serve("none", print):close() end
  report(ports, scan("127.0.0.1", ports, 16, 5), function(port) return names[port] end)
  for _, server in ipairs(servers) do server:close() end
end

neap.run(function()
  if not arg[1] then return demonstrate() end
  local ports = {}
  for port = tonumber(arg[2] or 1), tonumber(arg[3] or arg[2] or 1024) do ports[#ports + 1] = port end
  local ip = await(neap.getaddrinfo(arg[1], nil, { type = "stream" }))[1].ip
  report(ports, scan(ip, ports, 200, 1), tostring)
end)
--[[ prints:
ssh    SSH-2.0-toy
mail   220 mail.example ESMTP
mute   (says nothing)
43 ports: 3 open, 40 closed, 0 silent
]]
