-- Callbacks straight on luv.
local uv = require "luv"

local srv = uv.new_pipe(false)
srv:bind(("/tmp/neap-bench-%d.sock"):format(uv.os_getpid()))
srv:listen(1024, function()
  local c = uv.new_pipe(false)
  srv:accept(c)
  c:read_start(function(err, data)
    if data then c:write(data) elseif not c:is_closing() then c:close() end
  end)
end)
print(('{"port":%d}'):format(uv.os_getpid()))
io.stdout:flush()
uv.run()
