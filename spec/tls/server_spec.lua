-- SPDX-License-Identifier: MIT
-- Handshakes that fail, dawdle or are given up: each ends its own connection and nothing else.
local neap = require "neap"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await, started, turn = neap.await, pair.started, pair.turn
local dawdle = require "spec.support.loop".slow and 2 or 0.2 -- seconds; no good handshake takes so long

local function works(port)
  local stream <close> = await(neap.wait_for(neap.open_connection("127.0.0.1", port,
    { tls = pair.client_context(), server_hostname = "localhost" }), 10))
  stream:write "hello"
  assert.equal("hello", await(stream:readexactly(5)))
end

local function serve(fn, options, handler)
  return function()
    pair.with_server(handler or pair.echo, pair.merge({ tls = pair.server_context() }, options), fn)
  end
end

describe_tls("A server with TLS", function()
  it("tells the exception handler of a client that speaks something else", serve(function(port, reports)
    local stream <close> = await(neap.open_connection("127.0.0.1", port))
    stream:write "GET / HTTP/1.0\r\n\r\n"
    pair.until_(function() return #reports > 0 end)
    assert.equal("TLS handshake failed", reports[1].message)
    pair.is_a(neap.TLSError, reports[1].exception)
    assert.equal("HTTP_REQUEST", reports[1].exception.reason)
    assert.matches("^neap.Stream", tostring(reports[1].stream))
    pcall(await, stream:read "a")
    works(port)
    assert.equal(1, #reports)
  end))

  it("tells of a client that goes away", serve(function(port, reports)
    local stream = await(neap.open_connection("127.0.0.1", port))
    stream:close()
    pair.until_(function() return #reports > 0 end)
    pair.is_a(neap.TLSEOFError, reports[1].exception)
    assert.matches("in the handshake", reports[1].exception.message)
    stream = await(neap.open_connection("127.0.0.1", port))
    await(neap.sleep(0.005))
    stream:abort()
    pair.until_(function() return #reports > 1 end)
    pair.is_a(neap.ConnectionResetError, reports[2].exception)
    works(port)
  end))

  it("accepts others while a handshake dawdles, and gives it up in time", serve(function(port, reports)
    local slow <close> = await(neap.open_connection("127.0.0.1", port))
    slow:write "\x16"
    for _ = 1, 5 do works(port) end
    pair.until_(function() return #reports > 0 end)
    pair.is_a(neap.ConnectionAbortedError, reports[1].exception)
    assert.matches(("longer than %g seconds"):format(dawdle), reports[1].exception.message)
    assert.is_true(neap.is(select(2, pcall(await, slow:read "a")), neap.ConnectionResetError))
    works(port)
  end, { tls_handshake_timeout = dawdle }))

  it("gives a secure stream to its handler, and tells of its errors as ever", serve(function(port, reports)
    local stream <close> = await(neap.open_connection("127.0.0.1", port,
      { tls = pair.client_context(), server_hostname = "localhost" }))
    assert.is_true(neap.is(select(2, pcall(await, stream:read "a")), neap.ConnectionResetError))
    assert.equal("error in the handler of a connection", reports[1].message)
    assert.equal("oh no", reports[1].exception)
  end, nil, function() error("oh no", 0) end))

  it("awaits what its handler gives", serve(function(port)
    local stream <close> = await(neap.open_connection("127.0.0.1", port,
      { tls = pair.client_context(), server_hostname = "localhost" }))
    assert.equal("late", await(stream:read "a"))
  end, nil, neap.async(function(stream)
    await(neap.sleep(0.005))
    await(stream:write "late")
  end)))

  it("takes an object for a handler", serve(function(port)
    local stream <close> = await(neap.open_connection("127.0.0.1", port,
      { tls = pair.client_context(), server_hostname = "localhost" }))
    assert.equal("called", await(stream:read "a"))
  end, nil, setmetatable({}, { __call = function(_, stream) await(stream:write "called") end })))

  it("closes and aborts those in the handshake, too", serve(function(port, reports, server)
    for _, how in ipairs { "close_clients", "abort_clients" } do
      local slow <close> = await(neap.open_connection("127.0.0.1", port))
      slow:write "\x16"
      await(neap.sleep(0.01))
      server[how](server)
      pcall(await, neap.wait_for(slow:read "a", 5))
    end
    turn()
    assert.same({}, reports)
    works(port)
  end))

  it("ends with run, whatever is under way", function()
    neap.run(function()
      neap.set_exception_handler(function() end)
      local server = await(neap.start_server(pair.echo, "127.0.0.1", 0, { tls = pair.server_context() }))
      local port = server:getsockname().port
      local slow = await(neap.open_connection("127.0.0.1", port))
      slow:write "\x16"
      works(port)
      started(function()
        return await(neap.open_connection("127.0.0.1", port, { tls = pair.client_context(),
          server_hostname = "localhost" }))
      end)
    end)
    collectgarbage()
    collectgarbage()
  end)

  it("takes many connections at once", serve(function(port)
    local all = {}
    for i = 1, 100 do all[i] = neap.async(works)(port) end
    await(neap.gather(all))
  end))
end)

describe_tls("Connecting with TLS", function()
  local function silent(fn, handler)
    return function()
      pair.with_server(handler or function(stream) await(stream:read "a") end, {}, fn)
    end
  end
  local function open(port, options)
    return neap.open_connection("127.0.0.1", port,
      pair.merge({ tls = pair.client_context(), server_hostname = "localhost" }, options))
  end

  it("tells of options that nobody knows", function()
    local ok, problem = pcall(function() return (open(1, { lmit = 1 })) end)
    assert.is_false(ok)
    assert.matches("server_spec.-bad argument #3 to 'open_connection' %(field 'lmit' is unknown", problem)
  end)

  it("fails like connecting without", function()
    neap.run(function()
      local server = await(neap.start_server(pair.echo, "127.0.0.1", 0))
      local port = server:getsockname().port
      server:close()
      await(server:wait_closed())
      pair.is_a(neap.ConnectionRefusedError, pair.fails(open(port)))
    end)
  end)

  it("fails when the server says nothing for long", silent(function(port)
    local err = pair.fails(open(port, { tls_handshake_timeout = 0.02 }))
    pair.is_a(neap.ConnectionAbortedError, err)
    assert.equal("ECONNABORTED", err.code)
    assert.matches("longer than 0.02 seconds", err.message)
  end))

  it("fails when the server speaks something else", silent(function(port)
    local err = pair.fails(open(port))
    pair.is_a(neap.TLSError, err)
    assert.equal("WRONG_VERSION_NUMBER", err.reason)
    assert.matches("^handshake: ", err.message)
  end, function(stream)
    await(stream:write "220 a server of mail\r\n")
    pcall(await, stream:read "a")
  end))

  it("fails when the server goes away", silent(function(port)
    pair.is_a(neap.TLSEOFError, pair.fails(open(port)))
  end, function(stream) await(stream:read(10)) await(neap.sleep(0.002)) await(stream:read(1000)) end))

  it("fails when nothing is in common", serve(function(port, reports)
    local err = pair.fails(open(port, { tls = pair.client_context { maximum_version = "TLSv1.2" } }))
    assert.equal("TLSV1_ALERT_PROTOCOL_VERSION", err.reason)
    pair.until_(function() return #reports > 0 end)
    assert.equal("UNSUPPORTED_PROTOCOL", reports[1].exception.reason)
  end, { tls = neap.tls and not require "spec.support.certs".missing()
    and pair.server_context { minimum_version = "TLSv1.3" } or nil }))

  it("can be cancelled at every step, and closes the socket", silent(function(port, _, server)
    for turns = 0, 8 do
      local task = neap.create_task(open(port))
      turn(turns)
      task:cancel "enough"
      local err = pair.fails(task)
      pair.is_a(neap.CancelledError, err)
    end
    server:close()
    await(neap.wait_for(server:wait_closed(), 5)) -- all were closed by their clients
  end))

  it("obeys wait_for and timeout", silent(function(port)
    pair.is_a(neap.TimeoutError, pair.fails(neap.wait_for(open(port), 0.01)))
    assert.is_nil((neap.move_on_after(0.01, function() return await(open(port)) end)))
  end))

  it("needs the handshake's task no more when it is done", serve(function(port)
    local stream = await(neap.create_task(open(port)))
    stream:write "x"
    assert.equal("x", await(stream:read(1)))
    stream:close()
  end))
end)
