-- luacheck: ignore 211 512
-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua: TCP streams and servers.
local M = dofile "spec/c/oom_part.lua"
local open, section, same, is = M.open, M.section, M.same, M.is

local function tcp(name, handler, client)
  section(name, function()
    local neap, await = open()
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream) handler(neap, await, stream) end, "127.0.0.1", 0))
      local stream <close> = await(neap.wait_for(neap.open_connection("127.0.0.1", server:getsockname().port), 5))
      neap.timeout(5, function() client(neap, await, stream, server) end)
      stream:close()
      pcall(await, neap.wait_for(stream:wait_closed(), 5)) -- raises if the connection was lost
    end)
  end)
end

tcp("stream", function(_, await, stream)
  for line in stream:lines() do await(stream:write(line:upper(), "\n")) end
end, function(neap, await, stream)
  await(stream:write("one\n", "two\n"))
  same(await(stream:readline()), "ONE\n")
  same(await(stream:readuntil("\n")), "TWO\n")
  await(stream:writelines({"three\n", "four\n"}))
  same(await(stream:readexactly(6)), "THREE\n")
  local reader = neap.create_task(stream:read(100))
  same(stream:get_extra_info("peername").ip, "127.0.0.1")
  same(await(reader), "FOUR\n")
  stream:write_eof()
  same(await(stream:read("a")), "")
  same(stream:at_eof(), true)
end)

tcp("stream, much", function(_, await, stream)
  local size = 0
  repeat
    local data = await(stream:read(65536))
    size = size + #(data or "")
  until not data
  await(stream:write(tostring(size), "\n"))
end, function(_, await, stream)
  local chunk = ("x"):rep(300000)
  for _ = 1, 4 do await(stream:write(chunk)) end
  stream:write_eof()
  same(await(stream:read("l")), "1200000")
end)

tcp("stream, ends", function(_, await, stream)
  await(stream:read(1))
  stream:abort()
end, function(neap, await, stream)
  local reader = neap.create_task(stream:readexactly(10))
  await(neap.sleep(0))
  reader:cancel("not now")
  local ok, err = pcall(await, reader)
  same(ok, false)
  is(err, neap.CancelledError)
  await(stream:write("x"))
  ok, err = pcall(await, stream:read(1))
  same(ok, false)
  is(err, neap.ConnectionResetError)
end)

section("names and refusals", function()
  local neap, await = open()
  neap.run(function()
    local server = await(neap.start_server(function() end, "localhost", 0))
    local port = server:getsockname().port
    local stream <close> = await(neap.open_connection("localhost", port))
    local forever = neap.create_task(server:serve_forever())
    await(neap.sleep(0))
    forever:cancel()
    server:close_clients()
    pcall(await, forever)
    await(neap.wait_for(server:wait_closed(), 5))
    local ok, err = pcall(await, neap.open_connection("127.0.0.1", port))
    same(ok, false)
    is(err, neap.ConnectionRefusedError)
  end)
end)

return M
