-- SPDX-License-Identifier: MIT
-- What the specs of TLS share: the two ends of a secure connection, contexts, errors looked at.
local assert = require "luassert"
local neap = require "neap"
local certs = require "spec.support.certs"
local await = neap.await

local M = dofile "spec/io/pair.lua"

-- busted's describe, unless there is no TLS here: then one pending spec says why
function M.usable(describe, pending)
  local why = certs.missing()
  if not why then return describe end
  return function(name)
    describe(name, function() pending("is not looked at: " .. why) end)
  end
end

function M.merge(...)
  local all = {}
  for i = 1, select("#", ...) do
    for name, value in pairs((select(i, ...)) or {}) do all[name] = value end
  end
  return all
end

function M.server_context(options) return neap.tls.context(M.merge(certs.own "server", options)) end

function M.client_context(options)
  return neap.tls.context(M.merge({ cafile = certs.path "ca.pem" }, options))
end

-- A function that runs fn(a, b) with the client's and the server's end of a connection. options: server and client for
-- their contexts, listen and connect for start_server and open_connection.
function M.with_tls(fn, options)
  options = options or {}
  return function()
    neap.run(function()
      local accepted, done = neap.Future(), neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        accepted:set_result(stream)
        await(done)
      end, "127.0.0.1", 0, M.merge({ tls = M.server_context(options.server) }, options.listen)))
      local a <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port,
        M.merge({ tls = M.client_context(options.client), server_hostname = "localhost" }, options.connect)))
      local b <close> = await(neap.wait_for(accepted, 10))
      fn(a, b)
      done:set_result()
    end)
  end
end

-- Passes on what comes, and the end.
local function pass_on(from, to, pass)
  local ok = pcall(function()
    for data in function() return await(from:read(65536)) end do
      if pass then pass(data, to) else await(to:write(data)) end
    end
  end)
  if ok then pcall(to.write_eof, to) else to:abort() end
end

-- As with_tls, over a man in the middle: fn(a, b, middle), middle.client and middle.server being his two plain streams.
-- options.up(data, to) and options.down(data, to) pass bytes on in his place; options.blind: fn(connect, port, middle)
-- is called before anybody connects, connect() gives an awaitable; options.serve(stream) is what the server does.
function M.with_middle(fn, options)
  options = options or {}
  return function()
    neap.run(function()
      neap.set_exception_handler(options.handler or nil)
      local accepted, done, middle = neap.Future(), neap.Future(), {}
      local server <close> = await(neap.start_server(function(stream)
        if not accepted:done() then accepted:set_result(stream) end
        if options.serve then options.serve(stream) else await(done) end
      end, "127.0.0.1", 0, M.merge({ tls = M.server_context(options.server) }, options.listen)))
      local proxy <close> = await(neap.start_server(function(client)
        local up <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        middle.client, middle.server = client, up
        await(neap.gather(function() pass_on(client, up, options.up) end,
          function() pass_on(up, client, options.down) end))
      end, "127.0.0.1", 0))
      local port = proxy:getsockname().port
      local function connect()
        return neap.open_connection("127.0.0.1", port,
          M.merge({ tls = M.client_context(options.client), server_hostname = "localhost" }, options.connect))
      end
      if options.blind then
        fn(connect, port, middle)
      else
        local a <close> = await(connect())
        local b <close> = await(neap.wait_for(accepted, 10))
        fn(a, b, middle)
      end
      done:set_result()
      proxy:close()
      proxy:abort_clients()
      server:close()
      server:abort_clients()
      await(neap.wait_for(neap.gather(server:wait_closed(), proxy:wait_closed()), 10))
    end)
  end
end

-- Runs fn(port, reports) beside a server; reports are what the exception handler was told.
function M.with_server(handler, options, fn)
  neap.run(function()
    local reports = {}
    neap.set_exception_handler(function(context) reports[#reports + 1] = context end)
    local server <close> = await(neap.start_server(handler, "127.0.0.1", 0, options))
    fn(server:getsockname().port, reports, server)
    server:close()
    server:abort_clients()
    await(neap.wait_for(server:wait_closed(), 10))
  end)
end

function M.echo(stream)
  while true do
    local data = await(stream:read(65536))
    if not data then break end
    await(stream:write(data))
  end
end

-- The error of connecting to the port; nothing must be left open by it.
function M.refused(port, options)
  local ok, err = pcall(await, neap.open_connection("127.0.0.1", port, options))
  assert.is_false(ok)
  return err
end

function M.is_a(class, err) assert.is_true(neap.is(err, class), tostring(err)) end

function M.until_(condition)
  neap.timeout(10, function()
    while not condition() do await(neap.sleep(0.001)) end
  end)
end

return M
