-- SPDX-License-Identifier: MIT
-- A stream with TLS is a stream.
local neap = require "neap"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await, with_tls, fails, started = neap.await, pair.with_tls, pair.fails, pair.started

-- For each version of the protocol.
local function both(name, fn, options)
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it(("%s (%s)"):format(name, version),
      with_tls(fn, pair.merge(options, { client = pair.merge(options and options.client, {
        maximum_version = version }) })))
  end
end

describe_tls("A stream with TLS", function()
  both("reads what the other end wrote", function(a, b)
    a:write "one line\nand "
    a:write("pieces ", 1, " ", 2.5, "\n")
    assert.equal("one line", await(b:read "l"))
    assert.equal("and pieces 1 2.5\n", await(b:readline()))
    b:writelines { "a", "b", "c" }
    assert.equal("ab", await(a:readexactly(2)))
    assert.equal("c", await(a:read(100)))
  end)

  both("carries every size in both directions", function(a, b)
    for _, size in ipairs { 1, 16383, 16384, 16385, 65536, 100000, 1000000 } do
      local text = ("0123456789abcdefg"):rep(size // 17 + 1):sub(1, size)
      for from, to in pairs { [a] = b, [b] = a } do
        local reader = neap.create_task(to:readexactly(size))
        await(from:write(text))
        assert.equal(text, await(reader))
      end
    end
  end)

  both("passes large messages to read(n)", function(a, b)
    local text, got = ("0123456789abcdefg"):rep(200000), {}
    local writer = neap.create_task(function()
      for i = 1, #text, 50000 do await(a:write(text:sub(i, i + 49999))) end
      a:write_eof()
    end)
    for data in function() return await(b:read(65536)) end do got[#got + 1] = data end
    assert.equal(text, table.concat(got))
    await(writer)
  end)

  both("reads while others write", function(a, b)
    local function talk(stream)
      local writer = neap.create_task(function()
        for i = 1, 300 do await(stream:write(("%d:%s\n"):format(i, ("x"):rep(i * 37 % 5000)))) end
      end)
      for i = 1, 300 do
        local n, rest = await(stream:read "l"):match "^(%d+):(x*)$"
        assert.equal(i, tonumber(n))
        assert.equal(i * 37 % 5000, #rest)
      end
      await(writer)
    end
    await(neap.gather(function() talk(a) end, function() talk(b) end))
  end)

  both("has the streams' errors and limits", function(a, b)
    b:write "1234"
    b:write_eof()
    local err = fails(a:readexactly(10))
    pair.is_a(neap.IncompleteReadError, err)
    assert.equal("1234", err.partial)
    a:write(("y"):rep(100))
    pair.is_a(neap.LimitOverrunError, fails(b:readuntil "x"))
  end, { listen = { limit = 50 } })

  both("gives the end to its reader after write_eof, which may still write", function(a, b)
    a:write "question"
    a:write_eof()
    assert.equal("question", await(b:read "a"))
    assert.is_true(b:at_eof())
    await(b:write "answer")
    b:write_eof()
    assert.equal("answer", await(a:read "a"))
    assert.matches("write after write_eof", tostring(select(2, pcall(a.write, a, "x"))))
  end)

  both("waits for room when the other end does not read", function(a, b)
    local chunk, n = ("z"):rep(65536), 0
    local writer = started(function()
      for _ = 1, 300 do
        await(a:write(chunk))
        n = n + 1
      end
      a:write_eof()
    end)
    await(neap.sleep(0.05))
    assert.is_false(writer:done())
    assert.is_true(a:get_write_buffer_size() > 0 and a:get_write_buffer_size() < 1000000)
    local got = 0
    for data in function() return await(b:read(1 << 20)) end do got = got + #data end
    assert.equal(300 * #chunk, got)
    await(writer)
  end)

  both("loses nothing by a cancelled read", function(a, b)
    local reader = started(function() return await(b:readexactly(10)) end)
    a:write "12345"
    await(neap.sleep(0.005))
    reader:cancel()
    pcall(await, reader)
    a:write "67890"
    assert.equal("1234567890", await(b:readexactly(10)))
  end)

  both("closes in order, and both ends know", function(a, b)
    a:write "last words"
    a:close()
    assert.equal("last words", await(b:read "a"))
    local closed = started(function() return await(a:wait_closed()) end)
    assert.is_false(closed:done()) -- the other end has not answered
    b:close()
    await(neap.wait_for(closed, 5))
    await(neap.wait_for(b:wait_closed(), 5))
    pair.is_a(neap.ConnectionAbortedError, fails(a:read(1)))
  end)

  both("closes while much is unsent", function(a, b)
    local n = 3000000
    a:write(("y"):rep(n))
    a:close()
    local got = 0
    for data in function() return await(b:read(1 << 20)) end do got = got + #data end
    assert.equal(n, got)
  end)

  both("that is aborted resets the connection", function(a, b)
    a:abort()
    pair.is_a(neap.ConnectionResetError, fails(b:read(1)))
  end)

  both("that is closed does not wait for ever", function(a)
    a:close()
    pair.is_a(neap.TimeoutError, fails(neap.wait_for(a:wait_closed(), 5)))
  end, { connect = { tls_shutdown_timeout = 0.02 } })

  it("tells what is known of the connection", with_tls(function(a, b)
    assert.equal("TLSv1.3", a:get_extra_info "version")
    assert.equal("TLSv1.3", b:get_extra_info "version")
    local cipher = a:get_extra_info "cipher"
    assert.matches("^TLS_AES", cipher.name)
    assert.equal("TLSv1.3", cipher.protocol)
    assert.is_true(cipher.bits >= 128)
    local cert = a:get_extra_info "peercert"
    assert.equal("localhost", cert.subject.CN)
    assert.same({ "CN", "localhost" }, cert.subject[1])
    assert.equal("neap spec authority", cert.issuer.CN)
    assert.equal(3, cert.version)
    assert.same({ { "DNS", "localhost" }, { "DNS", "*.wild.test" }, { "IP Address", "127.0.0.1" },
      { "IP Address", "0:0:0:0:0:0:0:1" } }, cert.subjectAltName)
    assert.matches("^%x+$", cert.serialNumber)
    assert.matches("GMT$", cert.notBefore)
    assert.matches("GMT$", cert.notAfter)
    assert.matches("^" .. ("%x"):rep(64) .. "$", cert.fingerprint256)
    assert.equal("\x30", a:get_extra_info("peercert_der"):sub(1, 1))
    assert.is_nil(b:get_extra_info "peercert")
    assert.equal("none", b:get_extra_info("peercert_der", "none"))
    assert.equal("localhost", a:get_extra_info "server_hostname")
    assert.equal("localhost", b:get_extra_info "server_hostname")
    assert.is_nil(a:get_extra_info "alpn_protocol")
    assert.is_false(a:get_extra_info "session_reused")
    assert.equal("127.0.0.1", a:get_extra_info("peername").ip)
    assert.equal("?", a:get_extra_info("weather", "?"))
  end))

  it("knows its context", function()
    local server_context, client_context = pair.server_context(), pair.client_context()
    with_tls(function(a, b)
      assert.is_true(a:get_extra_info "sslcontext" == client_context)
      assert.is_true(b:get_extra_info("sslcontext", "none") == server_context)
    end, { connect = { tls = client_context }, listen = { tls = server_context } })()
  end)

  it("knows its context when nobody else has it any more, but for its names", function()
    local server_context, client_context
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream)
        await(stream:start_tls(pair.server_context { sni = {} }, { server_side = true }))
        collectgarbage()
        collectgarbage()
        server_context = stream:get_extra_info "sslcontext"
        assert.is_true(server_context == stream:get_extra_info "sslcontext")
        await(stream:write "hello")
      end, "127.0.0.1", 0))
      local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port,
        { tls = pair.client_context(), server_hostname = "localhost" }))
      assert.equal("hello", await(stream:readexactly(5)))
      collectgarbage()
      collectgarbage()
      client_context = stream:get_extra_info "sslcontext"
      assert.is_false(client_context == server_context)
    end)
    with_tls(function(a, b) -- both as good as before
      a:write "again"
      assert.equal("again", await(b:readexactly(5)))
    end, { connect = { tls = client_context }, listen = { tls = server_context } })()
  end)

  it("speaks of rules it was given", with_tls(function(a)
    assert.equal("TLSv1.2", a:get_extra_info "version")
    assert.equal("ECDHE-ECDSA-AES128-GCM-SHA256", a:get_extra_info("cipher").name)
  end, { server = { maximum_version = "TLSv1.2", ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } }))

  it("has the protocol that the server prefers of the client's", with_tls(function(a, b)
    assert.equal("h2", a:get_extra_info "alpn_protocol")
    assert.equal("h2", b:get_extra_info "alpn_protocol")
  end, { client = { alpn_protocols = { "http/1.1", "h2" } }, server = { alpn_protocols = { "h2", "http/1.1" } } }))

  it("has no protocol when there is none in common", with_tls(function(a, b)
    assert.is_nil(a:get_extra_info "alpn_protocol")
    assert.is_nil(b:get_extra_info "alpn_protocol")
  end, { client = { alpn_protocols = { "smtp" } }, server = { alpn_protocols = { "h2" } } }))

  it("may be forgotten", function()
    pair.with_server(function(stream) await(stream:read "a") end, { tls = pair.server_context() }, function(port)
      do
        local stream = await(neap.open_connection("127.0.0.1", port,
          { tls = pair.client_context(), server_hostname = "localhost" }))
        stream:write "bye"
      end
      collectgarbage()
      collectgarbage()
    end)
  end)
