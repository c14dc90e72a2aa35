-- SPDX-License-Identifier: MIT
-- Listening sockets that somebody else has made.
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local neap = require "neap"
local pair = require "spec.io.pair"
local uv = require "luv"
local await, raises = neap.await, pair.raises

local function run(fn)
  return function() loop.run(fn, { clock = "real" }) end
end

local function echo(stream)
  pcall(function()
    for line in stream:lines "L" do await(stream:write(line)) end
  end)
end

local function start(handler, options, host)
  return await(neap.start_server(handler, host or "127.0.0.1", 0, options))
end

local function connect(server, i)
  local address = server:sockets()[i or 1]
  return await(neap.open_connection(address.ip, address.port))
end

local function answers(stream)
  await(stream:write "x\n")
  return await(stream:readline()) == "x\n"
end

describe("An inherited socket", function()
  it("must be one", run(function()
    raises(neap.OSError, neap.start_server(echo, { fd = 9999 }), "EBADF")
    raises(neap.OSError, neap.start_server(echo, { fd = 0 }), "ENOTSOCK")
    local udp = uv.new_udp()
    udp:bind("127.0.0.1", 0)
    local err = raises(neap.OSError, neap.start_server(echo, { fd = udp:fileno() }), "EPROTOTYPE")
    assert.matches("listen on descriptor " .. udp:fileno(), err.message, 1, true)
    udp:close()
    local server <close> = start(echo)
    local client = connect(server)
    raises(neap.OSError, neap.start_server(echo, { fd = client:get_extra_info "socket" }))
    assert.is_true(answers(client)) -- it is still its owner's
    client:close()
  end))

  it("is what this process was started with, and only this", function()
    local out = child.output([[
      local neap = require "neap"
      print(#neap.listen_fds())
    ]], { env = { LISTEN_PID = "1", LISTEN_FDS = "2" } })
    assert.equal("0\n", out)
    for _, count in ipairs { "", "x", "-1", "1x" } do
      local env = { LISTEN_PID = "1", LISTEN_FDS = count }
      assert.equal("0\n", child.output("print(#require('neap').listen_fds())", { env = env }))
    end
  end)

  it("comes with the connections that wait in it", run(function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write [[
      local neap = require "neap"
      local await = neap.await
      local fds = neap.listen_fds()
      assert(#fds == 3 and fds[1].fd == 3 and fds[3].fd == 5, "not three")
      neap.run(function()
        local left, servers, done = 3, {}, neap.Event()
        for i, inherited in ipairs(fds) do
          servers[i] = await(neap.start_server(function(stream)
            await(stream:write(inherited.name, " ", await(stream:read "L")))
            left = left - 1
            if left == 0 then done:set() end
          end, inherited, nil, { max_connections = 1 }))
        end
        local path = servers[3]:getsockname()
        assert(servers[3]:sockets()[1].path == path and tostring(servers[3]):find(path, 1, true))
        await(neap.wait_for(done:wait(), 30))
        for i = 1, 3 do await(servers[i]:shutdown(5)) end
      end)
      local ok, problem = pcall(neap.listen_fds)
      assert(not ok and problem.code == "EBADF", "they are still open")
    ]]
    file:close()
    -- Servers that have all they may have: who comes waits in the backlog.
    local path = os.tmpname()
    os.remove(path)
    local full = { max_connections = 1 }
    local servers = { start(echo, full), start(echo, full), await(neap.start_unix_server(echo, path, full)) }
    local function come(i)
      if i == 3 then return await(neap.open_unix_connection(path)) end
      return connect(servers[i])
    end
    local first, clients, exit = {}, {}, neap.Future()
    local stdio = { nil, nil, 2 }
    for i = 1, 3 do
      first[i] = come(i)
      assert.is_true(answers(first[i]))
      clients[i] = come(i)
      await(clients[i]:write(i, "\n"))
      stdio[3 + i] = servers[i]:sockets()[1].fd
    end
    local command = "LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:admin exec lua5.4 " .. script
    local process = uv.spawn("sh", { args = { "-c", command }, stdio = stdio },
      function(code) exit:set_result(code) end)
    for i, expected in ipairs { "web 1", "admin 2", "unknown 3" } do
      assert.equal(expected, await(neap.wait_for(clients[i]:read "l", 30)))
    end
    assert.equal(0, await(exit))
    assert.is_truthy(uv.fs_lstat(path)) -- whose server is still there
    process:close()
    for i = 1, 3 do
      first[i]:abort()
      clients[i]:abort()
      await(servers[i]:shutdown())
    end
    os.remove(script)
  end))

  it("is refused at once if it makes no sense", function()
    local function bad(pattern, ...)
      local ok, err = pcall(neap.start_server, ...)
      assert.is_false(ok)
      assert.matches(pattern, tostring(err))
    end
    bad("#2.*'fd': a descriptor", echo, { fd = -1 })
    bad("#2.*'fd': a descriptor", echo, { fd = 1.5 })
    bad("#2.*'fd': a descriptor", echo, { fd = "3" })
    bad("#3.*has its port", echo, { fd = 3 }, 80)
    bad("#2.*list of hosts is empty", echo, {}, 0)
    bad("#2.*element 2: a host", echo, { "a", 5 }, 0)
    bad("#2.*element 1: a host", echo, { "" }, 0)
    bad("#2.*element 1: a host", echo, { "a\0b" }, 0)
    bad("'max_connections': integer, at least 1", echo, nil, 0, { max_connections = 0 })
    bad("'reuse_port': boolean", echo, nil, 0, { reuse_port = 1 })
  end)
end)
