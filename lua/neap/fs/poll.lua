-- SPDX-License-Identifier: MIT
-- A source of events for neap.watch: the path's stat is asked for now and then. As uv_fs_poll, of which a
-- handle takes several rounds of the loop to close; luv 1.44 crashes when the Lua state ends in between.
local core = require "neap.core"
local oserror = require "neap.oserror"
local uv = require "luv"

local missing = { ENOENT = true, ENOTDIR = true }

local function time(a, b) return a.sec == b.sec and a.nsec == b.nsec end

local function same(a, b)
  return a.size == b.size and a.mode == b.mode and a.uid == b.uid and a.gid == b.gid and a.nlink == b.nlink
    and time(a.mtime, b.mtime) and time(a.ctime, b.ctime)
end

return function(state, seconds)
  local name = state.path:match "[^/]*$"
  local first, before, code = true, nil, nil
  local look, timer

  local function event(kind, fields)
    fields = fields or {}
    fields.kind, fields.path, fields.name = kind, state.path, name
    state.emit(state, fields)
  end

  local function compare(reason, now)
    local problem = reason and oserror(reason, "fs_stat")
    local new_code = problem and core.is(problem, core.OSError) and problem.code or problem
    if problem and not missing[new_code] then
      if new_code ~= code then event("error", { error = problem }) end
    elseif not first and (not now ~= not before or now and now.ino ~= before.ino) then
      event "rename"
    elseif not first and now and not same(before, now) then
      event "change"
    end
    first, before, code = false, now, new_code
  end

  local function answered(reason, now)
    if state.closed then return end
    timer = core.call_later(seconds, look)
    compare(reason, now)
    if state.scanning > 0 then
      state.scanning = 0
      state.wake(state.settlers)
    end
  end

  function look()
    if state.closed then return end
    local request, reason = uv.fs_stat(state.path, answered)
    if not request then answered(reason) end
  end

  state.stop = function() if timer then timer:cancel() end end
  state.scanning = 1
  look()
end
