-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local udp_pair = dofile "spec/io/udp_pair.lua"
local await, open = neap.await, neap.open_datagram
local raises, started, turn = pair.raises, pair.started, pair.turn
local run, with_pair, misuse, LOCAL = udp_pair.run, udp_pair.with_pair, udp_pair.misuse, udp_pair.LOCAL

describe("open_datagram", function()
  it("refuses wrong options", function()
    local function refused(options, text) assert.matches("bad argument #1 .-" .. text, misuse(open, options)) end
    refused(5, "table expected")
    refused({ local_addr = "x" }, "field 'local_addr': a table {host, port} expected")
    refused({ local_addr = { LOCAL, -1 } }, "field 'local_addr': a port from 0 to 65535")
    refused({ local_addr = { LOCAL, 65536 } }, "field 'local_addr': a port")
    refused({ local_addr = { LOCAL, "53" } }, "field 'local_addr': a port")
    refused({ local_addr = { LOCAL, "x" } }, "field 'local_addr': a port")
    refused({ local_addr = { LOCAL, 0 / 0 } }, "field 'local_addr': a port")
    refused({ local_addr = { 5, 0 } }, "field 'local_addr': a host")
    refused({ local_addr = { "", 0 } }, "field 'local_addr': a host")
    refused({ local_addr = { "a\0b", 0 } }, "field 'local_addr': a host")
    refused({ remote_addr = { LOCAL, 0 } }, "field 'remote_addr': a port from 1 to 65535")
    refused({ remote_addr = { nil, 5 } }, "field 'remote_addr': a host")
    refused({ family = "unix" }, 'field \'family\': "inet" or "inet6"')
    refused({ family = 4 }, "field 'family'")
    refused({ limit = 0 }, "field 'limit': integer, at least 1")
    refused({ max_size = -1 }, "field 'max_size'")
    refused({ ttl = 256 }, "field 'ttl': at most 255")
    refused({ recv_buffer_size = 0 }, "field 'recv_buffer_size'")
    refused({ broadcast = 1 }, "field 'broadcast': boolean")
    refused({ reuse_port = "yes" }, "field 'reuse_port': boolean")
    refused({ fd = -1 }, "field 'fd'")
    refused({ fd = 3, local_addr = { LOCAL, 0 } }, "no address expected beside it")
  end)

  it("is bound to any address without one, of the family asked for", run(function()
    local a <close> = await(open())
    assert.equal("0.0.0.0", a:getsockname().ip)
    assert.is_true(a:getsockname().port > 0)
    assert.equal("inet", a:getsockname().family)
    local b <close> = await(open { family = "inet6" })
    assert.equal("::", b:getsockname().ip)
    local c <close> = await(open { local_addr = { port = 0 }, family = "inet" })
    assert.equal("0.0.0.0", c:getsockname().ip)
    assert.is_nil(c:get_extra_info "peername")
    assert.is_nil(c:get_extra_info "nonsense")
    assert.equal("d", c:get_extra_info("nonsense", "d"))
    assert.is_number(c:get_extra_info "socket")
    assert.matches("^neap.Datagram %(open, 0.0.0.0:%d+, 0 queued%)$", tostring(c))
  end))

  it("resolves names, of the family that both ends have", run(function()
    local a <close> = await(open { local_addr = { "localhost", 0 }, family = "inet" })
    assert.equal(LOCAL, a:getsockname().ip)
    local b <close> = await(open { remote_addr = { "localhost", a:getsockname().port }, local_addr = { LOCAL, 0 } })
    assert.same(a:getsockname(), b:get_extra_info "peername")
    assert.same(b:getsockname(), b:get_extra_info "sockname")
    assert.equal(LOCAL, b:getsockname().ip)
    await(b:send "x")
    assert.equal("x", (await(a:recv())))
    local c <close> = await(open { remote_addr = { host = LOCAL, port = a:getsockname().port } })
    assert.matches("^neap.Datagram %(open, 127.0.0.1:%d+ %-> 127.0.0.1:%d+, 0 queued%)$", tostring(c))
  end))

  it("raises what the system refuses, and what does not fit", run(function()
    local a <close> = await(open { local_addr = { LOCAL, 0 } })
    local err = raises(neap.OSError, open { local_addr = a:getsockname() }, "EADDRINUSE")
    assert.matches("bind 127.0.0.1:%d+: address already in use", err.message)
    raises(neap.ResolveError, open { local_addr = { "::1", 0 }, remote_addr = { LOCAL, 5 } })
    raises(neap.ResolveError, open { local_addr = { LOCAL, 0 }, family = "inet6" })
    raises(neap.ResolveError, open { remote_addr = { "no-such-host.invalid", 5 } })
    raises(neap.ResolveError, open { local_addr = { "no-such-host.invalid", 5 } })
    raises(neap.OSError, open { remote_addr = { "255.255.255.255", 5 } }) -- EACCES; ENETUNREACH without a network
    raises(neap.OSError, open { fd = 1000000 }, "EBADF")
    local fds = uv.socketpair()
    raises(neap.OSError, open { fd = fds[1] }, "EINVAL")
    uv.fs_close(fds[1])
    uv.fs_close(fds[2])
  end))

  it("shares a port with reuse_port", run(function()
    local a <close> = await(open { local_addr = { LOCAL, 0 }, reuse_port = true })
    local b <close> = await(open { local_addr = a:getsockname(), reuse_port = true })
    assert.equal(a:getsockname().port, b:getsockname().port)
  end))

  it("is cancelled while it resolves", run(function()
    local tasks = {}
    for i = 1, 4 do
      local field = i % 2 == 0 and "local_addr" or "remote_addr"
      tasks[i] = started(function() await(open { [field] = { "localhost", 9 } }) end)
      tasks[i]:cancel()
    end
    for i = 1, 4 do pcall(await, tasks[i]) end
  end))
end)

