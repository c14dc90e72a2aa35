-- SPDX-License-Identifier: MIT
-- What open_connection and start_server do with the option `tls`, and Stream:start_tls. A handshake is a few steps of
-- Lua; once it is done the stream is like any other, and all of it is C.
local core = require "neap.core"
local tls = require "neap.tls.context"

local async, await = core.async, core.await

local streams = {}

-- ---- options ----

local function bad(arg, name, format, ...)
  error(("bad argument #%d to '%s' (%s)"):format(arg, name, format:format(...)), 0)
end

local function check_seconds(arg, name, options, field, otherwise)
  local seconds = options[field]
  if seconds == nil then return otherwise end
  if type(seconds) ~= "number" or not (seconds > 0 and seconds < math.huge) then
    bad(arg, name, "field '%s': seconds, more than 0, expected", field)
  end
  return seconds
end

local own = { tls = true, server_hostname = true, tls_session = true, tls_handshake_timeout = true,
  tls_shutdown_timeout = true }

-- {context =, host =, session =, handshake =, shutdown =, server =}, and the options that are the core's
local function check_options(arg, name, options, server, value)
  local settings = { server = server, context = tls.context_of(value), rest = {} }
  if not settings.context then
    bad(arg, name, "%s: %s, got %s", name == "start_tls" and "context" or "field 'tls'",
      server and "a context of neap.tls expected" or "true or a context of neap.tls expected",
      type(value))
  end
  local host = options.server_hostname
  if host ~= nil and (type(host) ~= "string" or host == "" or host:find "[%z\128-\255]") then
    bad(arg, name, "field 'server_hostname': a name or an address of ASCII characters expected")
  elseif host and (host == "." or #host > 255) then
    bad(arg, name, "field 'server_hostname': from 1 to 255 characters expected")
  end
  settings.host = host
  settings.session = options.tls_session
  if settings.session ~= nil and type(settings.session) ~= "userdata" then
    bad(arg, name, "field 'tls_session': a session expected, got %s", type(settings.session))
  end
  settings.handshake = check_seconds(arg, name, options, "tls_handshake_timeout", 60)
  settings.shutdown = check_seconds(arg, name, options, "tls_shutdown_timeout", 30)
  for field, it in pairs(options) do
    if not own[field] then settings.rest[field] = it end
  end
  return settings
end

-- What a context must have for its role; misuse is told at once.
local function check_role(arg, name, settings)
  local C, context = tls.native(), settings.context
  local mode, check_hostname, authorities = C.set_verify(context)
  if settings.server then
    if not C.has_certificate(context) and C.names(context) == nil then
      bad(arg, name, "the context has no certificate: a server wants one")
    end
    if mode and mode ~= "none" and not authorities then
      bad(arg, name, "verify_mode \"%s\" for clients wants a 'cafile', 'capath' or 'cadata'", mode)
    end
  elseif check_hostname and not settings.host then
    bad(arg, name, "field 'server_hostname' is missing: whom is the certificate to be of?")
  end
  local problem = settings.session and C.session_problem(settings.session, context, settings.host)
  if problem then bad(arg, name, "field 'tls_session': %s", problem) end
end

-- ---- handshakes ----

local function shake(C, handshake, settings)
  local done = C.wait(handshake)
  if done == nil or type(done) == "string" then -- the name that the client asks for
    C.choose(handshake, tls.choose(settings.context, done))
    done = C.wait(handshake)
  end
  return done
end

local function begin(stream, it)
  return tls.native().begin(stream, it.context, it.server, it.host, it.session, it.shutdown)
end

local function finish(stream, handshake, settings)
  local C = tls.native()
  local ended, done = core.move_on_after(settings.handshake, function() return true, shake(C, handshake, settings) end)
  if done then return end
  if not ended then
    error(core.ConnectionAbortedError(("the TLS handshake takes longer than %g seconds"):format(settings.handshake),
      { code = "ECONNABORTED" }), 0)
  end
  await(stream:drain()) -- raises what it was lost by
  error(core.ConnectionAbortedError("the stream was closed in the TLS handshake", { code = "ECONNABORTED" }), 0)
end

-- A stream that does not become secure is aborted, whatever the reason.
local function abort_unless(ok, stream, problem)
  if ok then return end
  stream:abort()
  error(problem, 0)
end

local function secure(stream, settings)
  local ok, handshake = pcall(begin, stream, settings)
  abort_unless(ok, stream, handshake)
  local fine, problem = pcall(finish, stream, handshake, settings)
  abort_unless(fine, stream, problem)
  return stream
end

-- What the core raises of its own arguments, worded as if we were it.
local function call_core(name, ...)
  local ok, result = pcall(core[name], ...)
  if ok then return result end
  if type(result) == "string" then result = result:gsub("'neap[%w_.]*%.([%w_]+)'", "'%1'") end
  error(result, 0)
end

-- Bad arguments are told with the line of who called: us, by way of a function between.
local function door(fn)
  return function(...)
    local ok, result = pcall(fn, ...)
    if ok then return result end
    error(result, type(result) == "string" and 3 or 0)
  end
end

-- ---- the doors ----

-- A client over what core[name] connects. The options are the last argument.
local function connect(name, host, ...)
  local n = select("#", ...)
  local arguments = { ... }
  local settings = check_options(n, name, arguments[n], false, arguments[n].tls)
  settings.host = settings.host or host
  arguments[n] = settings.rest
  local connection = call_core(name, table.unpack(arguments, 1, n))
  check_role(n, name, settings)
  return async(function() return secure(await(connection), settings) end)()
end

-- awaitable = open_connection(host, port, options)
streams.open_connection = door(function(host, port, options)
  return connect("open_connection", type(host) == "string" and host or nil, host, port, options)
end)

-- awaitable = open_unix_connection(path, options)
streams.open_unix_connection = door(function(path, options)
  return connect("open_unix_connection", nil, path, options)
end)

-- A server on what core[name] listens on: the handler comes first, the options last.
local function serve(name, handler, ...)
  local n = select("#", ...)
  local arguments = { ... }
  local settings = check_options(n + 1, name, arguments[n], true, arguments[n].tls)
  arguments[n] = settings.rest
  local function accepted(stream)
    local ok, problem = core.pcall(finish, stream, begin(stream, settings), settings)
    if ok then return handler(stream) end
    if core.is(problem, core.ConnectionAbortedError) and stream:is_closing() then return end -- by us
    stream:abort()
    core.call_exception_handler { message = "TLS handshake failed", exception = problem, stream = stream }
  end
  local callable = type(handler) == "function" or (getmetatable(handler) or {}).__call
  local server = call_core(name, callable and accepted or handler, table.unpack(arguments, 1, n))
  check_role(n + 1, name, settings)
  return server
end

-- awaitable = start_server(handler, host, port, options)
streams.start_server = door(function(handler, host, port, options)
  return serve("start_server", handler, host, port, options)
end)

-- awaitable = start_unix_server(handler, path, options)
streams.start_unix_server = door(function(handler, path, options)
  return serve("start_unix_server", handler, path, options)
end)

-- awaitable = stream:start_tls(context [, options])
streams.start_tls = door(function(stream, context, options)
  if options ~= nil and type(options) ~= "table" then
    error(("bad argument #2 to 'start_tls' (table expected, got %s)"):format(type(options)), 0)
  end
  options = options or {}
  for field in pairs(options) do
    if field == "tls" or not own[field] and field ~= "server_side" then
      bad(2, "start_tls", "field '%s' is unknown", tostring(field))
    end
  end
  local settings = check_options(1, "start_tls", options, options.server_side == true, context)
  check_role(2, "start_tls", settings)
  core.Stream.is_closing(stream) -- is it one?
  return async(function()
    await(stream:drain())
    local handshake = begin(stream, settings)
    local ok, problem = pcall(finish, stream, handshake, settings)
    abort_unless(ok, stream, problem)
  end)()
end)

return streams
