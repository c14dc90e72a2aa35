-- Callbacks straight on luv.
local uv = require "luv"

local srv, pid = uv.new_pipe(false), uv.os_getpid()
assert(srv:bind(("/tmp/bench-%d.sock"):format(pid)))
srv:listen(1024, function()
  local c = uv.new_pipe(false)
  srv:accept(c)
  c:read_start(function(err, data)
    if data then c:write(data) elseif not c:is_closing() then c:close() end
  end)
end)
print(('{"port":%d}'):format(pid))
io.stdout:flush()
uv.run()
