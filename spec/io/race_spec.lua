-- SPDX-License-Identifier: MIT
local loop = require "spec.support.loop"
local hanging = require "spec.io.hanging"
local neap = require "neap"
local pair = require "spec.io.pair"
local await, raises, turn = neap.await, pair.raises, pair.turn

local function run(fn)
  return function() neap.run(fn) end
end

local function serve(stream) pcall(await, stream:read "a") end

-- A server that counts.
local function start(ip, port)
  local count = { 0 }
  local server = await(neap.start_server(function(stream)
    count[1] = count[1] + 1
    serve(stream)
  end, ip, port))
  return server, server:getsockname().port, count
end

-- The ips of the attempts, in the order in which they were made.
local function attempts(list, port, options)
  local err = raises(neap.ConnectionRefusedError, neap.open_connection(list, port, options), "ECONNREFUSED")
  local ips = {}
  for i, attempt in ipairs(err.attempts) do
    assert.is_true(neap.is(attempt, neap.ConnectionRefusedError))
    ips[i] = attempt.message:match "^connect to %[?([^%]]+)%]?:%d+: connection refused %(ECONNREFUSED%)$"
  end
  return table.concat(ips, " "), err
end

local function free_port()
  local server, port = start("127.0.0.1", 0)
  server:close()
  await(server:wait_closed())
  return port
end

local function connected_to(stream) return stream:get_extra_info("peername").ip end