end)

describe_tls("The end of a stream with TLS", function()
  it("without close_notify is an error, after what came before it", pair.with_middle(function(a, b, middle)
    a:write "not all of"
    assert.equal("not all of", await(b:read(100)))
    a:write "it"
    pcall(await, neap.wait_for(b:readexactly(3), 0.01))
    middle.server:write_eof()
    local err = fails(b:read "a")
    pair.is_a(neap.TLSEOFError, err)
    assert.equal("EOF", err.code)
    assert.equal("UNEXPECTED_EOF_WHILE_READING", err.reason)
    assert.matches("without close_notify", err.message)
    assert.equal("it", await(b:read(2)))
    pair.is_a(neap.TLSEOFError, fails(b:read(2)))
    pair.is_a(neap.TLSEOFError, fails(b:write "x"))
    pair.is_a(neap.TLSEOFError, fails(b:wait_closed()))
    assert.is_false(b:at_eof())
  end))

  it("by a reset is a ConnectionResetError", pair.with_middle(function(a, b, middle)
    middle.server:abort()
    pair.is_a(neap.ConnectionResetError, fails(b:read(1)))
    middle.client:abort()
    pair.is_a(neap.ConnectionResetError, fails(a:read(1)))
  end))

  it("in the answer to close is no error", pair.with_middle(function(a, _, middle)
    a:close()
    middle.client:write_eof()
    await(neap.wait_for(a:wait_closed(), 5))
  end))

  it("by somebody who changed a byte is an error", function()
    local change = false
    pair.with_middle(function(a, b)
      a:write "fine"
      assert.equal("fine", await(b:read(4)))
      change = true
      a:write "not fine"
      local err = fails(b:read(1))
      pair.is_a(neap.TLSError, err)
      assert.equal("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", err.reason)
      err = fails(a:read(1)) -- it was told
      pair.is_a(neap.TLSError, err)
      assert.equal("SSLV3_ALERT_BAD_RECORD_MAC", err.reason)
    end, { up = function(data, to)
      if change then data = data:sub(1, -2) .. string.char(data:byte(-1) ~ 1) end
      await(to:write(data))
    end })()
  end)
end)

