-- SPDX-License-Identifier: MIT
-- neap: asyncio for Lua. This file only gathers names; what they do is in neap.core (C) and the
-- modules below.
local core = require "neap.core"

return core
