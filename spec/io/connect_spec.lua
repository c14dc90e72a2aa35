-- SPDX-License-Identifier: MIT
local loop = require "spec.support.loop"
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
  pcall(function()
    for line in stream:lines("L") do await(stream:write(line)) end
  end)
end

-- A port of 127.0.0.1 that nobody listens on.
local function free_port()
  local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
  local port = server:getsockname().port
  server:close()
  await(server:wait_closed())
  return port
end

describe("open_connection", function()
  it("connects to a numeric address", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
    await(stream:write("hello\n"))
    assert.equal("hello", await(stream:read("l")))
    assert.same(server:getsockname(), stream:get_extra_info("peername"))
  end))

  it("resolves a name", run(function()
    local server <close> = await(neap.start_server(echo, nil, 0))
    local stream <close> = await(neap.open_connection("localhost", server:getsockname().port))
    await(stream:write("hello\n"))
    assert.equal("hello", await(stream:read("l")))
  end))

  it("binds a local address", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local port = free_port()
    for _, address in ipairs { { "127.0.0.1", port }, { ip = "127.0.0.1" } } do
      local peer = server:getsockname().port
      local stream <close> = await(neap.open_connection("127.0.0.1", peer, { local_addr = address }))
      local own = stream:get_extra_info("sockname")
      assert.equal("127.0.0.1", own.ip)
      if address[2] then assert.equal(port, own.port) end
      stream:abort()
      await(stream:wait_closed())
    end
  end))

  it("can be awaited again for another connection", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local connect = neap.open_connection("127.0.0.1", server:getsockname().port)
    local one <close> = await(connect)
    local other <close> = await(connect)
    assert.not_equal(one, other)
  end))

  it("takes the limit", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local port = server:getsockname().port
    local stream <close> = await(neap.open_connection("127.0.0.1", port, { limit = 10, nodelay = false }))
    stream:write(("x"):rep(20), "\n")
    raises(neap.LimitOverrunError, stream:readline())
  end))

  it("raises what the peer's machine says", run(function()
    local port = free_port()
    local err = raises(neap.ConnectionRefusedError, neap.open_connection("127.0.0.1", port), "ECONNREFUSED")
    assert.matches("connect to 127.0.0.1:" .. port, err.message, 1, true)
    raises(neap.ConnectionRefusedError, neap.open_connection("localhost", port), "ECONNREFUSED")
  end))

  it("raises ResolveError for a host that does not exist", run(function()
    local err = raises(neap.ResolveError, neap.open_connection("no.such.host.invalid", 80))
    assert.matches("resolve no.such.host.invalid", err.message, 1, true)
    assert.matches("^EAI_", err.code)
    raises(neap.OSError, neap.open_connection(("x"):rep(300), 80))
  end))

  it("raises when the local address cannot be bound", run(function()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    local port = server:getsockname().port
    local ok, err = pcall(await, neap.open_connection("127.0.0.1", port, { local_addr = { "127.0.0.1", port } }))
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.OSError))
  end))

  it("can be cancelled while it connects", run(function()
    local before = loop.lasting_descriptors()
    local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
    for steps = 0, 6 do
      local task = neap.create_task(function()
        local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        await(neap.Future())
        return stream
      end)
      turn(steps)
      task:cancel()
      raises(neap.CancelledError, task)
    end
    server:close()
    await(server:wait_closed())
    assert.is_true(loop.closed(before))
  end))

  it("can be cancelled while it resolves", run(function()
    for steps = 0, 3 do
      local task = neap.create_task(function() await(neap.open_connection("localhost", 1)) end)
      turn(steps)
      task:cancel()
      raises(neap.CancelledError, task)
    end
    raises(neap.ConnectionRefusedError, neap.open_connection("localhost", 1))
  end))

  it("leaves nothing open when it fails", run(function()
    local port = free_port()
    local before = loop.lasting_descriptors()
    for _ = 1, 20 do pcall(await, neap.open_connection("127.0.0.1", port)) end
    turn()
    assert.is_true(loop.closed(before))
  end))

  it("can be left behind by run", function()
    neap.run(function()
      neap.create_task(function() pcall(await, neap.open_connection("localhost", 1)) end)
      neap.create_task(function() pcall(await, neap.open_connection("127.0.0.1", 1)) end)
      turn(2)
    end)
  end)

  it("refuses what makes no sense, at once", function()
    local function bad(pattern, ...)
      local ok, err = pcall(neap.open_connection, ...)
      assert.is_false(ok)
      assert.matches(pattern, tostring(err))
    end
    bad("#1.*host, a string, expected, got nil")
    bad("#1.*host, a string, expected, got number", 5, 80)
    bad("host is empty", "", 80)
    bad("zero byte", "a\0b", 80)
    bad("#2.*port, an integer from 1 to 65535, expected, got nil", "localhost", nil)
    bad("got 0", "localhost", 0)
    bad("got %-1", "localhost", -1)
    bad("got 65536", "localhost", 65536)
    bad("got 80.5", "localhost", 80.5)
    bad("got string", "localhost", "80")
    bad("nan", "localhost", 0 / 0)
    bad("#3.*table expected", "localhost", 80, 5)
    bad("'limit': integer", "localhost", 80, { limit = "x" })
    bad("'limit': integer", "localhost", 80, { limit = 0 })
    bad("'nodelay': boolean", "localhost", 80, { nodelay = 1 })
    bad("'local_addr': a table", "localhost", 80, { local_addr = "x" })
    bad("'local_addr': a numeric ip", "localhost", 80, { local_addr = { "localhost" } })
    bad("'local_addr': a numeric ip", "localhost", 80, { local_addr = { "127.0.0.1", 65536 } })
  end)
end)
