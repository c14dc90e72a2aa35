-- SPDX-License-Identifier: MIT
-- neap.watch: what happens to files and directories, as an iterator. This file has the queue of events and
-- the class; events come from changes.lua (the system tells) or from poll.lua (libuv looks now and then).
--
-- Callbacks know the `state`, not the Watch, so that a Watch nobody refers to is collected and closed.
local check = require "neap.fs.check"
local core = require "neap.core"

local async, await, Future = core.async, core.await, core.Future

local QUEUE = 1024 -- events

-- ---- the queue ----

local function wake(futures)
  for i = 1, #futures do
    if not futures[i]:done() then futures[i]:set_result() end
  end
  for i = #futures, 1, -1 do futures[i] = nil end
end

-- A source calls emit(state, event): {kind =, path =, name =, ...}. An event that waits already covers the
-- same one again. What there is no room for is counted in an event of its own.
local function emit(state, event)
  if state.closed or state.ended then return end
  local key = event.kind .. "\0" .. event.path
  if state.waiting[key] then return end
  if state.last - state.first + 1 >= state.limit then
    local newest = state[state.last]
    if newest.kind == "overflow" then
      newest.lost = newest.lost and newest.lost + 1
      return
    end
    event, key = { kind = "overflow", path = state.path, name = "", lost = 1 }, nil
  end
  if key then state.waiting[key] = true end
  state.last = state.last + 1
  state[state.last] = event
  wake(state.readers)
end

local function take(state)
  if state.first > state.last then return nil end
  local event = state[state.first]
  state[state.first] = nil
  state.first = state.first + 1
  state.waiting[event.kind .. "\0" .. event.path] = nil
  return event
end

-- No more events come; those that wait are still given.
local function finish(state)
  state.ended = true
  wake(state.readers)
  wake(state.settlers)
end

local function close(state)
  if state.closed then return end
  state.closed = true
  for i = state.first, state.last do state[i] = nil end
  state.first, state.last = 1, 0
  state.stop(state)
  finish(state)
end

local function wait_in(futures)
  local future = Future()
  futures[#futures + 1] = future
  return await(future)
end

-- A handle that is still closing when the Lua state ends crashes luv 1.44: so it is closed in a round of the
-- loop, which sees to the end of it, and if there is none, only stopped.
local function release(handle)
  handle:stop()
  pcall(core.call_soon, function() if not handle:is_closing() then handle:close() end end)
end

-- ---- the class ----

local Watch = setmetatable({}, { __name = "class neap.Watch" })
local meta = setmetatable({ __index = Watch, __name = "neap.Watch" }, { __index = Watch })

local function watch_of(self, name)
  if getmetatable(self) ~= meta then check.self(name, "neap.Watch", self) end
  return self.state
end

-- event = watch(): nil when it is closed, or what it watched is gone
function meta.__call(self)
  local state = self.state
  while true do
    local event = take(state)
    if event or state.closed or state.ended then return event end
    wait_in(state.readers)
  end
end

local ready = async(function(state)
  while state.scanning > 0 and not state.ended do wait_in(state.settlers) end
end)

function Watch:ready() return ready(watch_of(self, "ready")) end

function Watch:close() close(watch_of(self, "close")) end

function Watch:is_closing() return watch_of(self, "is_closing").closed end

function meta.__tostring(self)
  local state = self.state
  return ("neap.Watch (%s, %s)"):format(state.closed and "closed" or state.ended and "ended" or "open", state.path)
end

meta.__close = function(self) close(self.state) end

function meta.__gc(self)
  local state = self.state
  if state.closed then return end
  if state.origin and not state.ended then
    pcall(core.call_exception_handler, {
      message = ("%s was never closed (made at %s)"):format(tostring(self), state.origin),
    })
  end
  pcall(close, state)
end

-- ---- watch ----

-- watch, nil, nil, watch = watch(path [, {recursive =, poll =, queue =}]): for the generic for, which closes it
local function watch(path, options)
  check.path(1, "watch", path)
  options = check.options(2, "watch", options, { recursive = true, poll = true, queue = true })
  local recursive = check.field(2, "watch", options, "recursive", "boolean", false)
  local poll = check.field(2, "watch", options, "poll", "number")
  if poll and not (poll > 0 and poll < 1e6) then
    check.fail(2, "watch", "field 'poll': a positive number of seconds expected", 2)
  end
  if poll and recursive then check.fail(2, "watch", "field 'poll': not together with 'recursive'", 2) end
  local state = {
    path = #path > 1 and path:match "^(.-)/*$" or path,
    limit = check.field_count(2, "watch", options, "queue", 1, QUEUE),
    first = 1, last = 0, waiting = {}, readers = {}, settlers = {}, scanning = 0,
    closed = false, ended = false, emit = emit, finish = finish, wake = wake, release = release,
  }
  if state.path == "" then state.path = "/" end
  if core.get_debug() then state.origin = check.where(2) end
  if poll then
    require "neap.fs.poll"(state, poll)
  else
    require "neap.fs.changes"(state, recursive)
  end
  local made = setmetatable({ state = state }, meta)
  return made, nil, nil, made
end

return { watch = watch, Watch = Watch }
