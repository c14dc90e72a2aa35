-- SPDX-License-Identifier: MIT
local child = require "spec.support.child"
local neap = require "neap"
local pair = require "spec.io.pair"
local await, raises, turn = neap.await, pair.raises, pair.turn

local function run(fn)
  return function() neap.run(fn) end
end

local function bad(pattern, ...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
end

describe("getaddrinfo", function()
  it("gives every address, of every type", run(function()
    local seen = {}
    for _, address in ipairs(await(neap.getaddrinfo("127.0.0.1", 80))) do
      assert.same({ "127.0.0.1", 80, "inet" }, { address.ip, address.port, address.family })
      seen[address.type] = address.proto
    end
    assert.same({ stream = "tcp", dgram = "udp", raw = 0 }, seen)
  end))

  it("can be asked for one family, type, protocol", run(function()
    local expected = { { ip = "::1", port = 53, family = "inet6", type = "dgram", proto = "udp" } }
    assert.same(expected, await(neap.getaddrinfo("::1", 53, { family = "inet6", type = "dgram", proto = "udp" })))
    assert.same(expected, await(neap.getaddrinfo("::1", 53, { type = "dgram" })))
    assert.same(expected, await(neap.getaddrinfo("::1", 53, { proto = "udp" })))
  end))

  it("takes flags, and the names of services", run(function()
    local found = await(neap.getaddrinfo("127.0.0.1", "80",
      { type = "stream", flags = { "numerichost", "numericserv", "canonname" } }))
    assert.equal(1, #found)
    assert.equal("127.0.0.1", found[1].canonname)
    assert.equal(80, found[1].port)
    local here = await(neap.getaddrinfo(nil, 80, { type = "stream", family = "inet" }))
    assert.equal("127.0.0.1", here[1].ip)
    local any = await(neap.getaddrinfo(nil, 80, { type = "stream", family = "inet", flags = "passive" }))
    assert.equal("0.0.0.0", any[1].ip)
    assert.equal(0, await(neap.getaddrinfo("127.0.0.1"))[1].port)
  end))

  it("can be awaited again, and by many at once", run(function()
    local ask = neap.getaddrinfo("127.0.0.1", 1, { type = "stream" })
    local all = await(neap.gather(ask, ask, ask, ask, ask, ask, ask, ask))
    for i = 1, 8 do assert.equal("127.0.0.1", all[i][1].ip) end
  end))

  it("raises ResolveError for what does not exist", run(function()
    local err = raises(neap.ResolveError, neap.getaddrinfo("no.such.host.invalid", 80))
    assert.matches("resolve no.such.host.invalid", err.message, 1, true)
    assert.matches("^EAI_", err.code)
    raises(neap.ResolveError, neap.getaddrinfo("::1", 80, { family = "inet" }))
    raises(neap.ResolveError, neap.getaddrinfo("localhost", 80, { flags = "numerichost" }), "EAI_NONAME")
    raises(neap.ResolveError, neap.getaddrinfo(nil, "no-such-service"))
    raises(neap.OSError, neap.getaddrinfo(("x"):rep(300), 80))
  end))

  it("refuses what makes no sense, at once", function()
    bad("#1.*neither a host nor a port", neap.getaddrinfo)
    bad("#1.*host, a string, expected, got number", neap.getaddrinfo, 5, 80)
    bad("host is empty", neap.getaddrinfo, "")
    bad("zero byte", neap.getaddrinfo, "a\0b")
    bad("zero byte", neap.getaddrinfo, "a", "b\0")
    bad("#2.*port, an integer from 0 to 65535, expected, got %-1", neap.getaddrinfo, "a", -1)
    bad("#2.*nan", neap.getaddrinfo, "a", 0 / 0)
    bad("#2.*got table", neap.getaddrinfo, "a", {})
    bad("#3.*table expected", neap.getaddrinfo, "a", 1, 5)
    bad("'family': \"inet\" or \"inet6\" expected", neap.getaddrinfo, "a", 1, { family = "unix" })
    bad("'type': one of \"stream\".*got 'tcp'", neap.getaddrinfo, "a", 1, { type = "tcp" })
    bad("'proto': one of \"tcp\".*got number", neap.getaddrinfo, "a", 1, { proto = 6 })
    bad("'flags': one of \"passive\".*got boolean", neap.getaddrinfo, "a", 1, { flags = { "all", true } })
  end)
end)

describe("getnameinfo", function()
  it("gives the host and the service", run(function()
    local numeric = { "numerichost", "numericserv" }
    assert.same({ "127.0.0.1", "8080" }, { await(neap.getnameinfo({ "127.0.0.1", 8080 }, numeric)) })
    assert.same({ "::1", "1" }, { await(neap.getnameinfo({ ip = "::1", port = 1 }, numeric)) })
    assert.same({ "127.0.0.1", "0" }, { await(neap.getnameinfo({ "127.0.0.1" }, numeric)) })
    local host, service = await(neap.getnameinfo({ ip = "127.0.0.1", port = 1 }, "numericserv"))
    assert.is_string(host)
    assert.equal("1", service)
  end))

  it("takes what getaddrinfo and streams give", run(function()
    local address = await(neap.getaddrinfo("127.0.0.1", 80, { type = "stream" }))[1]
    assert.equal("127.0.0.1", (await(neap.getnameinfo(address, "numerichost"))))
  end))

  it("raises ResolveError where there is no name", run(function()
    local err = raises(neap.ResolveError, neap.getnameinfo({ "192.0.2.1", 80 }, "namereqd"))
    assert.matches("192.0.2.1:80", err.message, 1, true)
  end))

  it("refuses what makes no sense, at once", function()
    bad("#1.*address, {ip =, port =}, expected, got nil", neap.getnameinfo)
    bad("#1.*a numeric ip", neap.getnameinfo, { "localhost", 80 })
    bad("#1.*a port from 0 to 65535", neap.getnameinfo, { "127.0.0.1", 65536 })
    bad("#2.*one of \"numerichost\".*got 'x'", neap.getnameinfo, { "127.0.0.1" }, "x")
    bad("#2.*got number", neap.getnameinfo, { "127.0.0.1" }, 5)
  end)
end)

describe("Names", function()
  local function asks()
    return { neap.getaddrinfo("127.0.0.1", 1), neap.getnameinfo({ "127.0.0.1", 1 }, "numerichost") }
  end

  it("can be cancelled at any time, and left behind", run(function()
    for _, ask in ipairs(asks()) do
      for steps = 0, 4 do
        local task = neap.create_task(ask)
        turn(steps)
        if task:cancel() then raises(neap.CancelledError, task) end
        await(ask)
      end
      neap.create_task(ask)
    end
    turn(2)
  end))

  it("that are not asked for are collected", run(function()
    for _ = 1, 10 do neap.getaddrinfo("127.0.0.1", 1) neap.getnameinfo({ "127.0.0.1", 1 }) end
    for _, ask in ipairs(asks()) do await(ask) end
    collectgarbage()
  end))

  -- A child whose resolver waits; the file is a FIFO.
  local function slow(source)
    local gate = os.tmpname()
    os.remove(gate)
    assert(os.execute("mkfifo " .. gate))
    local output = child.output([[
      local neap = require "neap"
      local uv = require "luv"
      local await = neap.await
      io.stdout:setvbuf "no"
      local function open_gate()
        local fd = await(neap.uv.fs_open(os.getenv "NEAP_GATE", "r+", 0)) -- does not wait
        print "gate"
        return fd
      end
      local function ask(n) return neap.create_task(neap.getaddrinfo("slow" .. n, 1, { type = "stream" })) end
      ]] .. source,
      { env = { NEAP_GATE = gate }, preload = "names" })
    os.remove(gate)
    return output
  end

  it("never keep files waiting, however slow", function()
    local output = slow [[
      neap.run(function()
        local names = {}
        for i = 1, 8 do names[i] = ask(i) end
        for _ = 1, 100 do await(neap.uv.fs_stat "/") end
        for i = 1, 8 do assert(not names[i]:done()) end
        print "files"
        local fd = open_gate()
        for i = 1, 8 do assert(await(names[i])[1].ip == "127.0.0.1") end
        await(neap.uv.fs_close(fd))
      end)
    ]]
    local _, before = output:gsub("files.*", ""):gsub("began", "")
    assert.is_true(before <= 2, output) -- half of libuv's four threads
    local _, all = output:gsub("began", "")
    assert.equal(8, all)
  end)

  it("are withdrawn when cancelled in the queue, dropped when a thread is at them", function()
    local output = slow [[
      neap.run(function()
        local names = {}
        for i = 1, 8 do names[i] = ask(i) end
        await(neap.sleep(0))
        for i = 1, 8 do names[i]:cancel() end
        for i = 1, 8 do
          local ok, problem = pcall(await, names[i])
          assert(not ok and neap.is(problem, neap.CancelledError))
        end
        print "cancelled"
        local fd = open_gate()
        assert(await(ask(9))[1].ip == "127.0.0.1") -- after those that are dropped
        await(neap.uv.fs_close(fd))
      end)
    ]]
    local _, begun = output:gsub("began", "")
    assert.is_true(begun <= 3, output)
    assert.matches("began slow9", output)
    assert.matches("cancelled.*gate", output)
  end)

  it("are dropped when the Lua state closes while threads are at them", function()
    local output = slow [[
      neap.run(function()
        for i = 1, 4 do ask(i) end
        await(neap.sleep(0))
      end)
      local task = ask(5)
      uv.run "nowait"
      neap.run(open_gate)
      print "end"
    ]]
    assert.matches("end\n", output)
  end)
end)
