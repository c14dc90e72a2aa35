-- SPDX-License-Identifier: MIT
-- What spec/c/oom.c runs while it refuses memory, for TLS: contexts, handshakes that succeed and that fail, both ends.
-- With NEAP_OOM_SSL=1 OpenSSL's own requests are refused too.
local folder = (os.getenv "NEAP_BUILD" or "build") .. "/spec/"

local function read(name)
  local file = io.open(folder .. name, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

if not read "oom_cert.pem" then
  local command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 "
    .. "-subj /CN=localhost -addext subjectAltName=DNS:localhost -out %soom_cert.pem -keyout %soom_key.pem 2>%soom_log"
  os.execute(command:format(folder, folder, folder))
end
local cert, key = assert(read "oom_cert.pem"), assert(read "oom_key.pem")

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

local function contexts(neap)
  local server = neap.tls.context { certdata = cert, keydata = key, alpn_protocols = { "x" } }
  return neap.tls.context { certdata = cert, keydata = key, alpn_protocols = { "y", "x" },
    sni = { localhost = server } },
    neap.tls.context { cadata = cert, alpn_protocols = { "x" }, groups = "P-256", ciphers = "ECDHE+AESGCM" }
end

local text = ("0123456789"):rep(4000)

local function echo()
  local neap = require "neap"
  local await = neap.await
  local server_context, client_context = contexts(neap)
  neap.run(function()
    local server <close> = await(neap.start_server(function(stream)
      await(stream:write(await(stream:readexactly(#text))))
    end, "127.0.0.1", 0, { tls = server_context }))
    neap.timeout(5, function()
      local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port,
        { tls = client_context, server_hostname = "localhost" }))
      await(stream:write(text))
      same(await(stream:readexactly(#text)), text)
      same(stream:get_extra_info("peercert").subject.CN, "localhost")
      same(stream:get_extra_info "alpn_protocol", "x")
      same(#stream:get_extra_info "peercert_der" > 100, true)
      same(stream:get_extra_info("cipher").protocol, "TLSv1.3")
      stream:get_extra_info "tls_session"
      same(stream:get_extra_info "sslcontext", client_context)
      stream:close()
      await(stream:wait_closed())
    end)
  end)
end

local function refuse()
  local neap = require "neap"
  local await = neap.await
  local server_context, client_context = contexts(neap)
  neap.run(function()
    local server <close> = await(neap.start_server(function() end, "127.0.0.1", 0, { tls = server_context }))
    local ok, err = pcall(await, neap.wait_for(neap.open_connection("127.0.0.1", server:getsockname().port,
      { tls = client_context, server_hostname = "example.org" }), 5))
    same(ok, false)
    if not neap.is(err, neap.CertificateError) then error(err, 0) end
    same(err.verify_code, 62)
  end)
end

local function secure_later()
  local neap = require "neap"
  local await = neap.await
  local server_context, client_context = contexts(neap)
  neap.run(function()
    local server <close> = await(neap.start_server(function(stream)
      await(stream:start_tls(server_context, { server_side = true }))
      await(stream:write(await(stream:readexactly(5))))
    end, "127.0.0.1", 0))
    neap.timeout(5, function()
      local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
      local task = neap.create_task(stream:start_tls(client_context, { server_hostname = "localhost" }))
      await(neap.sleep(0))
      stream:write "early" -- it is kept until the handshake is done
      await(task)
      same(await(stream:readexactly(5)), "early")
    end)
  end)
end

local sections = { { "TLS echo", echo }, { "TLS refused", refuse }, { "TLS later", secure_later } }

-- Before anything is refused: what OpenSSL makes once and keeps.
for _, section in ipairs(sections) do section[2]() end
collectgarbage()

return { sections = sections, check = echo }
