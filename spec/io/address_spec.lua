-- SPDX-License-Identifier: MIT
local loop = require "spec.support.loop"
local neap = require "neap"
local await = neap.await

describe("An IPv6 address", function()
  if not loop.has_ipv6() then return pending "there is no IPv6 here" end

  it("is listened at, connected to and told", function()
    neap.run(function()
      local accepted = neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        accepted:set_result(tostring(stream))
        await(stream:read "a")
      end, "::1", 0))
      local here = server:getsockname()
      assert.same({ "::1", "inet6" }, { here.ip, here.family })
      local stream <close> = await(neap.open_connection("::1", here.port))
      local peer = stream:get_extra_info "peername"
      assert.same({ "::1", here.port, "inet6" }, { peer.ip, peer.port, peer.family })
      assert.matches("-> [::1]:" .. here.port, tostring(stream), 1, true)
      assert.matches("[::1]:" .. here.port .. " ->", await(accepted), 1, true)
      assert.matches("[::1]:" .. here.port, tostring(server), 1, true)
    end)
  end)

  it("can be bound to before connecting", function()
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream) await(stream:read "a") end, "::1", 0))
      local options = { local_addr = { "::1", 0 } }
      local stream <close> = await(neap.open_connection("::1", server:getsockname().port, options))
      assert.equal("::1", stream:get_extra_info("sockname").ip)
    end)
  end)
end)

describe("A zone", function()
  local name = "lo"

  local function refused(ip)
    for _, value in ipairs { { ip = ip, port = 1 }, { ip, 1 } } do
      local ok, err = pcall(neap.getnameinfo, value)
      assert.is_false(ok, ip)
      assert.matches("a numeric ip", err, 1, true)
    end
    assert.is_false(pcall(neap.open_connection, { ip }, 80))
    assert.is_false(pcall(neap.open_connection, "::1", 80, { local_addr = { ip, 0 } }))
  end

  it("is the name of an interface or its number, and told by its name", function()
    neap.run(function()
      for _, ip in ipairs { "fe80::1%" .. name, "fe80::1%1", "fe80::1%0000000001" } do
        local found = await(neap.getnameinfo({ ip, 80 }, { "numerichost", "numericserv" }))
        assert.equal("fe80::1%" .. name, found)
        local address = await(neap.getaddrinfo("fe80::1%1", 80, { flags = "numerichost", type = "stream" }))[1]
        assert.equal("fe80::1%" .. name, address.ip)
        assert.equal(found, (await(neap.getnameinfo(address, "numerichost"))))
      end
    end)
  end)

  it("may be a number that no interface has", function()
    neap.run(function()
      local address = await(neap.getaddrinfo("fe80::1%4294967295", 80, { flags = "numerichost", type = "stream" }))[1]
      assert.equal("fe80::1%4294967295", address.ip)
    end)
  end)

  it("that there is not makes no address", function()
    local zones = { "no such", "", "0", "4294967296", "99999999999", "1x", "-1", " 1" }
    for _, zone in ipairs(zones) do refused("fe80::1%" .. zone) end
    refused("127.0.0.1%" .. name)
  end)

  it("comes behind an address, which is not cut", function()
    refused(("0000:"):rep(7) .. "00010%" .. name)
    refused("%" .. name)
  end)
end)

describe("A numeric address", function()
  it("contains no zero byte", function()
    assert.is_false(pcall(neap.getnameinfo, { "127.0.0.1\0x", 80 }))
    assert.is_false(pcall(neap.open_connection, { "127.0.0.1\0x" }, 80))
    assert.is_false(pcall(neap.open_connection, "127.0.0.1", 80, { local_addr = { "127.0.0.1\0x", 0 } }))
  end)
end)

describe("A host", function()
  local function refused(expected, ...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    assert.matches(expected, tostring(err), 1, true)
  end

  it("is a name or an address", function()
    refused("the host is empty", neap.open_connection, "", 80)
    refused("zero byte", neap.open_connection, "local\0host", 80)
    refused("zero byte", neap.start_server, print, "local\0host", 80)
    refused("bad argument #1", neap.open_connection, nil, 80)
    refused("bad argument #2", neap.start_server, print, {}, 80)
  end)

  it("is told with every address that was tried", function()
    neap.run(function()
      local server = await(neap.start_server(print, "127.0.0.1", 0))
      local port = server:getsockname().port
      server:close()
      await(server:wait_closed())
      local ok, err = pcall(await, neap.open_connection("localhost", port))
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.OSError))
      assert.matches("127.0.0.1", err.message, 1, true)
    end)
  end)
end)
