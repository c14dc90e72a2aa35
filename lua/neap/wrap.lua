-- SPDX-License-Identifier: MIT
-- neap.wrap: a function that takes a callback becomes an async function. It knows nothing of luv but
-- how it words errors and that a request can be cancelled. Nothing here raises into the caller of a
-- callback, and each call is answered once: what comes later is handed to `late` or dropped.
local core = require "neap.core"
local oserror = require "neap.oserror"
local uv = require "luv"

local await, Future = core.await, core.Future
local pack, unpack = table.pack, table.unpack

local function fail(future, reason, what) future:set_exception(oserror(reason, what)) end

-- One call: {future =, what =, late =, reason =}. `future` is done by the callback or cancelled.
local function answer(call, reason, ...)
  local future = call.future
  if call.answered or future:done() then
    if call.late and not reason then pcall(call.late, ...) end
    return
  end
  call.answered = true
  local ok, problem
  if reason then
    ok, problem = pcall(fail, future, reason, call.what)
  else
    ok, problem = pcall(future.set_result, future, ...)
  end
  if not ok then -- no memory for the answer: the waiter is woken all the same
    call.reason = problem
    future:cancel()
  end
end

local function cancel_request(request)
  if type(request) == "userdata" then pcall(uv.cancel, request) end
end

-- After await(future): passes its results on, or undoes the call.
local function finish(call, started, ok, ...)
  if ok then return ... end
  local future, problem = call.future, ...
  if call.reason then error(call.reason, 0) end
  if not call.answered then
    pcall(call.cancel or cancel_request, unpack(started, 1, started.n))
  elseif call.late and not future:cancelled() and future:exception() == nil then
    pcall(call.late, future:result()) -- answered, but cancelled before it was taken
  end
  error(problem, 0)
end

-- luv's functions are called by way of pcall: then their messages name them, and get the line of
-- whoever awaits.
local function call_luv(fn, ...)
  local started = pack(pcall(fn, ...))
  if not started[1] then error(started[2], 4) end
  return unpack(started, 2, started.n)
end

local function start(fn, options, ...)
  local call = { future = Future(), what = options.what, late = options.late, cancel = options.cancel }
  local arguments = pack(...)
  local at = options.at or arguments.n + 1
  if arguments.n >= at then table.move(arguments, at, arguments.n, at + 1) end
  arguments[at] = function(...) answer(call, ...) end
  local n = math.max(at, arguments.n + 1)
  local started
  if options.luv then
    started = pack(call_luv(fn, unpack(arguments, 1, n)))
  else
    started = pack(fn(unpack(arguments, 1, n)))
  end
  if not started[1] and started[2] ~= nil and not call.future:done() then
    call.answered = true
    error(oserror(started[2], call.what), 0)
  end
  return finish(call, started, pcall(await, call.future))
end

local none = {}
local known = { at = true, cancel = true, late = true, what = true, luv = true } -- luv: see neap.uv

local function check_known(options)
  for field in pairs(options) do
    if not known[field] then
      error(("bad argument #2 to 'wrap' (field '%s' is unknown)"):format(tostring(field)), 3)
    end
  end
end

local function check_option(options, name, expected)
  local value = options[name]
  if value == nil or type(value) == expected then return end
  error(("bad argument #2 to 'wrap' (field '%s': %s expected, got %s)"):format(name, expected, type(value)), 3)
end

-- async_function = wrap(fn [, {at =, cancel =, late =, what =}])
return function(fn, options)
  local meta = type(fn) ~= "function" and getmetatable(fn)
  if type(fn) ~= "function" and not (type(meta) == "table" and meta.__call) then
    error(("bad argument #1 to 'wrap' (function expected, got %s)"):format(type(fn)), 2)
  end
  if options ~= nil and type(options) ~= "table" then
    error(("bad argument #2 to 'wrap' (table expected, got %s)"):format(type(options)), 2)
  end
  options = options or none
  check_known(options)
  check_option(options, "at", "number")
  if options.at and not (math.tointeger(options.at) and options.at >= 1 and options.at <= 250) then
    error("bad argument #2 to 'wrap' (field 'at': a position, from 1, expected)", 2)
  end
  check_option(options, "cancel", "function")
  check_option(options, "late", "function")
  check_option(options, "what", "string")
  return core.async(function(...) return start(fn, options, ...) end)
end
