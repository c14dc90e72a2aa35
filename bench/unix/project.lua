local neap = require "neap"
local pid = require "luv".os_getpid()
local await = neap.await

local function echo(stream)
  while true do
    local data = await(stream:read(65536))
    if not data then break end
    await(stream:write(data))
  end
end

local function handle(stream)
  local ok, err = neap.pcall(echo, stream)
  stream:close()
  if not ok and not neap.is(err, neap.ConnectionError) then error(err, 0) end
end

neap.run(function()
  local path = ("/tmp/neap-bench-%d.sock"):format(pid)
  local server <close> = await(neap.start_unix_server(handle, path, { backlog = 1024 }))
  print(('{"port":%d}'):format(pid))
  io.stdout:flush()
  await(server:serve_forever())
end)
