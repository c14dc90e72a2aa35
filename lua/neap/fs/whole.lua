-- SPDX-License-Identifier: MIT
-- neap.fs: whole files.
local check = require "neap.fs.check"
local core = require "neap.core"
local internal = require "neap.fs.file"
local luv = require "luv"
local read = require("neap.core.files").read
local uv = require "neap.uv"

local async, await = core.async, core.await

local whole = {}

local reading, writing = internal.parse_mode "r", internal.parse_mode "w"
local appending, exclusive = internal.parse_mode "a", internal.parse_mode "wx"
local PERMISSIONS = 438 -- rw-rw-rw-, less the umask

local function open(path, mode, permissions)
  return internal.begin(internal.new(path, mode, internal.BUFFER, 3), mode, permissions)
end

local read_file = async(function(path) return await(read(path)) end)

function whole.read_file(path) return read_file(check.path(1, "read_file", path)) end

-- The data as a list of strings.
local function list_of(name, data)
  if type(data) == "string" or type(data) == "number" then return { data } end
  if type(data) ~= "table" then check.fail(2, name, "string or list of strings expected, got " .. type(data), 3) end
  for i = 1, #data do
    if type(data[i]) ~= "string" and type(data[i]) ~= "number" then
      check.fail(2, name, ("string expected as element %d, got %s"):format(i, type(data[i])), 3)
    end
  end
  return table.move(data, 1, #data, 1, {})
end

local function write(path, mode, permissions, list, sync)
  local file <close> = open(path, mode, permissions)
  file:writelines(list)
  await(sync and file:sync() or file:flush())
end

-- A file beside the one to be replaced, which nobody else has, with its permissions.
local function open_beside(path, permissions)
  local ok, stat = core.pcall(await, uv.fs_stat(path))
  local keep = ok and not permissions and stat.mode & 4095
  for _ = 1, 100 do
    local name = ("%s.%s.tmp"):format(path, luv.random(6):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
    local file = internal.new(name, exclusive, internal.BUFFER, 4)
    file.temporary = true
    local opened, problem = core.pcall(internal.begin, file, exclusive, keep or permissions or PERMISSIONS)
    if opened then return file, keep end
    if not (core.is(problem, core.OSError) and problem.code == "EEXIST") then error(problem, 0) end
  end
  error(core.OSError(("no free name beside %s (EEXIST)"):format(path), { code = "EEXIST" }), 0)
end

-- Links are followed: what they name is replaced, not they.
local function target_of(path)
  local ok, real = core.pcall(await, uv.fs_realpath(path))
  return ok and real or path
end

local function replace(path, permissions, list, sync)
  path = target_of(path)
  local file <close>, keep = open_beside(path, permissions)
  file:writelines(list)
  await(file:flush())
  if keep then await(uv.fs_chmod(file.path, keep)) end
  if sync then await(file:sync()) end
  await(uv.fs_rename(file.path, path))
  file.temporary = false -- there is nothing to remove
end

local write_file = async(function(path, list, atomic, permissions, sync)
  if atomic then return replace(path, permissions, list, sync) end
  return write(path, writing, permissions or PERMISSIONS, list, sync)
end)

function whole.write_file(path, data, options)
  check.path(1, "write_file", path)
  local list = list_of("write_file", data)
  options = check.options(3, "write_file", options, { permissions = true, atomic = true, sync = true })
  local atomic = check.field(3, "write_file", options, "atomic", "boolean", false)
  local sync = check.field(3, "write_file", options, "sync", "boolean", atomic)
  return write_file(path, list, atomic, check.field_permissions(3, "write_file", options), sync)
end

local append_file = async(function(path, list, permissions, sync) write(path, appending, permissions, list, sync) end)

function whole.append_file(path, data, options)
  check.path(1, "append_file", path)
  local list = list_of("append_file", data)
  options = check.options(3, "append_file", options, { permissions = true, sync = true })
  local sync = check.field(3, "append_file", options, "sync", "boolean", false)
  return append_file(path, list, check.field_permissions(3, "append_file", options, PERMISSIONS), sync)
end

-- for line in lines(path [, format]): the file is opened in the first turn, and closed when the loop ends.
function whole.lines(path, format)
  check.path(1, "lines", path)
  internal.line_format(2, "lines", format)
  local file, following
  local closer = setmetatable({}, { __close = function() if file then await(file:close()) end end })
  return function()
    if not file then
      file = open(path, reading, 0)
      following = file:lines(format)
    end
    return following()
  end, nil, nil, closer
end

return whole
