-- SPDX-License-Identifier: MIT
-- TLS with other people's programs: openssl, curl, Python.
local neap = require "neap"
local certs = require "spec.support.certs"
local pair = dofile "spec/tls/pair.lua"
local tool = dofile "spec/tls/tool.lua"
local describe_tls = pair.usable(describe, pending)
local await = neap.await

-- it(), if there is such a program
local function it_with(program, name, fn)
  if tool.has(program) then
    it(name, fn)
  else
    pending(("%s (no %s)"):format(name, program))
  end
end

local function serving(handler, fn, options)
  return function()
    pair.with_server(handler, { tls = pair.server_context(options) }, fn)
  end
end

local function shout(stream)
  for line in stream:lines() do await(stream:write(line:upper(), "\n")) end
end

local function s_client(port, options)
  return tool.start(("openssl s_client -connect 127.0.0.1:%d -servername localhost -CAfile %s -verify_return_error %s")
    :format(port, certs.path "ca.pem", options or ""))
end

local function with_s_server(options, fn)
  return function()
    neap.run(function()
      local server <close> = tool.start(("openssl s_server -accept 127.0.0.1:0 -cert %s -key %s %s")
        :format(certs.path "server.pem", certs.path "server.key", options))
      fn(tonumber(server:expect "ACCEPT 127.0.0.1:(%d+)"), server)
    end)
  end
end

local function open(port, client, options)
  return neap.open_connection("127.0.0.1", port,
    pair.merge({ tls = pair.client_context(client), server_hostname = "localhost" }, options))
end

describe_tls("openssl s_client", function()
  for _, version in ipairs { "1_2", "1_3" } do
    it(("talks with our server (TLS %s)"):format(version), serving(shout, function(port)
      local client <close> = s_client(port, "-tls" .. version)
      client:write "hello\n"
      client:expect "HELLO\n"
      client:finish()
      local text, code = client:wait()
      assert.equal(0, code, text)
    end))
  end

  it("sees our protocol, our chain and our close_notify", serving(function(stream)
    await(stream:write "good day\n")
  end, function(port)
    local client <close> = s_client(port, "-alpn h2 -msg")
    local text, code = client:wait()
    assert.matches("Verification: OK", text)
    assert.matches("ALPN protocol: h2", text)
    assert.matches("good day", text)
    assert.matches("Alert.-warning close_notify", text)
    assert.equal(0, code, text)
  end, { alpn_protocols = { "h2" } }))

  it("resumes a session", serving(shout, function(port)
    local path = certs.path "session.pem"
    do
      local first <close> = s_client(port, "-sess_out " .. path)
      first:write "hello\n"
      first:expect "HELLO\n"
      first:finish()
      first:wait()
    end
    local second <close> = s_client(port, "-sess_in " .. path)
    second:expect "Reused, TLSv1.3"
    second:write "again\n"
    second:expect "AGAIN\n"
    second:finish()
    second:wait()
  end))

  it("changes keys in the middle", serving(shout, function(port)
    local client <close> = s_client(port, "-tls1_3 -msg")
    client:write "first\n"
    client:expect "FIRST\n"
    client:write "K\n" -- asks us to do so too, which we do with what we send next
    client:expect ">>> [^\n]*KeyUpdate"
    client:write "second\n"
    client:expect "<<< [^\n]*KeyUpdate"
    client:expect "SECOND\n"
    client:write "k\n" -- s_client drops what comes with a command
    client:expect ">>> [^\n]*KeyUpdate.->>> [^\n]*KeyUpdate"
    client:write "three\n"
    client:expect "THREE\n"
  end))

  it("does not get to renegotiate", serving(shout, function(port)
    local client <close> = s_client(port, "-tls1_2")
    client:write "first\n"
    client:expect "FIRST\n"
    client:write "R\n"
    client:expect "RENEGOTIATING"
    client:expect "no renegotiation"
  end))

  it("shows its certificate", serving(function(stream)
    await(stream:write(stream:get_extra_info("peercert").subjectAltName[1][2], "\n"))
  end, function(port)
    local client <close> = s_client(port, ("-cert %s -key %s"):format(certs.path "client.pem", certs.path "client.key"))
    client:expect "somebody@client.test"
  end, { cafile = not certs.missing() and certs.path "ca.pem" or nil, verify_mode = "required" }))
end)