describe("open_connection with several addresses", function()
  it("takes the first that answers, at once after one that refuses", run(function()
    local _ <close>, port = start("127.0.0.1", 0)
    local list = { "::1", "127.0.0.2", "127.0.0.1" }
    for _, delay in ipairs { 3600, false, 0 } do -- an hour: nothing here waits for it
      local stream <close> = await(neap.open_connection(list, port, { happy_eyeballs_delay = delay }))
      assert.equal("127.0.0.1", connected_to(stream))
    end
  end))

  it("interleaves the families", run(function()
    if not loop.has_ipv6() then return pending "there is no IPv6 here" end
    local port = free_port()
    local list = { "127.0.0.2", "127.0.0.3", "127.0.0.4", "::1" }
    assert.equal("127.0.0.2 ::1 127.0.0.3 127.0.0.4", attempts(list, port))
    assert.equal("127.0.0.2 127.0.0.3 ::1 127.0.0.4", attempts(list, port, { interleave = 2 }))
    assert.equal("127.0.0.2 127.0.0.3 127.0.0.4 ::1", attempts(list, port, { interleave = 9 }))
    assert.equal("127.0.0.2 127.0.0.3 127.0.0.4 ::1", attempts(list, port, { interleave = 0 }))
    assert.equal("127.0.0.2 127.0.0.3 127.0.0.4 ::1", attempts(list, port, { happy_eyeballs_delay = false }))
    assert.equal("::1 127.0.0.2 127.0.0.3", attempts({ "::1", "127.0.0.2", "127.0.0.3" }, port))
  end))

  it("tells every attempt when all fail", run(function()
    if not loop.has_ipv6() then return pending "there is no IPv6 here" end
    local port = free_port()
    local _, err = attempts({ "127.0.0.1", "::1" }, port)
    assert.equal(("Multiple exceptions: connect to 127.0.0.1:%d: connection refused (ECONNREFUSED), "
      .. "connect to [::1]:%d: connection refused (ECONNREFUSED)"):format(port, port), err.message)
    local ok, other = pcall(await, neap.open_connection({ "127.0.0.1", "192.0.2.1" }, port,
      { local_addr = { "127.0.0.1" }, happy_eyeballs_delay = false }))
    assert.is_false(ok)
    assert.is_true(neap.is(other, neap.OSError))
    assert.is_false(neap.is(other, neap.ConnectionRefusedError))
    assert.equal("ECONNREFUSED", other.code)
    assert.equal(2, #other.attempts)
    assert.equal("ECONNREFUSED", other.attempts[1].code)
    local single = raises(neap.ConnectionRefusedError, neap.open_connection({ "127.0.0.1" }, port))
    assert.is_nil(single.attempts)
    assert.matches("^connect to 127.0.0.1:" .. port, single.message)
  end))

  it("goes on to the next when one does not answer, and closes it", run(function()
    local silent <close> = hanging.open("127.0.0.2", 0)
    local _ <close>, port, count = start("127.0.0.1", silent.port)
    local before = loop.lasting_descriptors()
    for i, delay in ipairs { 0, 0.001 } do
      local stream = await(neap.open_connection({ "127.0.0.2", "127.0.0.1" }, port, { happy_eyeballs_delay = delay }))
      assert.equal("127.0.0.1", connected_to(stream))
      while count[1] < i do turn() end
      assert.is_true(loop.closed(before + 2)) -- both ends
      stream:abort()
      await(stream:wait_closed())
      assert.is_true(loop.closed(before))
    end
  end))

  it("goes on by itself, a quarter of a second after each attempt", run(function()
    local one <close> = hanging.open("127.0.0.2", 0)
    local _ <close> = hanging.open("127.0.0.3", one.port)
    local _ <close>, port = start("127.0.0.1", one.port)
    local before = neap.time()
    local stream <close> = await(neap.open_connection({ "127.0.0.2", "127.0.0.3", "127.0.0.1" }, port))
    assert.equal("127.0.0.1", connected_to(stream))
    assert.is_true(neap.time() - before >= 0.5)
  end))

  it("waits for each to fail when told so", run(function()
    local silent <close> = hanging.open("127.0.0.2", 0)
    local _ <close>, port, count = start("127.0.0.1", silent.port)
    local connect = neap.open_connection({ "127.0.0.2", "127.0.0.1" }, port, { happy_eyeballs_delay = false })
    raises(neap.TimeoutError, neap.wait_for(connect, 0.3))
    turn()
    assert.equal(0, count[1])
  end))

  it("takes one connection when several answer at once", run(function()
    local port
    local servers, counts = {}, {}
    for i = 1, 3 do servers[i], port, counts[i] = start("127.0.0." .. i, port or 0) end
    local stream <close> = await(neap.open_connection({ "127.0.0.1", "127.0.0.2", "127.0.0.3" }, port,
      { happy_eyeballs_delay = 0 }))
    assert.equal("127.0.0.1", connected_to(stream))
    for i = 1, 3 do servers[i]:close() end
    await(servers[2]:wait_closed()) -- whoever lost was closed
    await(servers[3]:wait_closed())
    turn()
    assert.equal(1, counts[1][1])
    stream:close()
    await(servers[1]:wait_closed())
  end))

  it("closes every socket when it is cancelled", run(function()
    local silent <close> = hanging.open("127.0.0.2", 0)
    local _ <close>, port = start("127.0.0.1", silent.port)
    local before = loop.lasting_descriptors()
    local lists = { { "127.0.0.2" }, { "127.0.0.2", "127.0.0.2", "127.0.0.2" }, { "127.0.0.2", "127.0.0.1" } }
    for _, list in ipairs(lists) do
      for steps = 0, 5 do
        local task = neap.create_task(neap.open_connection(list, port, { happy_eyeballs_delay = 0 }))
        turn(steps)
        if task:cancel() then
          raises(neap.CancelledError, task)
        else
          await(task):abort()
        end
      end
    end
    assert.is_true(loop.closed(before))
  end))

  it("is bounded by wait_for", run(function()
    local silent <close> = hanging.open("127.0.0.2", 0)
    local before = loop.lasting_descriptors()
    raises(neap.TimeoutError, neap.wait_for(neap.open_connection("127.0.0.2", silent.port), 0.01))
    assert.is_true(loop.closed(before))
  end))

  it("is left behind by run", function()
    local silent
    neap.run(function()
      silent = hanging.open("127.0.0.2", 0)
      local kept = neap.open_connection({ "127.0.0.2", "127.0.0.2" }, silent.port, { happy_eyeballs_delay = 0.001 })
      neap.create_task(kept)
      neap.create_task(kept)
      turn(2)
    end)
    neap.run(function() silent:close() end)
  end)

  it("can be awaited again, and by several at once", run(function()
    local _ <close>, port = start("127.0.0.1", 0)
    local connect = neap.open_connection({ "127.0.0.2", "127.0.0.1" }, port)
    local all = await(neap.gather(connect, connect, connect))
    for i = 1, 3 do
      assert.equal("127.0.0.1", connected_to(all[i]))
      all[i]:close()
    end
  end))

  it("takes addresses with ports of their own, as getaddrinfo gives them", run(function()
    local _ <close>, port = start("127.0.0.1", 0)
    local list = { { ip = "127.0.0.1", port = free_port() }, { "127.0.0.1", port } }
    local stream <close> = await(neap.open_connection(list))
    assert.equal(port, stream:get_extra_info("peername").port)
    local found = await(neap.getaddrinfo("127.0.0.1", port, { type = "stream" }))
    local again <close> = await(neap.open_connection(found))
    assert.equal(port, again:get_extra_info("peername").port)
  end))

  it("tries those of one family only, or of the local address", run(function()
    if not loop.has_ipv6() then return pending "there is no IPv6 here" end
    local port = free_port()
    local list = { "127.0.0.1", "::1", "127.0.0.2" }
    assert.equal("127.0.0.1 127.0.0.2", attempts(list, port, { family = "inet" }))
    assert.equal("127.0.0.1 127.0.0.2", attempts(list, port, { local_addr = { "127.0.0.9" } }))
    local err = raises(neap.ConnectionRefusedError, neap.open_connection(list, port, { family = "inet6" }))
    assert.matches("connect to [::1]", err.message, 1, true)
    raises(neap.ResolveError, neap.open_connection({ "127.0.0.1" }, port, { family = "inet6" }))
    raises(neap.ResolveError, neap.open_connection("127.0.0.1", port, { family = "inet6" }))
    local _ <close>, here = start("127.0.0.1", 0)
    local options = { family = "inet", local_addr = { "127.0.0.9" } }
    local stream <close> = await(neap.open_connection("localhost", here, options))
    assert.equal("127.0.0.9", stream:get_extra_info("sockname").ip)
  end))

  it("refuses what makes no sense, at once", function()
    local function bad(pattern, ...)
      local ok, err = pcall(neap.open_connection, ...)
      assert.is_false(ok)
      assert.matches(pattern, tostring(err))
    end
    bad("#1.*list of addresses is empty", {}, 80)
    bad("#1.*element 2: a numeric ip", { "127.0.0.1", "localhost" }, 80)
    bad("#1.*element 1: a numeric ip", { 5 }, 80)
    bad("#1.*element 1:.*with a port", { "127.0.0.1" })
    bad("#1.*element 1:.*with a port", { { "127.0.0.1", 0 } })
    bad("#1.*element 1:.*with a port", { { "127.0.0.1", 80.5 } })
    bad("#2.*port", { "127.0.0.1" }, 0)
    bad("'happy_eyeballs_delay': a number of seconds, or false", "a", 80, { happy_eyeballs_delay = "x" })
    bad("'happy_eyeballs_delay'", "a", 80, { happy_eyeballs_delay = -1 })
    bad("'happy_eyeballs_delay'", "a", 80, { happy_eyeballs_delay = true })
    bad("'happy_eyeballs_delay'", "a", 80, { happy_eyeballs_delay = 0 / 0 })
    bad("'happy_eyeballs_delay'", "a", 80, { happy_eyeballs_delay = math.huge })
    bad("'interleave': integer", "a", 80, { interleave = -1 })
    bad("'family': \"inet\" or", "a", 80, { family = "unix" })
    bad("another family than", "a", 80, { family = "inet6", local_addr = { "127.0.0.1" } })
  end)
end)
