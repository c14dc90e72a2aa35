-- SPDX-License-Identifier: MIT
-- What can be set on a datagram socket; multicast and broadcast stay on the loopback interface.
local neap = require "neap"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await, open = neap.await, neap.open_datagram
local raises = pair.raises

local LOCAL, GROUP = "127.0.0.1", "239.255.77.77"

local function with_socket(fn, options)
  return function()
    loop.run(function()
      local socket <close> = await(open(options or { local_addr = { LOCAL, 0 } }))
      fn(socket)
      socket:close()
      await(socket:wait_closed())
    end, { clock = "real" })
  end
end

local function misuse(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

describe("The settings of a datagram socket", function()
  it("are checked", with_socket(function(socket)
    for _, name in ipairs { "set_ttl", "set_multicast_ttl" } do
      assert.matches("#2 .-number expected", misuse(socket[name], socket))
      assert.matches("hops from %d to 255", misuse(socket[name], socket, 256))
      assert.matches("hops from %d to 255", misuse(socket[name], socket, -1))
      assert.matches("#2 .-integer", misuse(socket[name], socket, 1.5))
    end
    assert.matches("hops from 1 to 255", misuse(socket.set_ttl, socket, 0))
    for _, name in ipairs { "set_broadcast", "set_multicast_loop" } do
      assert.matches("#2 .-boolean expected, got no value", misuse(socket[name], socket))
      assert.matches("#2 .-boolean expected", misuse(socket[name], socket, 1))
    end
    for _, name in ipairs { "join", "leave" } do
      assert.matches("#2 .-multicast address expected, got n", misuse(socket[name], socket))
      assert.matches("#2 .-multicast address expected", misuse(socket[name], socket, "name"))
      assert.matches("#3 .-address of an interface expected", misuse(socket[name], socket, GROUP, "eth0"))
      assert.matches("#4 .-address of a source expected", misuse(socket[name], socket, GROUP, nil, "x"))
    end
    assert.matches("#2 .-address of an interface", misuse(socket.set_multicast_interface, socket, "lo"))
  end))

  it("are set", with_socket(function(socket)
    socket:set_ttl(3)
    socket:set_multicast_ttl(0)
    socket:set_multicast_loop(false)
    socket:set_multicast_interface(LOCAL)
    socket:set_multicast_interface()
    socket:set_broadcast(true)
    socket:set_broadcast(false)
    local other <close> = await(open { ttl = 9, broadcast = true, recv_buffer_size = 8192, send_buffer_size = 8192 })
    assert.is_false(other:is_closing())
  end))

  it("are told from what the system refuses", with_socket(function(socket)
    local function code(method, ...) return (loop.failure(socket[method], socket, ...)).code end
    assert.equal("EINVAL", code("join", LOCAL))
    assert.equal("EADDRNOTAVAIL", code("leave", GROUP, LOCAL))
  end))
end)

describe("Broadcast", function()
  it("is refused until it is switched on", with_socket(function(socket)
    raises(neap.OSError, socket:send("x", "127.255.255.255", 9), "EACCES")
    socket:set_broadcast(true)
    local all <close> = await(open { broadcast = true })
    local port = all:getsockname().port
    await(socket:send("to all", "127.255.255.255", port))
    assert.equal("to all", (await(all:recv())))
  end))
end)

describe("A multicast group", function()
  local function member() return await(open { local_addr = { "0.0.0.0", 0 }, reuse_port = true }) end

  it("is heard while one is in it", function()
    loop.run(function()
      local one <close> = member()
      local port = one:getsockname().port
      local sender <close> = await(open { local_addr = { LOCAL, 0 } })
      sender:set_multicast_interface(LOCAL)
      sender:set_multicast_loop(true)
      local function heard()
        await(sender:send("mark", LOCAL, port)) -- comes after what was sent to the group, or in its place
        local data = await(one:recv())
        if data == "mark" then return false end
        assert.equal("mark", (await(one:recv())))
        return data
      end
      await(sender:send("before", GROUP, port))
      assert.is_false(heard())
      one:join(GROUP, LOCAL)
      await(sender:send("within", GROUP, port))
      assert.equal("within", heard())
      assert.equal("EADDRINUSE", loop.failure(one.join, one, GROUP, LOCAL).code)
      one:leave(GROUP, LOCAL)
      await(sender:send("after", GROUP, port))
      assert.is_false(heard())
      one:join(GROUP, LOCAL, LOCAL) -- of this source alone
      await(sender:send("from me", GROUP, port))
      assert.equal("from me", heard())
      one:leave(GROUP, LOCAL, LOCAL)
      one:close()
      sender:close()
      await(neap.gather(one:wait_closed(), sender:wait_closed()))
    end, { clock = "real" })
  end)
end)