describe_tls("A server with several names", function()
  local function contexts()
    local certs = require "spec.support.certs"
    return neap.tls.context(certs.own "a_test"), neap.tls.context(certs.own "b_test")
  end

  -- The common name that a client is shown who asks for the name; or nothing, and the error.
  local function shown(sni, name, options)
    local found, problem
    pair.with_server(pair.echo, { tls = pair.server_context(pair.merge({ sni = sni }, options)) }, function(port,
      reports)
      local ok, stream = pcall(await, neap.open_connection("127.0.0.1", port,
        { tls = pair.client_context { check_hostname = false }, server_hostname = name }))
      if ok then
        found = stream:get_extra_info("peercert").subject.CN
        stream:write "hello"
        assert.equal("hello", await(stream:readexactly(5)))
        stream:close()
      else
        pair.until_(function() return #reports > 0 end)
        problem = reports[1].exception
      end
    end)
    return found, problem
  end

  it("shows the certificate of the one that is asked for", function()
    local a, b = contexts()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local options, names = { maximum_version = version }, { ["a.test"] = a, ["*.b.test"] = b }
      assert.equal("a.test", (shown(names, "a.test", options)))
      assert.equal("a.test", (shown(names, "A.Test", options)))
      assert.equal("b.test", (shown(names, "x.b.test", options)))
      assert.equal("localhost", (shown(names, "b.test", options)))
      assert.equal("localhost", (shown(names, "other.test", options)))
      assert.equal("localhost", (shown(names, "127.0.0.1", options))) -- an address is no name
    end
  end)

  it("may ask a function, which may wait", function()
    local a = contexts()
    local asked = {}
    local function find(name)
      asked[#asked + 1] = name or "nobody"
      await(neap.sleep(0.002))
      if name == "a.test" then return a end
      if name == "bad.test" then return false end
      if name == "broken.test" then error("no idea", 0) end
      if name == "wrong.test" then return 5 end
      return nil
    end
    assert.equal("a.test", (shown(find, "a.test")))
    assert.equal("localhost", (shown(find, "other.test")))
    assert.equal("localhost", (shown(find, "127.0.0.1")))
    local found, problem = shown(find, "bad.test")
    assert.is_nil(found)
    assert.equal("CALLBACK_FAILED", problem.reason)
    assert.equal("no idea", (select(2, shown(find, "broken.test"))))
    assert.matches("neither a context nor", (select(2, shown(find, "wrong.test"))))
    assert.same({ "a.test", "other.test", "nobody", "bad.test", "broken.test", "wrong.test" }, asked)
  end)

  it("has the protocols of the one that is asked for", function()
    local certs = require "spec.support.certs"
    local a = neap.tls.context(certs.own("a_test", { alpn_protocols = { "x" } }))
    with_tls(function(stream) assert.equal("x", stream:get_extra_info "alpn_protocol") end, {
      server = { sni = { ["a.test"] = a }, alpn_protocols = { "y" } },
      client = { alpn_protocols = { "y", "x" } }, connect = { server_hostname = "a.test" },
    })()
  end)
end)
