-- SPDX-License-Identifier: MIT
-- neap.fs: files and directories that go away by themselves.
local check = require "neap.fs.check"
local channel = require "neap.fs.channel"
local core = require "neap.core"
local internal = require "neap.fs.file"
local luv = require "luv"
local wrap = require "neap.wrap"

local async, await = core.async, core.await

local temporary = {}

local both = internal.parse_mode "w+"

local function template_of(name, template)
  if template:sub(-6) ~= "XXXXXX" then check.fail(1, name, 'the template must end in "XXXXXX"', 3) end
  return template
end

-- A cancelled one is removed again, should it have been made.
local function make(file, removed)
  file.temporary = true
  channel.open(file, "fs_mkstemp", file.path)
  file.temporary = removed
  return file
end

local make_file = async(make)

function temporary.mkstemp(template)
  check.path(1, "mkstemp", template)
  return make_file(internal.new(template_of("mkstemp", template), both, internal.BUFFER, 2), false)
end

local function nothing() end

local mkdtemp = wrap(luv.fs_mkdtemp, {
  luv = true, at = 2, what = "fs_mkdtemp", late = function(path) luv.fs_rmdir(path, nothing) end,
})

function temporary.mkdtemp(template)
  check.path(1, "mkdtemp", template)
  return mkdtemp(template_of("mkdtemp", template))
end

-- The template that options {dir =, prefix =} stand for.
local function template_from(name, options)
  options = check.options(1, name, options, { dir = true, prefix = true }, 4)
  local directory = check.field(1, name, options, "dir", "string", nil, 4) or luv.os_tmpdir()
  local prefix = check.field(1, name, options, "prefix", "string", "neap-", 4)
  if directory == "" then check.fail(1, name, "field 'dir': the path is empty", 3) end
  if (directory .. prefix):find("\0", 1, true) or prefix:find("/", 1, true) then
    check.fail(1, name, "field 'dir' or 'prefix': a zero byte, or a slash in the prefix", 3)
  end
  return ("%s/%sXXXXXX"):format(directory, prefix)
end

function temporary.temporary_file(options)
  return make_file(internal.new(template_from("temporary_file", options), both, internal.BUFFER, 2), true)
end

-- ---- TemporaryDirectory ----

local Directory = {}
local meta = { __index = Directory, __name = "neap.TemporaryDirectory" }

function meta.__tostring(self) return ("neap.TemporaryDirectory (%s)"):format(self.path) end

local remove = async(function(self)
  if self.removed then return end
  local ok, problem = core.pcall(await, require("neap.fs.tree").rmtree(self.path))
  if not ok and not (core.is(problem, core.OSError) and problem.code == "ENOENT") then error(problem, 0) end
  self.removed = true
end)

function Directory:close()
  if getmetatable(self) ~= meta then check.expected(1, "close", "neap.TemporaryDirectory", self) end
  return remove(self)
end

-- An error that is on its way is not replaced by one of removing.
function meta.__close(self, problem)
  if problem ~= nil then
    core.pcall(await, remove(self))
  else
    await(remove(self))
  end
end

local make_directory = async(function(template)
  local self = setmetatable({ path = template }, meta)
  self.path = await(mkdtemp(template))
  return self
end)

function temporary.temporary_directory(options)
  return make_directory(template_from("temporary_directory", options))
end

return temporary
