-- SPDX-License-Identifier: MIT
-- neap.tls.context: options and what they hold.
local neap = require "neap"
local certs = require "spec.support.certs"
local loop = require "spec.support.loop"
local child = require "spec.support.child"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)

local function fails(options)
  return tostring(loop.failure(function()
    local made = neap.tls.context(options)
    return made
  end))
end

describe_tls("A context", function()
  it("is made of nothing, of files and of text", function()
    assert.matches("^neap.tls.Context %(", tostring(neap.tls.context()))
    neap.tls.context {}
    neap.tls.context(certs.own "server")
    neap.tls.context { certdata = certs.read "server.pem", keydata = certs.read "server.key" }
    neap.tls.context { certdata = certs.read "both.pem" }
    neap.tls.context { certfile = certs.path "both.pem" }
    neap.tls.context(certs.own "chain")
    neap.tls.context { cafile = certs.path "ca.pem", cadata = certs.read "other_ca.pem", capath = certs.path "folder",
      default_certs = true }
    neap.tls.context { minimum_version = "TLSv1.3", maximum_version = "TLSv1.3" }
    neap.tls.context { ciphers = "ECDHE+AESGCM", ciphersuites = "TLS_AES_128_GCM_SHA256", groups = "X25519:P-256" }
    neap.tls.context { alpn_protocols = { "h2", "http/1.1" }, num_tickets = 0, verify_mode = "none" }
    neap.tls.context { check_hostname = false, verify_mode = "optional" }
  end)

  it("tells of options that it does not know, or not so", function()
    assert.matches("context_spec.-bad argument #1 to 'context' %(table expected, got number%)", fails(5))
    assert.matches("context_spec.-field 'verfy_mode' is unknown", fails { verfy_mode = "none" })
    assert.matches("field '1' is unknown", fails { "none" })
    assert.matches("field 'certfile': string expected, got number", fails { certfile = 1 })
    assert.matches("field 'password': string or function expected, got boolean", fails { password = true })
    for _, field in ipairs { "certfile", "cafile", "capath", "ciphers", "groups" } do
      assert.matches(("context_spec.-field '%s' contains a zero byte"):format(field),
        fails { [field] = certs.path "both.pem" .. "\0x" })
    end
    assert.matches("context_spec.-field 'verify_mode': \"none\", ", fails { verify_mode = "sometimes" })
    assert.matches("context_spec.-\"TLSv1.3\" expected", fails { minimum_version = "SSLv3" })
    assert.matches("\"TLSv1.3\" expected", fails { maximum_version = "1.2" })
    assert.matches("context_spec.-strings of 1 to 255 bytes", fails { alpn_protocols = { "" } })
    assert.matches("strings of 1 to 255 bytes", fails { alpn_protocols = { ("x"):rep(256) } })
    assert.matches("it is empty", fails { alpn_protocols = {} })
    assert.matches("an integer from 0 to 100", fails { num_tickets = 1.5 })
    assert.matches("an integer from 0 to 100", fails { num_tickets = -1 })
    assert.matches("context_spec.-names and contexts", fails { sni = { name = 5 } })
    assert.matches("names and contexts", fails { sni = { neap.tls.context() } })
    assert.matches("certificate without its key", fails { certdata = certs.read "server.pem" })
    assert.matches("key without a certificate", fails { keyfile = "x" })
    assert.matches("'check_hostname' wants", fails { verify_mode = "none", check_hostname = true })
    assert.matches("gave no string", fails(certs.own("server", { keyfile = nil, password = function() end })))
  end)

  it("tells which file cannot be read", function()
    local err = loop.raises(neap.OSError, neap.tls.context, { cafile = "/no/such/file" })
    assert.equal("ENOENT", err.code)
    assert.matches("cafile: /no/such/file", err.message)
    assert.equal("ENOENT", loop.failure(neap.tls.context, { certfile = "/no/such/file" }).code)
    err = loop.raises(neap.OSError, neap.tls.context, { cafile = "/tmp" })
    assert.equal("cafile: /tmp: Is a directory", err.message)
    assert.equal("ENOENT",
      loop.failure(neap.tls.context, { certfile = certs.path "server.pem", keyfile = "/no/such/file" }).code)
    assert.equal("EISDIR", loop.failure(neap.tls.context, { cafile = "/" }).code)
  end)

  it("tells what is wrong with a certificate or a key", function()
    local function wrong(options) return loop.raises(neap.TLSError, neap.tls.context, options) end
    local err = wrong { certfile = certs.path "server.pem", keyfile = certs.path "client.key" }
    assert.equal("KEY_VALUES_MISMATCH", err.reason)
    assert.matches("^keyfile /.*/client.key: key values mismatch", err.message)
    assert.is_true(math.type(err.number) == "integer" and err.number > 0)
    assert.is_string(err.library)
    assert.matches("^certfile .-: no start line", wrong { certfile = certs.path "server.key" }.message)
    assert.matches("^keydata: ", wrong { certfile = certs.path "server.pem", keydata = "nonsense" }.message)
    assert.matches("no certificate in it", wrong { cadata = "" }.message)
    assert.matches("no certificate in it", wrong { cadata = "nonsense" }.message)
    local broken = certs.read("ca.pem"):gsub("\nMI", "\n!!")
    assert.matches("^cadata: ", wrong { cadata = certs.read "ca.pem" .. broken }.message)
    assert.matches("^ciphers: ", wrong { ciphers = "NONSENSE" }.message)
    assert.matches("^ciphersuites: ", wrong { ciphersuites = "NONSENSE" }.message)
    assert.matches("^groups", wrong { groups = "NONSENSE" }.message)
  end)

  it("opens a locked key with its password, and asks nobody", function()
    local certfile, keyfile = certs.path "server.pem", certs.path "locked.key"
    neap.tls.context { certfile = certfile, keyfile = keyfile, password = "sesame" }
    local asked = 0
    neap.tls.context { certfile = certfile, keydata = certs.read "locked.key", password = function()
      asked = asked + 1
      return "sesame"
    end }
    assert.equal(1, asked)
    assert.matches("the password is wrong", fails { certfile = certfile, keyfile = keyfile, password = "simsim" })
    assert.matches("the password is wrong", fails { certfile = certfile, keyfile = keyfile, password = "" })
    assert.matches("the password is wrong", fails { certfile = certfile, keyfile = keyfile, password = ("x"):rep(
      2000) })
    assert.matches("encrypted, and no password", fails { certfile = certfile, keyfile = keyfile })
    assert.has_error(function()
      neap.tls.context { certfile = certfile, keyfile = keyfile, password = function() error("no idea", 0) end }
    end, "no idea")
  end)

  it("has classes of errors that extend OSError", function()
    assert.is_true(neap.is(neap.TLSError "x", neap.OSError))
    assert.is_true(neap.is(neap.CertificateError "x", neap.TLSError))
    assert.is_true(neap.is(neap.TLSEOFError "x", neap.TLSError))
    assert.equal("CertificateError: x", tostring(neap.CertificateError "x"))
  end)

  it("is asked for where it is needed, with the right arguments", function()
    neap.run(function()
      local function none() end
      local function open(options)
        return tostring(loop.failure(function()
          local awaitable = neap.open_connection("localhost", 1, options)
          return awaitable
        end))
      end
      local function start(options)
        return tostring(loop.failure(function()
          local awaitable = neap.start_server(none, "127.0.0.1", 0, options)
          return awaitable
        end))
      end
      assert.matches("context_spec.-bad argument #3 to 'open_connection' %(field 'tls': true or a context", open {
        tls = 1 })
      assert.matches("context_spec.-bad argument #4 to 'start_server' %(field 'tls': a context", start { tls = 1 })
      assert.matches("the context has no certificate", start { tls = true })
      assert.matches("wants a 'cafile'", start { tls = neap.tls.context(certs.own("server", {
        verify_mode = "required" })) })
      assert.matches("wants a 'cafile'", start { tls = neap.tls.context(certs.own("server", {
        verify_mode = "optional" })) })
      for _, name in ipairs { "", ".", 5, "\xff", "a\0b", ("x"):rep(256) } do
        assert.matches("field 'server_hostname'", open { tls = true, server_hostname = name })
      end
      for _, seconds in ipairs { 0, -1, "x", 0 / 0, math.huge } do
        assert.matches("field 'tls_handshake_timeout': seconds", open { tls = true, tls_handshake_timeout = seconds })
        assert.matches("field 'tls_shutdown_timeout': seconds", open { tls = true, tls_shutdown_timeout = seconds })
      end
      assert.matches("field 'tls_session': a session", open { tls = true, tls_session = "x" })
      assert.matches("context_spec.-bad argument #3 to 'open_connection' %(field 'limit'", open { tls = true,
        limit = 0 })
      assert.matches("bad argument #1 to 'open_connection'",
        tostring(loop.failure(neap.open_connection, nil, 1, { tls = true })))
      assert.matches("bad argument #2 to 'open_connection'",
        tostring(loop.failure(neap.open_connection, "localhost", 0, { tls = true })))
      assert.matches("bad argument #1 to 'start_server'",
        tostring(loop.failure(neap.start_server, 5, nil, 0, { tls = pair.server_context() })))
    end)
  end)
end)

describe("Without the module neap.tls.core", function()
  local script = [[
    local searchers = package.searchers
    for i, find in ipairs(searchers) do
      searchers[i] = function(name) if name == "neap.tls.core" then return "\n\tit is hidden" end return find(name) end
    end
    local neap = require "neap"
  ]]

  it("the rest works, and TLS tells what to install", function()
    local out = child.output(script .. [[
      neap.run(function() neap.await(neap.sleep(0)) end)
      print(neap.is(neap.CertificateError "x", neap.OSError))
      for _, fn in ipairs { function() neap.open_connection("localhost", 1, { tls = true }) end,
        function() neap.tls.context() end,
        function() neap.start_server(print, nil, 0, { tls = true }) end } do
        local ok, err = pcall(fn)
        print(ok, neap.is(err, neap.RuntimeError), err.message:match "luarocks install neap%-tls.-libssl%-dev",
          err.message:match "it is hidden")
      end
    ]])
    local line = "false\ttrue\tluarocks install neap-tls, or, from the sources of neap, make, "
      .. "with OpenSSL for developers installed (Debian: apt-get install libssl-dev\tit is hidden\n"
    assert.equal("true\n" .. line:rep(3), out)
  end)
end)
