-- SPDX-License-Identifier: MIT
-- Libraries that only specs use: they run unchanged inside tasks. tools/setup names the Debian packages.
local library = {}

-- Debian has some that are all Lua for 5.3 only, where 5.4 does not look.
local function paths()
  local path = package.path
  return path .. ";" .. path:gsub("5%.4", "5.3") .. ";" .. path:gsub("5%.4", "5.2")
end

-- module, ... = load(names): of each name; raises when one is missing
function library.load(names)
  local path, modules = package.path, {}
  package.path = paths()
  local ok, err = pcall(function()
    for i, name in ipairs(names) do modules[i] = require(name) end
  end)
  package.path = path
  if not ok then error(err, 0) end
  return table.unpack(modules)
end

-- why = missing(package, names): nil when all are there
function library.missing(debian, names)
  local ok = pcall(library.load, names)
  return not ok and ("needs %s (on Debian: apt-get install %s)"):format(table.concat(names, ", "), debian) or nil
end

return library
