-- SPDX-License-Identifier: MIT
-- TLS on streams that are not TCP.
local neap = require "neap"
local certs = require "spec.support.certs"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await = neap.await

describe_tls("TLS on a Unix socket", function()
  local function with_server(fn)
    neap.run(function()
      local path = certs.path "socket"
      local server <close> = await(neap.start_unix_server(pair.echo, path, { tls = pair.server_context() }))
      fn(path)
      server:close()
      await(neap.wait_for(server:wait_closed(), 10))
    end)
  end

  it("works like TCP's", function()
    with_server(function(path)
      local stream <close> = await(neap.open_unix_connection(path,
        { tls = pair.client_context(), server_hostname = "localhost" }))
      local text = ("0123456789"):rep(20000)
      local writer = neap.create_task(stream:write(text))
      assert.equal(text, await(stream:readexactly(#text)))
      await(writer)
      assert.equal("TLSv1.3", stream:get_extra_info "version")
      stream:write_eof()
      assert.equal("", await(stream:read "a"))
    end)
  end)

  it("wants to be told whom the certificate is to be of", function()
    with_server(function(path)
      local ok, err = pcall(neap.open_unix_connection, path, { tls = pair.client_context() })
      assert.is_false(ok)
      assert.matches("bad argument #2 to 'open_unix_connection' %(field 'server_hostname' is missing", err)
      local context = pair.client_context { check_hostname = false }
      local stream <close> = await(neap.open_unix_connection(path, { tls = context }))
      stream:write "x"
      assert.equal("x", await(stream:read(1)))
    end)
  end)
end)

describe_tls("TLS on a pair of sockets", function()
  it("is started on both ends", function()
    neap.run(function()
      local a, b = neap.socketpair()
      await(neap.gather(a:start_tls(pair.client_context(), { server_hostname = "localhost" }),
        b:start_tls(pair.server_context(), { server_side = true })))
      a:write "secret"
      assert.equal("secret", await(b:readexactly(6)))
      a:close()
      assert.is_nil(await(b:read(1)))
      b:close()
      await(neap.wait_for(a:wait_closed(), 5))
    end)
  end)
end)
