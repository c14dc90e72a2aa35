-- SPDX-License-Identifier: MIT
-- Servers that last: limits, ends, errors of accept.
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local neap = require "neap"
local pair = require "spec.io.pair"
local uv = require "luv"
local await, raises, turn = neap.await, pair.raises, pair.turn

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

describe("A server with max_connections", function()
  it("takes so many at once, and the others in their turn", run(function()
    local now, most, served, full = 0, 0, 0, neap.Event()
    local server <close> = start(function(stream)
      now = now + 1
      most = math.max(most, now)
      if now == 3 then full:set() end
      await(stream:read "l")
      await(full:wait())
      served, now = served + 1, now - 1
    end, { max_connections = 3 })
    local tasks = {}
    for i = 1, 30 do
      tasks[i] = neap.create_task(function()
        local stream <close> = connect(server)
        await(stream:write "go\n")
        assert.equal("", await(stream:read "a"))
      end)
    end
    await(neap.gather(table.unpack(tasks)))
    assert.equal(30, served)
    assert.equal(3, most)
  end))

  it("counts them", run(function()
    local server <close> = start(echo, { max_connections = 2 })
    local one, other = connect(server), connect(server)
    assert.is_true(answers(one) and answers(other))
    assert.equal(2, server:connections())
    local third = connect(server) -- in the backlog
    await(third:write "x\n")
    turn(20)
    assert.equal(2, server:connections())
    one:close()
    assert.equal("x\n", await(third:readline()))
    assert.equal(2, server:connections())
    other:abort()
    third:abort()
    while server:connections() > 0 do turn() end
    server:close()
    await(server:wait_closed())
  end))

  it("can be closed while it is full", run(function()
    local server = start(echo, { max_connections = 1 })
    local one, other = connect(server), connect(server)
    assert.is_true(answers(one))
    server:close()
    one:close()
    await(server:wait_closed())
    local ok, answered = pcall(answers, other)
    assert.is_false(ok and answered)
  end))

  it("shares the limit over all its addresses", run(function()
    local server <close> = start(echo, { max_connections = 1 }, { "127.0.0.1", "127.0.0.2" })
    local one = connect(server, 1)
    assert.is_true(answers(one))
    local other = connect(server, 2)
    await(other:write "y\n")
    turn(20)
    assert.equal(1, server:connections())
    one:close()
    assert.equal("y\n", await(other:readline()))
    other:close()
  end))
end)

