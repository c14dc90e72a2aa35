-- SPDX-License-Identifier: MIT
-- Who is trusted, and what is told of who is not.
local neap = require "neap"
local certs = require "spec.support.certs"
local child = require "spec.support.child"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await = neap.await
local CertificateError, TLSError = neap.CertificateError, neap.TLSError

-- What a client with these options makes of a server with that certificate: nothing, or the error.
local function meet(name, client, connect)
  local problem
  local context = neap.tls.context(certs.own(name))
  pair.with_server(pair.echo, { tls = context }, function(port, reports)
    local ok, stream = pcall(await, neap.open_connection("127.0.0.1", port,
      pair.merge({ tls = pair.client_context(client), server_hostname = "localhost" }, connect)))
    if ok then
      stream:write "hello"
      assert.equal("hello", await(stream:readexactly(5)))
      stream:close()
      await(stream:wait_closed())
      assert.same({}, reports)
    else
      problem = stream
      pair.until_(function() return #reports > 0 end) -- the alert came to the server
      assert.equal("TLS handshake failed", reports[1].message)
      pair.is_a(TLSError, reports[1].exception)
      assert.matches("alert", reports[1].exception.message)
    end
  end)
  return problem
end

local function refused(text, code, ...)
  local err = meet(...)
  pair.is_a(CertificateError, err)
  assert.matches(text, err.message)
  assert.equal(code, err.verify_code)
  assert.is_string(err.verify_message)
  assert.equal("CERTIFICATE_VERIFY_FAILED", err.reason)
  assert.equal("EPROTO", err.code)
end

describe_tls("A server's certificate", function()
  it("is taken when it is of the host and somebody vouches for it", function()
    assert.is_nil(meet "server")
    assert.is_nil(meet("server", nil, { server_hostname = "LOCALHOST." }))
    assert.is_nil(meet("server", nil, { server_hostname = "any.wild.test" }))
    assert.is_nil(meet("server", nil, { server_hostname = "127.0.0.1" }))
    assert.is_nil(meet("server", nil, { server_hostname = "::1" }))
    assert.is_nil(meet "chain")
    assert.is_nil(meet("stranger", { cafile = certs.path "other_ca.pem" }))
    assert.is_nil(meet("stranger", { cadata = certs.read "other_ca.pem" }))
    assert.is_nil(meet("selfsigned", { cafile = certs.path "selfsigned.pem" }))
    assert.is_nil(meet("server", { cafile = certs.path "other_ca.pem", capath = certs.path "folder" }))
  end)

  it("is refused when it is of another host", function()
    refused("hostname mismatch, it is not valid for 'example.org'", 62, "server", nil, {
      server_hostname = "example.org" })
    refused("hostname mismatch", 62, "server", nil, { server_hostname = "wild.test" })
    refused("hostname mismatch", 62, "server", nil, { server_hostname = "too.deep.wild.test" })
    refused("IP address mismatch, it is not valid for '127.0.0.2'", 64, "server", nil, {
      server_hostname = "127.0.0.2" })
    refused("hostname mismatch", 62, "named_only") -- a common name is no name of a host
    refused("IP address mismatch", 64, "selfsigned", { cafile = certs.path "selfsigned.pem" }, {
      server_hostname = "127.0.0.1" })
  end)

  it("is refused when nobody vouches for it", function()
    refused("self%-signed certificate", 18, "selfsigned")
    refused("unable to get local issuer certificate", 20, "stranger")
    refused("unable to get local issuer certificate", 20, "chain_leaf") -- without the one in between
  end)

  it("is refused before its time and after", function()
    refused("certificate has expired", 10, "expired")
    refused("certificate is not yet valid", 9, "future")
  end)

  it("is not looked at with verify_mode none", function()
    for _, name in ipairs { "selfsigned", "stranger", "expired", "future", "named_only" } do
      assert.is_nil(meet(name, { verify_mode = "none" }))
    end
    assert.is_nil(meet("server", { verify_mode = "none" }, { server_hostname = "example.org" }))
  end)

  it("may be of any host with check_hostname false", function()
    assert.is_nil(meet("server", { check_hostname = false }, { server_hostname = "example.org" }))
    refused("self%-signed", 18, "selfsigned", { check_hostname = false })
  end)

  it("is verified against the system's authorities by default", function()
    local script = ([[
      local neap = require "neap"
      local await = neap.await
      neap.run(function()
        local context = neap.tls.context { certfile = "%s", keyfile = "%s" }
        neap.set_exception_handler(function() end)
        local server <close> = await(neap.start_server(function(stream) await(stream:write "hello") end, "127.0.0.1", 0,
          { tls = context }))
        local ok, stream = pcall(await, neap.open_connection("localhost", server:getsockname().port, { tls = true }))
        print(ok, ok and await(stream:read "a") or stream)
      end)
    ]]):format(certs.path "server.pem", certs.path "server.key")
    assert.equal("true\thello\n", child.output(script, { env = { SSL_CERT_FILE = certs.path "ca.pem" } }))
    assert.equal("false\tCertificateError: certificate verify failed: unable to get local issuer certificate\n",
      child.output(script, { env = { SSL_CERT_FILE = certs.path "other_ca.pem" } }))
  end)
end)

describe_tls("A client's certificate", function()
  -- What the server's handler is told of the client, or what the exception handler is.
  local function ask(server, client)
    local found, told = neap.Future(), {}
    local context = pair.server_context(pair.merge({ cafile = certs.path "ca.pem" }, server))
    pair.with_server(function(stream)
      local cert = stream:get_extra_info "peercert"
      found:set_result(cert and cert.subject.CN or "nobody")
      await(stream:write "hello")
    end, { tls = context }, function(port, reports)
      local ok, stream = pcall(await, neap.open_connection("127.0.0.1", port,
        { tls = pair.client_context(client), server_hostname = "localhost" }))
      local fine, text = ok, stream
      if ok then fine, text = pcall(await, stream:read "a") end
      if fine then
        assert.equal("hello", text)
        told.name = await(found)
      else
        told.client = text
        pair.until_(function() return #reports > 0 end)
        told.server = reports[1].exception
        assert.is_false(found:done())
      end
    end)
    return told
  end

  it("is not asked for by default", function()
    assert.equal("nobody", ask({}, certs.own "client").name)
  end)

  it("is known to the handler", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      for _, mode in ipairs { "required", "optional" } do
        assert.equal("somebody", ask({ verify_mode = mode, maximum_version = version }, certs.own "client").name)
      end
    end
  end)

  it("may be missing if it is optional, not if it is required", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      assert.equal("nobody", ask({ verify_mode = "optional", maximum_version = version }).name)
      local told = ask { verify_mode = "required", maximum_version = version }
      assert.equal("PEER_DID_NOT_RETURN_A_CERTIFICATE", told.server.reason)
      pair.is_a(TLSError, told.client)
      assert.matches("alert", told.client.message)
    end
  end)

  it("is refused when nobody vouches for it", function()
    for _, mode in ipairs { "required", "optional" } do
      local told = ask({ verify_mode = mode }, certs.own "stranger")
      pair.is_a(CertificateError, told.server)
      assert.equal(20, told.server.verify_code)
      assert.equal("TLSV1_ALERT_UNKNOWN_CA", told.client.reason)
    end
  end)
end)
