-- An echo server over TLS, and its clients: one that trusts it, and two that do not.
local neap = require "neap"
local await = neap.await

-- A certificate of localhost, signed by nobody else: clients that are to trust it are given it as an authority.
local certfile, keyfile = os.tmpname(), os.tmpname()
assert(os.execute((
  "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
  .. "-addext subjectAltName=DNS:localhost -out %s -keyout %s 2>/dev/null"):format(certfile, keyfile)))
local server_context = neap.tls.context { certfile = certfile, keyfile = keyfile, alpn_protocols = { "echo" } }
local client_context = neap.tls.context { cafile = certfile, alpn_protocols = { "echo" } }
os.remove(certfile)
os.remove(keyfile)

local function echo(stream) -- a stream like any other
  for line in stream:lines() do
    await(stream:write(line:upper(), "\n"))
  end
end

local function try(port, options)
  local stream <close> = await(neap.open_connection("127.0.0.1", port, options))
  await(stream:write "hello\n")
  print(await(stream:read "l"), stream:get_extra_info "version", stream:get_extra_info "alpn_protocol",
    stream:get_extra_info("peercert").subject.CN)
  stream:write_eof()
  assert(await(stream:read "a") == "") -- it ended in order: nothing was cut off
end

neap.run(function()
  neap.set_exception_handler(function(context) print("server:", context.message, context.exception.reason) end)
  local server <close> = await(neap.start_server(echo, "127.0.0.1", 0, { tls = server_context }))
  local port = server:getsockname().port
  try(port, { tls = client_context, server_hostname = "localhost" })

  for _, options in ipairs {
    { tls = client_context, server_hostname = "example.org" }, -- another host's
    { tls = true, server_hostname = "localhost" }, -- nobody that the system trusts vouches for it
  } do
    local ok, problem = pcall(try, port, options)
    print(ok, problem.name, problem.verify_message)
    await(neap.sleep(0.05)) -- the server is told, too
  end
end)
--[[ prints:
HELLO	TLSv1.3	echo	localhost
false	CertificateError	hostname mismatch
server:	TLS handshake failed	SSLV3_ALERT_BAD_CERTIFICATE
false	CertificateError	self-signed certificate
server:	TLS handshake failed	TLSV1_ALERT_UNKNOWN_CA
]]
