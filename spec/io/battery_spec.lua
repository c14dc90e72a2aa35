-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local probe = require "spec.probe"
local battery = assert(loadfile("spec/io/battery.lua", "t", _ENV))()
local await = neap.await

-- Two ends of a connection to a server; connect(server) gives one, the handler the other.
local function through(server, connect, accepted, done)
  local w = connect(server)
  local r = await(accepted)
  return r, w, function()
    done:set_result()
    server:close()
    await(server:wait_closed())
  end
end

local function handler()
  local accepted, done = neap.Future(), neap.Future()
  return function(stream)
    accepted:set_result(stream)
    await(done)
  end, accepted, done
end

battery("A TCP connection", { duplex = true, half = true, fragile = true, open = function(options)
  local handle, accepted, done = handler()
  local server = await(neap.start_server(handle, "127.0.0.1", 0, options))
  return through(server, function()
    return await(neap.open_connection("127.0.0.1", server:getsockname().port, options))
  end, accepted, done)
end })

battery("A Unix connection", { duplex = true, half = true, fragile = true, open = function(options)
  local handle, accepted, done = handler()
  local path = os.tmpname()
  os.remove(path)
  local server = await(neap.start_unix_server(handle, path, options))
  return through(server, function() return await(neap.open_unix_connection(path, options)) end, accepted, done)
end })

battery("A pair of sockets", { duplex = true, half = true, fragile = true, open = neap.socketpair })

battery("A pipe", { half = true, fragile = true, open = neap.pipe })

local function has_terminals()
  local ok, master, slave = pcall(probe.openpty)
  if ok then uv.fs_close(master) uv.fs_close(slave) end
  return ok
end

-- The slave writes to the master: what a program in a terminal prints.
local terminal = { duplex = true, much = 100000, open = function(options)
  local master, slave = probe.openpty()
  local r, w = neap.open_fd(master, options), neap.open_fd(slave, options)
  w:set_tty_mode "raw"
  return r, w
end }

if has_terminals() then
  battery("A pseudo-terminal", terminal)
else
  describe("A pseudo-terminal", function() pending "there is none here" end)
end

-- `cat` stands between the two ends.
battery("The pipes of a process", { half = true, fragile = true, open = function(options)
  local process = await(neap.create_subprocess_exec({ "cat" }, {
    stdin = "pipe", stdout = "pipe", limit = options and options.limit,
  }))
  return process.stdout, process.stdin, function()
    process:kill()
    await(process:wait())
    neap.await(neap.sleep(0))
  end
end })