describe("shutdown", function()
  it("lets connections finish", run(function()
    local server = start(function(stream) await(stream:write(await(stream:read "l"), "\n")) end)
    local stream <close> = connect(server)
    turn()
    local ending = neap.create_task(server:shutdown(3600))
    turn()
    assert.is_false(server:is_serving())
    raises(neap.ConnectionRefusedError, neap.open_connection("127.0.0.1", stream:get_extra_info("peername").port))
    assert.is_false(ending:done())
    await(stream:write "last\n")
    assert.equal("last", await(stream:read "l"))
    assert.equal(0, await(ending))
    assert.equal(0, await(server:shutdown(0)))
  end))

  it("aborts those that do not", run(function()
    local reports = {}
    neap.set_exception_handler(function(context) reports[#reports + 1] = context.message end)
    local failure
    local server = start(function(stream)
      local ok, err = pcall(await, stream:read "l")
      failure = not ok and err
      error(err, 0)
    end)
    local one, other = connect(server), connect(server)
    turn()
    assert.equal(2, await(server:shutdown(0.01)))
    assert.is_true(neap.is(failure, neap.ConnectionAbortedError))
    raises(neap.ConnectionResetError, one:read(1))
    raises(neap.ConnectionResetError, other:read(1))
    assert.same({}, reports)
  end))

  it("without a timeout waits", run(function()
    local server = start(echo)
    local stream = connect(server)
    assert.is_true(answers(stream))
    local ending = neap.create_task(server:shutdown())
    turn(20)
    assert.is_false(ending:done())
    stream:close()
    assert.equal(0, await(ending))
  end))

  it("ends at once without connections", run(function()
    assert.equal(0, await(start(echo):shutdown(3600)))
  end))

  it("that is cancelled aborts nobody", run(function()
    local server = start(echo)
    local stream = connect(server)
    assert.is_true(answers(stream))
    local ending = neap.create_task(server:shutdown(0.01))
    turn()
    ending:cancel()
    raises(neap.CancelledError, ending)
    await(neap.sleep(0.03))
    assert.is_true(answers(stream))
    assert.is_false(server:is_serving())
    local patient, hasty = neap.create_task(server:shutdown(3600)), neap.create_task(server:shutdown(0.01))
    assert.equal(1, await(hasty))
    assert.equal(0, await(patient))
  end))

  it("ends serve_forever", run(function()
    local server = start(echo)
    local serving = neap.create_task(server:serve_forever())
    turn()
    await(server:shutdown(1))
    raises(neap.CancelledError, serving)
  end))

  it("refuses what makes no sense, at once", run(function()
    local server <close> = start(echo)
    for _, timeout in ipairs { -1, 0 / 0, math.huge, "x" } do
      assert.has_error(function() server:shutdown(timeout) end)
    end
    assert.is_true(server:is_serving())
  end))
end)

describe("A server of several hosts", function()
  it("listens at each, on one port", run(function()
    local server <close> = start(echo, nil, { "127.0.0.1", "localhost", "::1", "127.0.0.2" })
    local sockets, ips = server:sockets(), {}
    for i, socket in ipairs(sockets) do
      assert.equal(sockets[1].port, socket.port)
      assert.is_true(socket.fd > 2)
      ips[socket.ip] = (ips[socket.ip] or 0) + 1
      local stream <close> = connect(server, i)
      assert.is_true(answers(stream))
    end
    assert.same({ ["127.0.0.1"] = 1, ["::1"] = loop.has_ipv6() and 1 or nil, ["127.0.0.2"] = 1 }, ips)
    server:close()
    assert.same({}, server:sockets())
    await(server:wait_closed())
  end))

  it("opens none when one cannot be resolved", run(function()
    local first = start(echo)
    local port = first:getsockname().port
    await(first:shutdown())
    raises(neap.ResolveError, neap.start_server(echo, { "127.0.0.2", "no.such.host.invalid" }, port))
    local server <close> = await(neap.start_server(echo, "127.0.0.2", port))
    assert.equal(port, server:getsockname().port)
  end))

  it("closes all when one cannot be listened at", run(function()
    local server <close> = start(echo, nil, "127.0.0.2")
    local port = server:getsockname().port
    raises(neap.OSError, neap.start_server(echo, { "127.0.0.1", "127.0.0.2" }, port), "EADDRINUSE")
    local again <close> = await(neap.start_server(echo, "127.0.0.1", port))
    assert.equal(port, again:getsockname().port)
  end))

  it("can be cancelled while it resolves", run(function()
    local starting = neap.start_server(echo, { "localhost", "localhost" }, 0)
    for steps = 0, 6 do
      local task = neap.create_task(starting)
      turn(steps)
      if task:cancel() then raises(neap.CancelledError, task) else await(task):close() end
    end
    await(starting):close()
  end))
end)

describe("A Unix server that lasts", function()
  local path
  before_each(function() path = os.tmpname() os.remove(path) end)

  it("has the same limit and the same end", run(function()
    local server = await(neap.start_unix_server(echo, path, { max_connections = 1 }))
    local sockets = server:sockets()
    assert.equal(path, sockets[1].path)
    assert.is_true(sockets[1].fd > 2)
    local one = await(neap.open_unix_connection(path))
    assert.is_true(answers(one))
    local other <close> = await(neap.open_unix_connection(path))
    await(other:write "y\n")
    turn(20)
    assert.equal(1, server:connections())
    one:close()
    assert.equal("y\n", await(other:readline()))
    assert.equal(1, await(server:shutdown(0.01)))
    assert.is_nil(uv.fs_lstat(path))
  end))
end)

describe("A server that cannot accept", function()
  it("pauses, tells and goes on; what ails one connection it passes over", function()
    local out = child.output([[
      local neap = require "neap"
      local uv = require "luv"
      local await = neap.await
      neap.run(function()
        local told = {}
        neap.set_exception_handler(function(context) told[#told + 1] = context.exception.code end)
        local servers, clients = {}, {}
        local function come(errors)
          local server = await(neap.start_server(function(stream)
            await(stream:write(await(stream:read "L")))
          end, "127.0.0.1", 0))
          uv.os_setenv("NEAP_ACCEPT", errors)
          local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
          await(stream:write "here\n")
          servers[#servers + 1], clients[#clients + 1] = server, stream
          while (uv.os_getenv "NEAP_ACCEPT"):find "%d" do await(neap.sleep(0.001)) end
          return server
        end
        assert(come "4 103 71 1 100 113":accept_errors() == 0) -- EINTR ECONNABORTED EPROTO EPERM ENETDOWN EHOSTUNREACH
        assert(#told == 0)
        for _, number in ipairs { "23", "105", "12", "22" } do assert(come(number):accept_errors() == 1) end
        for i, client in ipairs(clients) do
          assert(await(client:read "L") == "here\n")
          client:close()
          await(servers[i]:shutdown())
        end
        print(table.concat(told, " "))
      end)
    ]], { preload = "accept" })
    assert.equal("ENFILE ENOBUFS ENOMEM EINVAL\n", out)
  end)
end)

describe("A server without descriptors", function()
  it("tells it once, drops nobody, and goes on when there are some", function()
    local out = child.output([[
      local neap = require "neap"
      local uv = require "luv"
      local await = neap.await
      neap.run(function()
        local told = {}
        neap.set_exception_handler(function(context) told[#told + 1] = context end)
        local server = await(neap.start_server(function(stream)
          for line in stream:lines "L" do await(stream:write(line)) end
        end, "127.0.0.1", 0))
        local port = server:getsockname().port
        local clients, files = {}, {}
        local function connect() clients[#clients + 1] = await(neap.open_connection("127.0.0.1", port)) end
        for _ = 1, 5 do connect() end
        while server:connections() < 5 do await(neap.sleep(0)) end
        local fd, problem
        repeat
          fd, problem = uv.fs_open("/dev/null", "r", 0)
          files[#files + 1] = fd
        until not fd
        assert(problem:find "EMFILE", problem)
        uv.fs_close(table.remove(files))
        connect() -- with the last descriptor
        while #told == 0 do await(neap.sleep(0.01)) end
        assert(told[1].message:find "cannot accept")
        assert(told[1].exception.code == "EMFILE")
        assert(told[1].server == server)
        assert(server:connections() == 5)
        local ok, other = pcall(await, neap.open_connection("127.0.0.1", port))
        assert(not ok and other.code == "EMFILE", tostring(other))
        for _, file in ipairs(files) do uv.fs_close(file) end
        for i, stream in ipairs(clients) do
          await(stream:write(i, "\n"))
          assert(await(stream:readline()) == i .. "\n")
        end
        assert(#told == 1 and server:accept_errors() >= 1)
        for _, stream in ipairs(clients) do stream:abort() end
        await(server:shutdown(5))
        print "good"
      end)
    ]], { limit = 64 })
    assert.equal("good\n", out)
  end)
end)
