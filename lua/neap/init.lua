-- SPDX-License-Identifier: MIT
-- neap: asyncio for Lua. This file only gathers names; what they do is in neap.core (C) and the
-- modules below, which are loaded when they are first used.
local core = require "neap.core"
core = (getmetatable(core) or {}).core or core -- this file has run before

local modules = { fs = "neap.fs", subprocess = "neap.subprocess", tls = "neap.tls", uv = "neap.uv", wrap = "neap.wrap" }
local fields = {
  open = "neap.fs.file", File = "neap.fs.file", watch = "neap.fs.watch", Watch = "neap.fs.watch",
  Process = "neap.process", create_subprocess_exec = "neap.process", create_subprocess_shell = "neap.process",
}

local codes = { [23] = "ENFILE", [24] = "EMFILE" }

-- Without a descriptor to open it with, require finds no file and says that there is none.
local function load_module(module)
  local loaded, result = pcall(require, module)
  if loaded then return result end
  if io then
    local probe, problem, number = io.open "/dev/null"
    if probe then probe:close() end
    local code = codes[number]
    if code then result = core.OSError(("%s:%s (%s)"):format(module, problem:match "[^:]*$", code), { code = code }) end
  end
  error(result, 0)
end

function core.Stream:start_tls(...)
  local handshake = load_module "neap.tls.streams".start_tls(self, ...) -- no tail call: it tells the line of its caller
  return handshake
end

setmetatable(core, {
  __index = function(self, name)
    if modules[name] then rawset(self, name, load_module(modules[name])) end
    local module = fields[name]
    for field, of in pairs(module and fields or {}) do -- a module's names together: they know each other
      if of == module then rawset(self, field, load_module(module)[field]) end
    end
    return rawget(self, name)
  end,
})

-- Lua's errors name a function by where package.loaded has it: in "neap" alone. Our own modules see through this.
package.loaded["neap.core"] = setmetatable({}, { __index = core, core = core })

return core
