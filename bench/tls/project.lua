local neap = require "neap"
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
  if not ok and not neap.is(err, neap.OSError) then error(err, 0) end
end

local context = neap.tls.context { certfile = os.getenv "BENCH_CERT", keyfile = os.getenv "BENCH_KEY" }

neap.run(function()
  local server <close> = await(neap.start_server(handle, "127.0.0.1", 0, { backlog = 1024, tls = context }))
  print(('{"port":%d}'):format(server:getsockname().port))
  io.stdout:flush()
  await(server:serve_forever())
end)
