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
