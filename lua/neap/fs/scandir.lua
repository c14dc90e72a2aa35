-- SPDX-License-Identifier: MIT
-- uv.fs_scandir(path, callback) that survives the end of the Lua state: luv 1.44 releases the memory of a
-- request that is collected, and at the end all are, while a thread still uses it. So the request has
-- no metatable, hence no finalizer, until it is answered.
local uv = require "luv"

local setmeta = debug and debug.setmetatable or function() end

local scandir = {}

local meta

-- Collected when the Lua state ends, before the loop: what is answered after that is released here.
local state = setmetatable({ ending = false }, { __gc = function(self) self.ending = true end })

-- request, reason = start(path, callback)
function scandir.start(path, callback)
  local ok, request, reason
  ok, request, reason = pcall(uv.fs_scandir, path, function(problem, entries)
    setmeta(request, meta)
    if state.ending then return meta and meta.__gc(request) end
    callback(problem, entries)
  end)
  if not ok then error(request, 0) end
  if request then
    meta = meta or getmetatable(request)
    setmeta(request, nil)
  end
  return request, reason
end

function scandir.cancel(request)
  setmeta(request, meta)
  local ok, reason = uv.cancel(request)
  setmeta(request, nil)
  return ok, reason
end

return scandir
