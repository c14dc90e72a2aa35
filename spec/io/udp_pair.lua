-- SPDX-License-Identifier: MIT
-- What the specs of datagrams share.
local neap = require "neap"
local assert = require "luassert"
local uv = require "luv"
local loop = require "spec.support.loop"
local await, open = neap.await, neap.open_datagram

local M = { LOCAL = "127.0.0.1" }

function M.run(fn)
  return function() loop.run(fn, { clock = "real" }) end
end

-- fn(server, client): the client is connected to the server.
function M.with_pair(fn, server_options, client_options)
  return M.run(function()
    server_options, client_options = server_options or {}, client_options or {}
    server_options.local_addr = { M.LOCAL, 0 }
    local server <close> = await(open(server_options))
    client_options.remote_addr = server:getsockname()
    local client <close> = await(open(client_options))
    fn(server, client)
    client:close()
    server:close()
    await(client:wait_closed())
    await(server:wait_closed())
  end)
end

function M.misuse(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

-- The two ends of a pair of sockets that refuses to take more when nobody receives.
function M.narrow()
  local fds = uv.socketpair("dgram", nil, { nonblock = true }, { nonblock = true })
  return await(open { fd = fds[1] }), await(open { fd = fds[2] })
end

return M
