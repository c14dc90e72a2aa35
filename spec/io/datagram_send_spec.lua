-- SPDX-License-Identifier: MIT
local loop = require "spec.support.loop"
local neap = require "neap"
local pair = dofile "spec/io/pair.lua"
local udp_pair = dofile "spec/io/udp_pair.lua"
local await, open = neap.await, neap.open_datagram
local fails, raises, started, turn = pair.fails, pair.raises, pair.started, pair.turn
local run, with_pair, misuse = udp_pair.run, udp_pair.with_pair, udp_pair.misuse
local narrow, LOCAL = udp_pair.narrow, udp_pair.LOCAL

describe("Datagram, sending,", function()
  it("checks its arguments", with_pair(function(server, client)
    assert.matches("#2 .-string or number expected", misuse(server.send, server))
    assert.matches("string or number expected", misuse(server.send, server, {}, LOCAL, 5))
    assert.matches("host, a string, expected, got no", misuse(server.send, server, "x"))
    assert.matches("the host is empty", misuse(server.send, server, "x", "", 5))
    assert.matches("zero byte", misuse(server.send, server, "x", "a\0", 5))
    assert.matches("port, an integer from 1 to 65535, expected", misuse(server.send, server, "x", LOCAL, 0))
    assert.matches("port, an integer from 1 to 65535, expected", misuse(server.send, server, "x", LOCAL))
    assert.matches("no host expected: the socket is connected", misuse(client.send, client, "x", LOCAL, 5))
    assert.matches("neap.Datagram expected, got nil", misuse(client.send, nil, "x"))
  end))

  it("sends at once, also if nobody awaits, and numbers too", with_pair(function(server, client)
    client:send "one"
    client:sendto(2)
    client:send ""
    assert.equal("one", (await(server:recv())))
    assert.equal("2", (await(server:recv())))
    assert.equal("", (await(server:recv())))
  end))

  it("tells where a datagram came from, and answers", with_pair(function(server, client)
    await(client:send "question")
    local data, host, port, size = await(server:recv())
    assert.same({ "question", LOCAL, client:getsockname().port }, { data, host, port })
    assert.is_nil(size)
    await(server:send("answer", host, port))
    data, host, port = await(client:recv())
    assert.same({ "answer", LOCAL, server:getsockname().port }, { data, host, port })
  end))

  it("resolves a name when it is awaited, once", with_pair(function(server, client)
    client:close()
    local socket <close> = await(open { local_addr = { LOCAL, 0 } })
    local port = server:getsockname().port
    local sent = socket:send("by name", "localhost", port)
    await(sent)
    assert.equal("by name", (await(server:recv())))
    raises(neap.ResolveError, socket:send("x", "no-such-host.invalid", port))
    local task = started(function() await(socket:send("x", "localhost", port)) end)
    task:cancel()
    pcall(await, task)
    local late = socket:send("x", "localhost", port)
    socket:close()
    raises(neap.ConnectionAbortedError, late)
  end))

  it("does not reach an address of another family", run(function()
    if not loop.has_ipv6() then return pending "there is no IPv6 here" end
    local four <close> = await(open { local_addr = { LOCAL, 0 } })
    assert.is_true(neap.is(fails(four:send("x", "::1", 5)), neap.OSError))
    local six <close> = await(open { local_addr = { "::1", 0 } })
    assert.is_true(neap.is(fails(six:send("x", LOCAL, 5)), neap.OSError))
  end))

  it("raises EMSGSIZE when it is awaited, and counts", with_pair(function(server, client)
    local sent = client:send(("x"):rep(70000))
    raises(neap.OSError, sent, "EMSGSIZE")
    client:send(("x"):rep(70000))
    assert.same({ 0, 2 }, { client:dropped() })
    client:send "small"
    assert.equal("small", (await(server:recv())))
  end))

  it("waits for room when it is awaited, in order, and cancelling that still sends", run(function()
    local a, b = narrow()
    local n, tasks = 400, {}
    for i = 1, n do
      local sent = a:send(i)
      tasks[i] = neap.create_task(function() await(sent) end)
    end
    turn(2)
    local parked = 0
    for i = 1, n do if not tasks[i]:done() then parked = parked + 1 end end
    assert.is_true(parked > 0 and parked < n)
    tasks[n]:cancel()
    assert.is_false((pcall(await, tasks[n])))
    for i = 1, n do assert.equal(tostring(i), (await(b:recv()))) end
    for i = 1, n - 1 do await(tasks[i]) end
    assert.same({ 0, 0 }, { a:dropped() })
    a:close()
    b:close()
    await(a:wait_closed())
    await(b:wait_closed())
  end))

  it("sends what is under way before it closes, unless it is aborted", run(function()
    local a, b = narrow()
    for i = 1, 400 do a:send(i) end
    a:close()
    assert.is_true(a:is_closing())
    raises(neap.ConnectionAbortedError, started(function() await(a:recv()) end))
    for i = 1, 400 do assert.equal(tostring(i), (await(b:recv()))) end
    await(a:wait_closed())
    b:close()
    a, b = narrow()
    for i = 1, 399 do a:send(i) end
    local waiting = started(function(sent) await(sent) end)
    pcall(await, waiting)
    local last = a:send(400)
    waiting = started(function() await(last) end)
    a:abort()
    raises(neap.OSError, waiting, "ECANCELED")
    raises(neap.OSError, last, "ECANCELED")
    b:close()
    await(a:wait_closed())
    await(b:wait_closed())
  end))
end)
