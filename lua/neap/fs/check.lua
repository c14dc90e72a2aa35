-- SPDX-License-Identifier: MIT
-- Arguments of neap.fs: each function here raises, as the error of whoever called its caller, what is
-- wrong with argument `at` of function `name`.
local check = {}

local LEVEL = 3 -- the caller of the function that checks

local function typename(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end

function check.fail(at, name, text, level)
  error(("bad argument #%d to '%s' (%s)"):format(at, name, text), (level or LEVEL) + 1)
end

local function expect(at, name, expected, value, level)
  check.fail(at, name, ("%s expected, got %s"):format(expected, typename(value)), (level or LEVEL) + 1)
end

-- For a function that is called itself.
function check.expected(at, name, expected, value)
  check.fail(at, name, ("%s expected, got %s"):format(expected, typename(value)), LEVEL)
end

-- For a function that a method calls.
function check.self(name, expected, value)
  error(("calling '%s' on bad self (%s expected, got %s)"):format(name, expected, typename(value)), LEVEL + 1)
end

function check.path(at, name, value)
  if type(value) ~= "string" then expect(at, name, "path, a string,", value) end
  if value == "" then check.fail(at, name, "the path is empty", LEVEL) end
  if value:find("\0", 1, true) then check.fail(at, name, "the path contains a zero byte", LEVEL) end
  return value
end

-- A table whose fields are all in the table `known`, or nil.
function check.options(at, name, value, known, level)
  if value == nil then return {} end
  if type(value) ~= "table" then expect(at, name, "table", value, level) end
  for field in pairs(value) do
    if not known[field] then
      check.fail(at, name, ("field '%s' is unknown"):format(tostring(field)), level or LEVEL)
    end
  end
  return value
end

local function integer(value, least) return math.type(value) and math.tointeger(value) and value >= least end

-- A whole number of at least `least` and, if that is given, at most `most`; or nil if `optional`.
function check.count(at, name, value, what, least, optional, most)
  if value == nil and optional then return nil end
  if type(value) ~= "number" then expect(at, name, what, value) end
  if not math.tointeger(value) then check.fail(at, name, what .. " has no integer representation", LEVEL) end
  if value < least then
    check.fail(at, name, least == 0 and what .. " is negative" or ("%s is less than %d"):format(what, least), LEVEL)
  end
  if most and value > most then check.fail(at, name, ("%s is more than %d"):format(what, most), LEVEL) end
  return math.tointeger(value)
end

function check.field(at, name, options, field, expected, usual, level)
  local value = options[field]
  if value == nil then return usual end
  if type(value) ~= expected then
    check.fail(at, name, ("field '%s': %s expected, got %s"):format(field, expected, typename(value)), level or LEVEL)
  end
  return value
end

function check.field_count(at, name, options, field, least, usual)
  local value = options[field]
  if value == nil then return usual end
  if not integer(value, least) then
    check.fail(at, name, ("field '%s': an integer of at least %d expected"):format(field, least), LEVEL)
  end
  return math.tointeger(value)
end

-- "file:line" at the level, as the caller counts it.
function check.where(level)
  local info = debug and debug.getinfo(level + 1, "Sl") -- a host may have no debug library
  return info and ("%s:%d"):format(info.short_src, info.currentline) or "?"
end

local letters = { "r", "w", "x", "r", "w", "x", "r", "w", "x" }

-- The bits of "rwxr-x---", "750" or 488; nil if it is none of them.
local function bits(value)
  if integer(value, 0) and value <= 4095 then return math.tointeger(value) end
  if type(value) ~= "string" then return nil end
  if value:find "^[0-7][0-7][0-7][0-7]?$" then return tonumber(value, 8) end
  if #value ~= 9 then return nil end
  local sum = 0
  for i = 1, 9 do
    local letter = value:sub(i, i)
    if letter ~= "-" and letter ~= letters[i] then return nil end
    sum = sum * 2 + (letter == "-" and 0 or 1)
  end
  return sum
end

local SPELLINGS = "permissions expected: \"rw-r--r--\", \"644\" or 420"

function check.permissions(at, name, value)
  return bits(value) or check.fail(at, name, SPELLINGS, LEVEL)
end

function check.field_permissions(at, name, options, usual)
  if options.permissions == nil then return usual end
  return bits(options.permissions) or check.fail(at, name, "field 'permissions': " .. SPELLINGS, LEVEL)
end

return check
