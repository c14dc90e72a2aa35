local neap = require "neap"
local await = neap.await

neap.run(function()
  local socket <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
  print(('{"port":%d}'):format(socket:getsockname().port))
  io.stdout:flush()
  for data, host, port in socket:iter() do await(socket:send(data, host, port)) end
end)
