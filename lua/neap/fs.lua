-- SPDX-License-Identifier: MIT
-- neap.fs: files and directories by name. This file has what is one request of libuv's; the rest is in
-- the modules below, which are loaded when they are first used. Arguments are checked at once, the
-- request begins when what is returned is awaited.
local check = require "neap.fs.check"
local core = require "neap.core"
local luv = require "luv"
local uv = require "neap.uv"

local async, await = core.async, core.await

local fs = {}

function fs.stat(path) return uv.fs_stat(check.path(1, "stat", path)) end

function fs.lstat(path) return uv.fs_lstat(check.path(1, "lstat", path)) end

function fs.statfs(path) return uv.fs_statfs(check.path(1, "statfs", path)) end

function fs.readlink(path) return uv.fs_readlink(check.path(1, "readlink", path)) end

function fs.realpath(path) return uv.fs_realpath(check.path(1, "realpath", path)) end

function fs.remove(path) return uv.fs_unlink(check.path(1, "remove", path)) end

function fs.rmdir(path) return uv.fs_rmdir(check.path(1, "rmdir", path)) end

local function two(name, request)
  return function(path, other)
    return request(check.path(1, name, path), check.path(2, name, other))
  end
end

fs.rename = two("rename", uv.fs_rename)
fs.link = two("link", uv.fs_link)

function fs.symlink(target, path)
  return uv.fs_symlink(check.path(1, "symlink", target), check.path(2, "symlink", path), nil)
end

local missing = { ENOENT = true, ENOTDIR = true }

local exists = async(function(path)
  local ok, problem = core.pcall(await, uv.fs_stat(path))
  if ok then return true end
  if core.is(problem, core.OSError) and missing[problem.code] then return false end
  error(problem, 0)
end)

function fs.exists(path) return exists(check.path(1, "exists", path)) end

local denied = { ENOENT = true, ENOTDIR = true, EACCES = true, EPERM = true, EROFS = true, ETXTBSY = true }

local access = async(function(path, mode)
  local ok, value = core.pcall(await, uv.fs_access(path, mode))
  if ok then return value end
  if core.is(value, core.OSError) and denied[value.code] then return false end
  error(value, 0)
end)

function fs.access(path, mode)
  check.path(1, "access", path)
  if mode == nil then mode = "" end
  if type(mode) ~= "string" then check.expected(2, "access", "string", mode) end
  if mode:find "[^rwx]" then check.fail(2, "access", 'invalid mode: letters of "rwx" expected', 2) end
  local bits = 0
  for letter, bit in pairs { r = 4, w = 2, x = 1 } do
    if mode:find(letter, 1, true) then bits = bits | bit end
  end
  return access(path, bits)
end

function fs.chmod(path, permissions)
  check.path(1, "chmod", path)
  return uv.fs_chmod(path, check.permissions(2, "chmod", permissions))
end

function fs.chown(path, uid, gid)
  check.path(1, "chown", path)
  uid = check.count(2, "chown", uid, "user id", -1, false, 0xfffffffe)
  gid = check.count(3, "chown", gid, "group id", -1, false, 0xfffffffe)
  return uv.fs_chown(path, uid, gid)
end

local function seconds(at, name, value)
  if value == nil then
    local now, micro = luv.gettimeofday()
    return now + micro / 1e6
  end
  if type(value) ~= "number" then check.fail(at, name, "number of seconds expected, got " .. type(value), 3) end
  if value ~= value or value == math.huge or value == -math.huge then
    check.fail(at, name, "number of seconds is not finite", 3)
  end
  return value
end

function fs.utime(path, accessed, modified)
  check.path(1, "utime", path)
  accessed = seconds(2, "utime", accessed)
  return uv.fs_utime(path, accessed, modified == nil and accessed or seconds(3, "utime", modified))
end

function fs.copy(path, to, options)
  check.path(1, "copy", path)
  check.path(2, "copy", to)
  options = check.options(3, "copy", options, { exclusive = true })
  local exclusive = check.field(3, "copy", options, "exclusive", "boolean", false)
  return uv.fs_copyfile(path, to, { excl = exclusive, ficlone = true })
end

-- ---- directories ----

local DIRECTORY = 511 -- rwxrwxrwx, less the umask

local function code_of(problem) return core.is(problem, core.OSError) and problem.code end

local function make(path, permissions, parents)
  local ok, problem = core.pcall(await, uv.fs_mkdir(path, permissions))
  if ok then return end
  local parent = parents and code_of(problem) == "ENOENT" and path:match "^(.*[^/])/+[^/]+/*$"
  if not parent then error(problem, 0) end
  ok, problem = core.pcall(make, parent, DIRECTORY, true)
  if not ok and code_of(problem) ~= "EEXIST" then error(problem, 0) end -- somebody else made it
  return await(uv.fs_mkdir(path, permissions))
end

local function there(path)
  local ok, stat = core.pcall(await, uv.fs_stat(path))
  return ok and stat.type == "directory"
end

local mkdir = async(function(path, permissions, parents, exist_ok)
  local ok, problem = core.pcall(make, path, permissions, parents)
  if ok then return end
  if exist_ok and code_of(problem) and there(path) then return end
  error(problem, 0)
end)

function fs.mkdir(path, options)
  check.path(1, "mkdir", path)
  options = check.options(2, "mkdir", options, { permissions = true, parents = true, exist_ok = true })
  local permissions = check.field_permissions(2, "mkdir", options, DIRECTORY)
  local parents = check.field(2, "mkdir", options, "parents", "boolean", false)
  return mkdir(path, permissions, parents, check.field(2, "mkdir", options, "exist_ok", "boolean", false))
end

function fs.makedirs(path, options)
  check.path(1, "makedirs", path)
  options = check.options(2, "makedirs", options, { permissions = true })
  return mkdir(path, check.field_permissions(2, "makedirs", options, DIRECTORY), true, true)
end

-- ---- what is elsewhere ----

local modules = {
  read_file = "whole", write_file = "whole", append_file = "whole", lines = "whole",
  listdir = "tree", scandir = "tree", walk = "tree", rmtree = "tree",
  mkstemp = "temporary", mkdtemp = "temporary", temporary_file = "temporary", temporary_directory = "temporary",
}

return setmetatable(fs, {
  __name = "neap.fs",
  __index = function(self, name)
    local module = modules[name]
    if not module then return nil end
    for key, value in pairs(require("neap.fs." .. module)) do rawset(self, key, value) end
    return rawget(self, name)
  end,
})
