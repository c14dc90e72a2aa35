-- SPDX-License-Identifier: MIT
local neap = require "neap"
local await = neap.await

local function run(fn)
  return function() neap.run(fn) end
end

local function turn(n)
  for _ = 1, n or 5 do await(neap.sleep(0)) end
end

local function raises(class, awaitable, code)
  local ok, err = pcall(await, awaitable)
  assert.is_false(ok)
  assert.is_true(neap.is(err, class), tostring(err))
  if code then assert.equal(code, err.code) end
  return err
end

local function echo(stream)
  while true do
    local data = await(stream:read(65536))
    if not data then return end
    await(stream:write(data))
  end
end

local function connect(server, options)
  return await(neap.open_connection("127.0.0.1", server:getsockname().port, options))
end

describe("Server", function()
  it("runs a task for each connection", run(function()
    local tasks = {}
    local server <close> = await(neap.start_server(function(stream)
      tasks[neap.current_task()] = true
      echo(stream)
    end, "127.0.0.1", 0))
    local one <close> = connect(server)
    local other <close> = connect(server)
    await(one:write("1"))
    await(other:write("2"))
    assert.equal("2", await(other:read(10)))
    assert.equal("1", await(one:read(10)))
    local n = 0
    for _ in pairs(tasks) do n = n + 1 end
    assert.equal(2, n)
  end))

  it("serves 200 connections at once", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0, { backlog = 256 }))
    local clients = {}
    for i = 1, 200 do
      clients[i] = neap.create_task(function()
        local stream <close> = connect(server)
        local sum = 0
        for round = 1, 5 do
          await(stream:write(("%d:%d\n"):format(i, round)))
          local line = await(stream:read("l"))
          if line == ("%d:%d"):format(i, round) then sum = sum + 1 end
        end
        return sum
      end)
    end
    for i = 1, 200 do assert.equal(5, await(clients[i])) end
    server:close()
    await(server:wait_closed())
  end))

  it("aborts a connection whose handler is cancelled before it begins", run(function()
    local begun, cancelled
    local server <close> = await(neap.start_server(function() begun = true end, "127.0.0.1", 0))
    local main, hunter = neap.current_task(), nil
    local function hunt()
      while not begun and not cancelled do
        for _, task in ipairs(neap.all_tasks()) do
          if task ~= main and task ~= hunter then cancelled = task:cancel() end
        end
        await(neap.sleep(0))
      end
    end
    collectgarbage "stop"
    repeat -- with ties in random order it may come too late
      begun, hunter = false, neap.create_task(hunt)
      local stream <close> = connect(server)
      neap.timeout(10, function()
        local _, got = neap.pcall(await, stream:read(1))
        assert.is_true(got == nil or neap.is(got, neap.ConnectionResetError)) -- nil: it was collected, under stress
      end)
      await(hunter)
    until cancelled
    collectgarbage "restart"
    assert.is_false(begun)
  end))

  it("takes an async function as the handler", run(function()
    local server <close> = await(neap.start_server(neap.async(echo), "127.0.0.1", 0))
    local stream <close> = connect(server)
    await(stream:write("x"))
    assert.equal("x", await(stream:read(1)))
  end))

  it("closes the stream when the handler returns", run(function()
    local kept
    local server <close> = await(neap.start_server(function(stream)
      kept = stream
      stream:write("bye")
    end, "127.0.0.1", 0))
    local stream <close> = connect(server)
    assert.equal("bye", await(stream:read("a")))
    assert.is_true(kept:is_closing())
    await(kept:wait_closed())
  end))

  it("reports a handler's error and aborts the stream", run(function()
    local reports = {}
    neap.set_exception_handler(function(context) reports[#reports + 1] = context end)
    local server <close> = await(neap.start_server(function(stream)
      await(stream:read(1))
      error("broken handler")
    end, "127.0.0.1", 0))
    local stream <close> = connect(server)
    stream:write("x")
    raises(neap.ConnectionResetError, stream:read(1), "ECONNRESET")
    assert.equal(1, #reports)
    assert.matches("broken handler", reports[1].exception)
    assert.matches("handler of a connection", reports[1].message)
    assert.matches("server_spec.lua", reports[1].traceback)
    assert.is_true(neap.is(reports[1].stream, neap.Stream))
    assert.is_true(neap.is(reports[1].task, neap.Task))
    local again <close> = connect(server)
    again:write("x")
    raises(neap.ConnectionResetError, again:read(1))
  end))

  it("gives the handler the context in which it was started", run(function()
    local var = neap.ContextVar("var", { default = "none" })
    var:set("started")
    local starting = neap.create_task(function()
      return await(neap.start_server(function(stream) await(stream:write(var:get())) end, "127.0.0.1", 0))
    end)
    var:set("later")
    local server <close> = await(starting)
    local stream <close> = connect(server)
    assert.equal("started", await(stream:read("a")))
  end))

  it("tells its address", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local address = server:getsockname()
    assert.equal("127.0.0.1", address.ip)
    assert.equal("inet", address.family)
    assert.is_true(address.port > 0)
    assert.equal(("neap.Server (listening on 127.0.0.1:%d)"):format(address.port), tostring(server))
    assert.is_true(server:is_serving())
    server:close()
    assert.is_false(server:is_serving())
    assert.is_nil(server:getsockname())
    assert.equal("neap.Server (closed)", tostring(server))
    await(server:wait_closed())
  end))

  it("listens on all addresses without a host", run(function()
    for _, host in ipairs { "", false } do
      local server <close> = await(neap.start_server(echo, host or nil, 0))
      local stream <close> = connect(server)
      await(stream:write("x"))
      assert.equal("x", await(stream:read(1)))
    end
  end))

  it("listens on all addresses of a name, on one port", run(function()
    local server <close> = await(neap.start_server(echo, "localhost", 0))
    local stream <close> = await(neap.open_connection("localhost", server:getsockname().port))
    await(stream:write("x"))
    assert.equal("x", await(stream:read(1)))
  end))

  it("raises when the port is in use", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local port = server:getsockname().port
    local err = raises(neap.OSError, neap.start_server(echo, "127.0.0.1", port), "EADDRINUSE")
    assert.matches("listen on 127.0.0.1:" .. port, err.message, 1, true)
    server:close()
    await(server:wait_closed())
    local again <close> = await(neap.start_server(echo, "127.0.0.1", port))
    assert.equal(port, again:getsockname().port)
  end))

  it("can share a port", run(function()
    local one <close> = await(neap.start_server(echo, "127.0.0.1", 0, { reuse_port = true }))
    local other <close> = await(neap.start_server(echo, "127.0.0.1", one:getsockname().port, { reuse_port = true }))
    assert.same(one:getsockname(), other:getsockname())
  end))

  it("raises when the host is not ours or does not exist", run(function()
    raises(neap.OSError, neap.start_server(echo, "192.0.2.1", 0), "EADDRNOTAVAIL")
    raises(neap.ResolveError, neap.start_server(echo, "no.such.host.invalid", 0))
  end))

  it("goes on with its connections after close, and waits for them", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local port = server:getsockname().port
    local stream <close> = connect(server)
    await(stream:write("1"))
    assert.equal("1", await(stream:read(1)))
    server:close()
    server:close()
    local waiting = neap.create_task(function() await(server:wait_closed()) end)
    raises(neap.ConnectionRefusedError, neap.open_connection("127.0.0.1", port))
    await(stream:write("2"))
    assert.equal("2", await(stream:read(1)))
    assert.is_false(waiting:done())
    stream:close()
    await(waiting)
    await(server:wait_closed())
  end))

  it("can be cancelled in wait_closed", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local one = neap.create_task(function() await(server:wait_closed()) end)
    local other = neap.create_task(function() await(server:wait_closed()) end)
    turn()
    one:cancel()
    raises(neap.CancelledError, one)
    server:close()
    await(other)
  end))

  it("closes or aborts all its connections", run(function()
    for _, method in ipairs { "close_clients", "abort_clients" } do
      local failed = neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        await(stream:write("hello"))
        local _, err = pcall(await, stream:read(1))
        failed:set_result(err)
      end, "127.0.0.1", 0))
      local stream <close> = connect(server)
      assert.equal("hello", await(stream:readexactly(5)))
      server[method](server)
      assert.is_true(neap.is(await(failed), neap.ConnectionAbortedError))
      if method == "close_clients" then
        assert.is_nil(await(stream:read(1)))
      else
        raises(neap.ConnectionResetError, stream:read(1))
      end
      server:close()
      await(server:wait_closed())
    end
  end))

  it("reports nothing of handlers that read while their clients are dismissed", run(function()
    local reports = {}
    neap.set_exception_handler(function(context) reports[#reports + 1] = context.message end)
    for _, method in ipairs { "close_clients", "abort_clients" } do
      local server <close> = await(neap.start_server(function(stream) await(stream:read(1)) end, "127.0.0.1", 0))
      local stream <close> = connect(server)
      turn(5)
      server[method](server)
      pcall(await, stream:read(1))
      server:close()
      await(server:wait_closed())
    end
    assert.same({}, reports)
    local server <close> = await(neap.start_server(function() error "its own" end, "127.0.0.1", 0))
    local stream <close> = connect(server)
    pcall(await, stream:read(1))
    assert.equal(1, #reports)
  end))

  it("serves for ever until it is cancelled, then is closed", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local serving = neap.create_task(function() await(server:serve_forever()) end)
    turn()
    raises(neap.RuntimeError, server:serve_forever())
    local stream <close> = connect(server)
    await(stream:write("x"))
    assert.equal("x", await(stream:read(1)))
    serving:cancel("enough")
    turn()
    assert.is_false(server:is_serving())
    assert.is_false(serving:done())
    stream:close()
    local err = raises(neap.CancelledError, serving)
    assert.equal("enough", err.message)
    assert.is_true(serving:cancelled())
    raises(neap.RuntimeError, server:serve_forever())
  end))

  it("ends serve_forever when it is closed, as asyncio by cancelling it", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local serving = neap.create_task(function() await(server:serve_forever()) end)
    turn()
    server:close()
    raises(neap.CancelledError, serving)
  end))

  it("stays while it listens, even if nobody refers to it", run(function()
    local port = await(neap.start_server(echo, "127.0.0.1", 0)):getsockname().port
    collectgarbage()
    collectgarbage()
    local stream <close> = await(neap.open_connection("127.0.0.1", port))
    await(stream:write("x"))
    collectgarbage()
    assert.equal("x", await(stream:read(1)))
  end))

  it("ends with run", function()
    local port, kept
    neap.run(function()
      kept = await(neap.start_server(echo, "127.0.0.1", 0))
      port = kept:getsockname().port
    end)
    assert.is_false(kept:is_serving())
    neap.run(function() raises(neap.ConnectionRefusedError, neap.open_connection("127.0.0.1", port)) end)
  end)

  it("closes connections whose handler is cancelled", run(function()
    local handler
    local server <close> = await(neap.start_server(function(stream)
      handler = neap.current_task()
      stream:write("x")
      echo(stream)
    end, "127.0.0.1", 0))
    local stream <close> = connect(server)
    assert.equal("x", await(stream:read(1)))
    handler:cancel()
    assert.is_nil(await(stream:read(1)))
    assert.is_true(handler:cancelled())
  end))

  it("accepts again after descriptors ran out, and never spins", function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write([[
      local neap = require "neap"
      local await = neap.await
      neap.run(function()
        local server = await(neap.start_server(function(stream)
          for line in stream:lines("L") do await(stream:write(line)) end
        end, "127.0.0.1", 0, { backlog = 256 }))
        print(("%d %d"):format(require "luv".os_getpid(), server:getsockname().port))
        io.stdout:flush()
        await(server:serve_forever())
      end)
    ]])
    file:close()
    local child = assert(io.popen("exec 2>/dev/null; ulimit -n 40; timeout 60 lua5.4 " .. script))
    local pid, port = child:read("n", "n")
    assert.is_truthy(port)
    local answered = 0
    neap.run(function()
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = neap.create_task(function()
          local stream <close> = await(neap.open_connection("127.0.0.1", port))
          await(stream:write("x\n"))
          assert(await(stream:readline()) == "x\n")
          answered = answered + 1
          while answered < 20 do await(neap.sleep(0.01)) end
        end)
      end
      for i = 1, 100 do await(tasks[i]) end
    end)
    assert.equal(100, answered)
    local stat = assert(io.open(("/proc/%d/stat"):format(pid)))
    local user, system = stat:read("a"):match("%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
    stat:close()
    os.execute(("kill %d"):format(pid))
    child:close()
    os.remove(script)
    assert.is_true(tonumber(user) + tonumber(system) < 100, "it spun") -- ticks of 10 ms
  end)

  it("refuses what makes no sense, at once", function()
    local function bad(pattern, ...)
      local ok, err = pcall(neap.start_server, ...)
      assert.is_false(ok)
      assert.matches(pattern, tostring(err))
    end
    bad("#1.*function expected, got nil")
    bad("#1.*function expected, got table", {}, "127.0.0.1", 0)
    bad("#2.*host, a string, expected, got number", echo, 5, 80)
    bad("#3.*port, an integer from 0 to 65535, expected, got nil", echo, nil, nil)
    bad("got %-1", echo, nil, -1)
    bad("got 65536", echo, nil, 65536)
    bad("'backlog': integer", echo, nil, 0, { backlog = 0 })
    bad("'reuse_port': boolean", echo, nil, 0, { reuse_port = 1 })
    bad("table expected", echo, nil, 0, "x")
    assert.has_error(function() neap.Server() end)
  end)
end)
