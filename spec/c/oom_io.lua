-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua: datagrams, signals, handlers of descriptors.
local M = {}

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

local function in_loop(body)
  return function()
    local neap = require "neap"
    neap.run(function() body(neap, neap.await, require "luv") end)
  end
end

-- A datagram that there was no memory for never comes.
local function within(neap, awaitable) return neap.await(neap.wait_for(awaitable, 0.5)) end

local function datagrams(neap)
  local await = neap.await
  local server <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 }, recv_buffer_size = 65536 })
  local port = server:getsockname().port
  local client <close> = await(neap.open_datagram { remote_addr = { "localhost", port }, family = "inet" })
  await(client:send "one")
  local data, host, from = within(neap, server:recv())
  same(data, "one")
  await(server:send("two", host, from))
  local _, next_one = client:iter()
  same((within(neap, next_one)), "two")
  for i = 1, 20 do await(client:send(i)) end
  local n = 0
  while n < 20 do n = n + within(neap, server:recv_many(30)).n end
  await(server:send("three", "localhost", from))
  same((within(neap, client:recv())), "three")
  same((pcall(await, client:send(("x"):rep(66000)))), false)
  if not tostring(client):find "127.0.0.1" then error "not enough memory" end
  local waiting = neap.create_task(function() return await(server:recv()) end)
  await(neap.sleep(0))
  server:close()
  same((pcall(await, waiting)), false)
  await(server:wait_closed())
end

local function narrow_datagrams(neap, await, uv)
  local fds = assert(uv.socketpair("dgram", nil, { nonblock = true }, { nonblock = true }))
  local a <close> = await(neap.open_datagram { fd = fds[1] })
  local b <close> = await(neap.open_datagram { fd = fds[2] })
  local last
  for i = 1, 300 do last = a:send(i) end
  local sender = neap.create_task(function() await(last) end)
  local lost = select(2, a:dropped())
  for _ = 1, 300 - lost do within(neap, b:recv()) end
  await(sender)
  if lost > 0 then error "not enough memory" end
end

-- Handlers fail too, and are called again: who waits for them must not wait for ever.
local function called(neap, what)
  for _ = 1, 20 do
    if what() then return end
    neap.await(neap.sleep(0.001))
  end
  error "not enough memory"
end

local function listening(neap, _, uv)
  local got
  neap.set_exception_handler(function() end)
  neap.add_signal_handler("USR1", function(value) got = value end, 1)
  local step, signals, _, closing = neap.signals("USR2", "USR1")
  local held <close> = closing
  neap.signals "HUP"
  uv.kill(uv.os_getpid(), "sigusr1")
  called(neap, function() return got == 1 end)
  same(step(signals), "USR1")
  same(neap.remove_signal_handler "USR1", true)
end

local function handlers(neap)
  local probe = require "spec.probe"
  local r, w = probe.pipe()
  local held <close> = setmetatable({}, { __close = function()
    neap.remove_reader(r)
    neap.remove_writer(w)
    probe.close_fd(r, w)
  end })
  local read, wrote
  neap.set_exception_handler(function() end)
  neap.add_reader(r, function()
    neap.remove_reader(r)
    read = probe.read(r)
  end)
  neap.add_writer(w, function()
    neap.remove_writer(w)
    wrote = probe.write(w, "x") or true
  end)
  called(neap, function() return read and wrote end)
  same(read, "x")
  neap.add_reader(r, error):cancel()
  local other, end_of_it = probe.pipe()
  neap.add_reader(other, error)
  probe.close_fd(other, end_of_it) -- which is told to the exception handler
  neap.await(neap.sleep(0.001))
end

local bodies = {
  { "datagrams", datagrams }, { "datagrams without room", narrow_datagrams }, { "signals", listening },
  { "handlers of descriptors", handlers },
}

-- The sections, appended to a list of them
function M.add(sections)
  for _, it in ipairs(bodies) do sections[#sections + 1] = { it[1], in_loop(it[2]) } end
end

return M
