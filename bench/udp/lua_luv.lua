-- Callbacks straight on luv.
local uv = require "luv"

local socket = uv.new_udp()
socket:bind("127.0.0.1", 0)
socket:recv_start(function(_, data, from)
  if data and from then socket:try_send(data, from.ip, from.port) end
end)
print(('{"port":%d}'):format(socket:getsockname().port))
io.stdout:flush()
uv.run()