describe("Datagram", function()
  describe("errors of a connected socket", function()
    it("come with the next recv, once", with_pair(function(server, client)
      server:close()
      await(server:wait_closed())
      client:send "to nobody"
      raises(neap.ConnectionRefusedError, client:recv(), "ECONNREFUSED")
      assert.is_false((pcall(await, neap.wait_for(client:recv(), 0.001))))
    end))

    it("come with the next send, which does not send", with_pair(function(server, client)
      server:close()
      await(server:wait_closed())
      await(client:send "to nobody")
      for _ = 1, 1000 do
        local ok, err = pcall(await, client:send "again")
        if not ok then
          assert.is_true(neap.is(err, neap.ConnectionRefusedError))
          assert.equal(1, (select(2, client:dropped())))
          return
        end
        await(neap.sleep(0.001))
      end
      error "no error"
    end))

    it("wait for somebody to be told, while nobody receives", with_pair(function(server, client)
      pcall(await, neap.wait_for(client:recv(), 0.001)) -- it is watched from now on
      server:close()
      await(server:wait_closed())
      await(client:send "to nobody")
      await(neap.sleep(0.005))
      raises(neap.ConnectionRefusedError, client:send "x")
    end))
  end)

  describe("closing", function()
    it("wakes everybody, and later calls fail", with_pair(function(server)
      local receiver = started(function() await(server:recv()) end)
      local many = started(function() await(server:recv_many()) end)
      local closer = started(function() await(server:wait_closed()) end)
      server:close()
      server:close()
      server:abort()
      assert.is_true(server:is_closing())
      raises(neap.ConnectionAbortedError, receiver, "ECONNABORTED")
      raises(neap.ConnectionAbortedError, many, "ECONNABORTED")
      await(closer)
      raises(neap.ConnectionAbortedError, server:recv())
      for _, name in ipairs { "send", "set_ttl", "join" } do
        assert.is_true(neap.is(loop.failure(server[name], server, "x"), neap.ConnectionAbortedError), name)
      end
      assert.matches("closed", tostring(server))
      assert.is_nil(server:get_extra_info "socket")
      assert.is_true(server:getsockname().port > 0)
    end))

    it("is done by the collector, and told in debug mode", function()
      local reports = loop.run_reports(function()
        await(open())
        turn(2)
        collectgarbage()
        collectgarbage()
        await(neap.sleep(0.001))
      end, { clock = "real", debug = true })
      assert.equal(1, #reports)
      local told = "neap.Datagram %(open, .*%) was never closed %(made at .-datagram_spec.lua:%d+%)"
      assert.matches(told, reports[1].message)
    end)

    it("is done with the Lua state, whatever is under way", function()
      assert.equal("", child.output [[
        local neap, uv = require "neap", require "luv"
        local await = neap.await
        neap.run(function()
          local fds = uv.socketpair("dgram", nil, { nonblock = true }, { nonblock = true })
          local a, b = await(neap.open_datagram { fd = fds[1] }), await(neap.open_datagram { fd = fds[2] })
          for i = 1, 400 do a:send(i) end
          neap.create_task(function() await(a:send "x") end)
          local c = await(neap.open_datagram())
          neap.create_task(function() await(c:recv()) end)
          neap.create_task(function() await(c:send("x", "localhost", 9)) end)
          await(neap.sleep(0))
          os.exit(0, true)
        end)
      ]])
    end)

    it("leaves no descriptor open", run(function()
      local before = loop.lasting_descriptors()
      for _ = 1, 50 do
        local socket = await(open { local_addr = { LOCAL, 0 } })
        pcall(await, open { local_addr = socket:getsockname() })
        socket:close()
        await(socket:wait_closed())
      end
      assert.is_true(loop.closed(before))
    end))
  end)

  it("tells that descriptors have run out, and can be opened again when some are free", function()
    assert.equal("EMFILE\nusable\n", child.output([[
      local neap = require "neap"
      local await = neap.await
      neap.run(function()
        local sockets, ok, last = {}, nil, nil
        repeat
          ok, last = pcall(await, neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
          sockets[#sockets + 1] = last
        until not ok
        print(last.code)
        sockets[1]:close()
        await(sockets[1]:wait_closed())
        local socket = await(neap.open_datagram { remote_addr = sockets[2]:getsockname() })
        socket:send "usable"
        print((await(sockets[2]:recv())))
      end)
    ]], { first = "ulimit -n 40;" }))
  end)

  it("keeps the loop alive only while somebody waits: a deadlock is one", function()
    loop.run(function()
      local socket <close> = await(open { local_addr = { LOCAL, 0 } })
      assert.is_false((pcall(await, neap.wait_for(socket:recv(), 0.001))))
      socket:close()
      await(socket:wait_closed())
    end, { clock = "real" })
    local err = loop.failure(neap.run, function()
      local socket <close> = await(open { local_addr = { LOCAL, 0 } })
      pcall(await, neap.wait_for(socket:recv(), 0.001))
      await(neap.Future())
    end)
    assert.is_true(neap.is(err, neap.DeadlockError), tostring(err))
    loop.run(function()
      local socket <close> = await(open { local_addr = { LOCAL, 0 } })
      await(neap.sleep(1000))
      socket:send("x", LOCAL, socket:getsockname().port)
      assert.equal("x", (await(socket:recv())))
      socket:close()
      await(socket:wait_closed())
    end)
  end)
end)