describe_tls("openssl s_server", function()
  for _, version in ipairs { "1_2", "1_3" } do
    it(("talks with our client (TLS %s)"):format(version), with_s_server("-rev -tls" .. version, function(port)
      local stream <close> = await(open(port))
      await(stream:write "hello\n")
      assert.equal("olleh", await(stream:read "l"))
      for _, size in ipairs { 1, 5000, 10000 } do
        local text = ("abc"):rep(size):sub(1, size)
        await(stream:write(text, "\n"))
        assert.equal(text:reverse(), await(stream:read "l"))
      end
      stream:write_eof()
      assert.equal("", await(stream:read "a"))
    end))
  end

  it("serves a page", with_s_server("-www", function(port)
    local stream <close> = await(open(port, nil, { server_hostname = "any.wild.test" }))
    await(stream:write "GET / HTTP/1.0\r\n\r\n")
    local text = await(stream:read "a")
    assert.matches("^HTTP/1.0 200 ok", text)
    assert.matches("TLSv1.3", text)
  end))

  it("wants a certificate of ours", with_s_server(
    ("-rev -Verify 1 -verify_return_error -CAfile %s"):format(certs.missing() and "" or certs.path "ca.pem"),
      function(port)
      do
        local stream <close> = await(open(port, certs.own "client"))
        await(stream:write "hello\n")
        assert.equal("olleh", await(stream:read "l"))
      end
      local stream <close> = await(open(port)) -- with TLS 1.3 the handshake ends before the server has looked
      local ok, err = pcall(await, stream:read "l")
      assert.is_false(ok)
      pair.is_a(neap.TLSError, err)
      assert.matches("CERTIFICATE_REQUIRED", err.reason)
    end))

  it("is cut off by a kill, which is no end", with_s_server("", function(port, server)
    local stream <close> = await(open(port))
    server:write "last words\n"
    assert.equal("last words", await(stream:read "l"))
    server.child:kill "sigkill"
    local ok, err = pcall(await, stream:read "a")
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TLSEOFError) or neap.is(err, neap.ConnectionResetError), tostring(err))
  end))

  it("resumes a session of ours", with_s_server("-rev", function(port)
    local context, session = pair.client_context(), nil
    for i = 1, 2 do
      local stream <close> = await(open(port, nil, { tls = context, tls_session = session }))
      await(stream:write "hello\n")
      assert.equal("olleh", await(stream:read "l"))
      assert.equal(i == 2, stream:get_extra_info "session_reused")
      session = stream:get_extra_info "tls_session"
    end
  end))
end)

local function page(stream)
  for line in stream:lines() do
    if line == "\r" then break end
  end
  local body = ("a page of text\n"):rep(20000)
  await(stream:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"):format(#body), body))
end

describe_tls("curl", function()
  it_with("curl", "fetches a page from our server", serving(page, function(port)
    local client <close> = tool.start(("curl -sS --cacert %s --resolve localhost:%d:127.0.0.1 https://localhost:%d/")
      :format(certs.path "ca.pem", port, port))
    local text, code = client:wait()
    assert.equal(0, code, text)
    assert.equal(("a page of text\n"):rep(20000), text)
  end))

  it_with("curl", "does not trust a server that nobody vouches for", serving(page, function(port, reports)
    local client <close> = tool.start(("curl -sS --cacert %s https://127.0.0.1:%d/"):format(
      certs.path "other_ca.pem", port))
    local text, code = client:wait()
    assert.equal(60, code, text)
    pair.until_(function() return #reports == 1 end)
    assert.equal("TLSV1_ALERT_UNKNOWN_CA", reports[1].exception.reason)
  end))
end)

describe_tls("Python", function()
  local client = [[
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as raw:
    with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
        tls.sendall(b"x" * 300000)
        got = 0
        while got < 300000:
            got += len(tls.recv(65536))
        print(tls.version(), got)
        tls.unwrap()
        print("unwrapped")
]]
  local server = [[
import asyncio, ssl, sys
async def handle(reader, writer):
    data = await reader.readexactly(100000)
    writer.write(data[::-1])
    await writer.drain()
    writer.close()
async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
]]
  local function script(name, text)
    local path = certs.path(name)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
  end

  it_with("python3", "talks with our server, and both say goodbye", serving(pair.echo, function(port, reports)
    local peer <close> = tool.start(("python3 %s %d %s"):format(script("client.py", client), port, certs.path "ca.pem"))
    local text, code = peer:wait()
    assert.equal("TLSv1.3 300000\nunwrapped\n", text)
    assert.equal(0, code)
    assert.same({}, reports)
  end))

  it_with("python3", "talks with our client by asyncio", function()
    neap.run(function()
      local peer <close> = tool.start(("python3 %s %s %s"):format(script("server.py", server), certs.path "server.pem",
        certs.path "server.key"))
      local port = tonumber(peer:expect "port (%d+)")
      local text = ("0123456789"):rep(10000)
      local stream <close> = await(open(port))
      await(stream:write(text))
      assert.equal(text:reverse(), await(stream:read "a"))
      stream:close()
      await(neap.wait_for(stream:wait_closed(), 10))
    end)
  end)
end)
