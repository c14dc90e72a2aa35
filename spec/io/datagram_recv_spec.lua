-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local udp_pair = dofile "spec/io/udp_pair.lua"
local await, open = neap.await, neap.open_datagram
local started = pair.started
local run, with_pair, misuse, LOCAL = udp_pair.run, udp_pair.with_pair, udp_pair.misuse, udp_pair.LOCAL

describe("Datagram, receiving,", function()
  it("checks its arguments", with_pair(function(server)
    assert.matches("neap.Datagram expected", misuse(server.recv, 5))
    assert.matches("at least 1", misuse(server.recv_many, server, 0))
    assert.matches("number expected", misuse(server.recv_many, server, "x"))
  end))

  it("waits for a datagram", with_pair(function(server, client)
    local receiver = started(function() return (await(server:recv())) end)
    assert.is_false(receiver:done())
    assert.matches("^neap.Datagram:recv of neap.Datagram", receiver:waits_for())
    client:send "late"
    assert.equal("late", await(receiver))
    assert.equal(server:recv(), server:recv()) -- one operation, awaited again and again
  end))

  it("gives each datagram to one of those who wait, in the order they came", with_pair(function(server, client)
    local order, tasks = {}, {}
    for i = 1, 5 do
      tasks[i] = started(function()
        local data = await(server:recv())
        order[#order + 1] = i .. data
      end)
    end
    for _, letter in ipairs { "a", "b", "c", "d", "e" } do client:send(letter) end
    for i = 1, 5 do await(tasks[i]) end
    assert.same({ "1a", "2b", "3c", "4d", "5e" }, order)
  end))

  it("loses nothing when a receiver is cancelled, even as it is woken", with_pair(function(server, client)
    local first = started(function() return (await(server:recv())) end)
    local second = started(function() return (await(server:recv())) end)
    first:cancel()
    client:send "x"
    assert.is_false((pcall(await, first)))
    assert.equal("x", await(second))
    for _ = 1, 20 do
      first = started(function() return (await(server:recv())) end)
      client:send "y"
      neap.call_later(0, first.cancel, first)
      local ok, data = pcall(await, first)
      if not ok then data = await(server:recv()) end
      assert.equal("y", data)
    end
    assert.is_false((pcall(await, neap.wait_for(server:recv(), 0.001))))
    client:send "z"
    assert.equal("z", (await(server:recv())))
  end))

  it("iterates, until it is closed", with_pair(function(server, client)
    local got = {}
    local task = started(function()
      for data, host, port in server:iter() do
        got[#got + 1] = data
        assert.equal(LOCAL, host)
        assert.equal(client:getsockname().port, port)
      end
      return "ended"
    end)
    for i = 1, 3 do client:send(i) end
    for _ = 1, 1000 do
      if #got == 3 then break end
      await(neap.sleep(0.001))
    end
    server:close()
    assert.equal("ended", await(task))
    assert.same({ "1", "2", "3" }, got)
    for _ in server:iter() do error "closed" end
  end))

  it("gives many at once, at most so many", with_pair(function(server, client)
    for i = 1, 10 do client:send(i) end
    local some = await(server:recv_many(4))
    assert.equal(4, some.n)
    assert.same({ data = "1", host = LOCAL, port = client:getsockname().port }, some[1])
    local n = some.n
    while n < 10 do n = n + await(server:recv_many()).n end
    assert.equal(10, n)
    local waiting = started(function() return await(server:recv_many(1)) end)
    client:send "eleven"
    assert.equal("eleven", await(waiting)[1].data)
    client:send "twelve"
    assert.equal(1, await(server:recv_many(math.maxinteger)).n)
  end))

  it("tells the size of a datagram that was cut", with_pair(function(server, client)
    for _, data in ipairs { "abc", "abcd", "abcdefgh", "" } do client:send(data) end
    assert.same({ "abc", nil }, { (await(server:recv())), nil })
    local data, _, _, size = await(server:recv())
    assert.same({ "abc", 4 }, { data, size })
    assert.same({ data = "abc", size = 8, host = LOCAL, port = client:getsockname().port },
      await(server:recv_many(1))[1])
    assert.equal("", (await(server:recv())))
  end, { max_size = 3 }))

  it("receives the largest datagrams, and empty ones", with_pair(function(server, client)
    local sizes = { 65507, 0, 1, 1472, 65507, 40000 }
    for i, size in ipairs(sizes) do client:send((tostring(i)):rep(size)) end
    for i, size in ipairs(sizes) do
      local data = await(server:recv())
      assert.equal(size, #data)
      assert.is_true(data == tostring(i):rep(size))
    end
  end, { recv_buffer_size = 1 << 20 }))

  it("stops at its limit, and the system counts what it drops", with_pair(function(server, client)
    local sent, got = 500, 0
    local receiver = started(function()
      for _ in server:iter() do
        got = got + 1
        await(neap.sleep(0.001)) -- others go on, the queue fills
      end
    end)
    for _ = 1, sent / 50 do
      for _ = 1, 50 do await(client:send(("x"):rep(200))) end
      await(neap.sleep(0))
    end
    for _ = 1, 5000 do
      if got + server:dropped() == sent then break end
      await(neap.sleep(0.001))
    end
    assert.equal(sent, got + server:dropped())
    assert.is_true(server:dropped() > 0)
    assert.is_true(got > 0)
    receiver:cancel()
    pcall(await, receiver)
    server:close()
    assert.equal(sent, got + server:dropped())
  end, { limit = 1000, recv_buffer_size = 4096 }))

  it("goes on after it stopped at its limit", with_pair(function(server, client)
    for round = 1, 3 do
      for i = 1, 60 do client:send(("%d.%d "):format(round, i):rep(10)) end
      for i = 1, 60 do
        assert.equal(("%d.%d "):format(round, i):rep(10), (await(server:recv())))
      end
    end
    assert.equal(0, (server:dropped()))
  end, { limit = 1 }))

  it("tells senders of different hosts apart", run(function()
    local server <close> = await(open { local_addr = { "0.0.0.0", 0 } })
    local port = server:getsockname().port
    local clients = {}
    for i = 1, 3 do clients[i] = await(open { local_addr = { "127.0.0." .. i, 0 }, remote_addr = { LOCAL, port } }) end
    for round = 1, 2 do
      for i = 1, 3 do
        clients[i]:send(round)
        local data, host, from = await(server:recv())
        assert.same({ tostring(round), "127.0.0." .. i, clients[i]:getsockname().port }, { data, host, from })
        await(server:send("to " .. host, host, from))
        assert.equal("to " .. host, (await(clients[i]:recv())))
      end
    end
    for i = 1, 3 do clients[i]:close() end
    for i = 1, 3 do await(clients[i]:wait_closed()) end
  end))

  it("bears being closed by a finalizer, wherever that runs", run(function()
    for round = 1, loop.size(60, 20) do
      local socket = await(open { local_addr = { LOCAL, 0 } })
      local port = socket:getsockname().port
      for i = 1, 20 do socket:send(("x"):rep(100 + i), LOCAL, port) end
      await(socket:recv())
      collectgarbage()
      setmetatable({}, { __gc = function() socket:abort() end })
      local ok, err = pcall(function()
        for i = 1, 1000 do
          socket:send(i, LOCAL, port)
          if round % 2 == 0 then await(socket:recv_many(3)) else await(socket:recv()) end
          for _ = 1, round do (function() return {} end)() end
        end
      end)
      assert.is_true(ok or neap.is(err, neap.ConnectionAbortedError), tostring(err))
      socket:close()
      await(socket:wait_closed())
    end
  end))

  it("tells the interface of a link-local address", run(function()
    local name, ip
    for of, addresses in pairs(uv.interface_addresses()) do
      for _, address in ipairs(addresses) do
        if address.ip:find "^fe80" then name, ip = of, address.ip end
      end
    end
    if not ip then return pending "there is no link-local address here" end
    local scoped = ip .. "%" .. name
    local server <close> = await(open { local_addr = { scoped, 0 } })
    local client <close> = await(open { local_addr = { scoped, 0 } })
    for i = 1, 2 do
      await(client:send(i, scoped, server:getsockname().port))
      local data, host, port = await(server:recv())
      assert.same({ tostring(i), scoped, client:getsockname().port }, { data, host, port })
      await(server:send("back", host, port))
      assert.equal("back", (await(client:recv())))
    end
  end))

  it("speaks IPv6", run(function()
    if not loop.has_ipv6() then return pending "there is no IPv6 here" end
    local server <close> = await(open { local_addr = { "::1", 0 } })
    local client <close> = await(open { remote_addr = server:getsockname() })
    client:send "six"
    local data, host, port = await(server:recv())
    assert.same({ "six", "::1" }, { data, host })
    await(server:send("back", host, port))
    assert.equal("back", (await(client:recv())))
    local other <close> = await(open { remote_addr = server:getsockname() })
    for i, sender in ipairs { client, client, other } do -- of one host, whichever port
      await(sender:send(i))
      assert.same({ tostring(i), "::1", sender:getsockname().port }, { await(server:recv()) })
    end
    local both <close> = await(open { family = "inet6" }) -- of any address: IPv4 too
    local four <close> = await(open { remote_addr = { LOCAL, both:getsockname().port } })
    four:send "mapped"
    data, host, port = await(both:recv())
    assert.same({ "mapped", "::ffff:127.0.0.1" }, { data, host })
    await(both:send("to", host, port))
    assert.equal("to", (await(four:recv())))
  end))
end)
