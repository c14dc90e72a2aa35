-- SPDX-License-Identifier: MIT
-- A source of events for neap.watch: libuv asks for the path's stat now and then.
local core = require "neap.core"
local oserror = require "neap.oserror"
local uv = require "luv"

local missing = { ENOENT = true, ENOTDIR = true }

return function(state, seconds)
  local handle = uv.new_fs_poll()
  local there -- nil: as it was at first
  local name = state.path:match "[^/]*$"
  local function event(kind) state.emit(state, { kind = kind, path = state.path, name = name }) end
  state.stop = function() if not handle:is_closing() then handle:close() end end
  local ok, reason = handle:start(state.path, math.max(1, math.floor(seconds * 1000)), function(problem, before, now)
    if state.closed then return end
    if problem then
      local err = oserror(problem, "fs_poll")
      if not missing[core.is(err, core.OSError) and err.code] then
        state.emit(state, { kind = "error", path = state.path, name = name, error = err })
      elseif there ~= nil or before and before.ino and before.ino ~= 0 then
        event "rename"
      end
      there = false
    else
      event((there == false or before.ino ~= now.ino) and "rename" or "change")
      there = true
    end
  end)
  if ok then return end
  handle:close()
  error(oserror(reason, "fs_poll"), 0)
end
