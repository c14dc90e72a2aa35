-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua for names, for connecting to one of several addresses, and for servers that last.
local M = {}

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

-- body(neap, await) in the loop
local function in_loop(body)
  return function()
    local neap = require "neap"
    neap.run(function() body(neap, neap.await) end)
  end
end

local function names(neap, await)
  local found = await(neap.getaddrinfo("127.0.0.1", 80, { type = "stream", flags = { "numerichost", "canonname" } }))
  same(found[1].ip, "127.0.0.1")
  local host, service = await(neap.getnameinfo(found[1], { "numerichost", "numericserv" }))
  same(host .. service, "127.0.0.180")
  local asking = neap.create_task(neap.getaddrinfo("127.0.0.1", 80))
  local telling = neap.create_task(neap.getnameinfo({ "127.0.0.1" }, "numerichost"))
  await(neap.sleep(0))
  asking:cancel()
  telling:cancel()
  await(neap.wait({ asking, telling }))
end

local function race(neap, await)
  local server <close> = await(neap.start_server(function(stream) pcall(await, stream:read "a") end, "127.0.0.1", 0))
  local port = server:getsockname().port
  local list = { "127.0.0.2", "::1", "127.0.0.1" }
  for _, delay in ipairs { 0, 0.5 } do
    local connect = neap.open_connection(list, port, { happy_eyeballs_delay = delay })
    local stream <close> = await(neap.wait_for(connect, 5))
    same(stream:get_extra_info("peername").ip, "127.0.0.1")
    local cancelled = neap.create_task(connect)
    await(neap.sleep(0))
    cancelled:cancel()
    await(neap.wait({ cancelled }))
  end
  local ok, err = pcall(await, neap.open_connection({ "127.0.0.2", "::1" }, port))
  same(ok, false)
  if not neap.is(err, neap.ConnectionRefusedError) then error(err, 0) end
  if #err.attempts ~= 2 then error(err, 0) end
end

local function servers(neap, await)
  local server <close> = await(neap.start_server(function(stream) await(stream:read "a") end,
    { "127.0.0.1", "localhost", "127.0.0.3" }, 0, { max_connections = 1 }))
  same(#server:sockets() >= 2, true)
  local port = server:getsockname().port
  local one <close> = await(neap.wait_for(neap.open_connection("127.0.0.1", port), 5))
  local _ <close> = await(neap.wait_for(neap.open_connection("127.0.0.3", port), 5))
  neap.timeout(5, function()
    while server:connections() + server:accept_errors() < 1 do await(neap.sleep(0.001)) end
  end)
  one:close()
  await(neap.wait_for(server:shutdown(0.001), 5))
  same(#neap.listen_fds(), 0)
end

function M.add(sections)
  sections[#sections + 1] = { "names", in_loop(names) }
  sections[#sections + 1] = { "several addresses", in_loop(race) }
  sections[#sections + 1] = { "servers that last", in_loop(servers) }
end

return M
