-- SPDX-License-Identifier: MIT
-- neap: asyncio for Lua. This file only gathers names; what they do is in neap.core (C) and the
-- modules below, which are loaded when they are first used.
local core = require "neap.core"

local modules = { uv = "neap.uv", wrap = "neap.wrap" }

return setmetatable(core, {
  __index = function(self, name)
    if not modules[name] then return nil end
    local value = require(modules[name])
    rawset(self, name, value)
    return value
  end,
})
