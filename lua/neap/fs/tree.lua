-- SPDX-License-Identifier: MIT
-- neap.fs: directories, and trees of them.
local check = require "neap.fs.check"
local core = require "neap.core"
local luv = require "luv"
local many = require "neap.fs.many"
local oserror = require "neap.oserror"
local uv = require "neap.uv"

local async, await = core.async, core.await

local tree = {}

local AT_ONCE = 4 -- requests: as many as libuv has threads

function tree.join(directory, name)
  return directory:sub(-1) == "/" and directory .. name or directory .. "/" .. name
end
local join = tree.join

-- for name, type in scandir(path): one request, in the first turn; in the order of the bytes of the names.
function tree.scandir(path)
  check.path(1, "scandir", path)
  local entries
  return function()
    if not entries then entries = await(uv.fs_scandir(path)) end
    return luv.fs_scandir_next(entries)
  end
end

local listdir = async(function(path)
  local names, entries = {}, await(uv.fs_scandir(path))
  for name in luv.fs_scandir_next, entries do names[#names + 1] = name end
  return names
end)

function tree.listdir(path) return listdir(check.path(1, "listdir", path)) end

-- Is the entry a directory to go into?
local function is_directory(directory, name, kind, follow)
  if kind == "directory" then return true end
  if kind == "link" and not follow or kind ~= "link" and kind ~= "unknown" and kind ~= nil then return false end
  local ok, stat = core.pcall(await, (follow and uv.fs_stat or uv.fs_lstat)(join(directory, name)))
  return ok and stat.type == "directory"
end

local function list(path, follow)
  local directories, files, entries = {}, {}, await(uv.fs_scandir(path))
  for name, kind in luv.fs_scandir_next, entries do
    local into = is_directory(path, name, kind, follow) and directories or files
    into[#into + 1] = name
  end
  return directories, files
end

-- directories, files of the path; or nil when that cannot be, and on_error has been told.
local function listed(path, options)
  local ok, directories, files = core.pcall(list, path, options.follow)
  if ok then return directories, files end
  if not options.on_error then error(directories, 0) end
  options.on_error(directories, path)
end

local function top_down(path, options)
  local stack, last, children = { path }, nil, nil
  return function()
    if last then -- the caller may have taken some out
      for i = #children, 1, -1 do stack[#stack + 1] = join(last, children[i]) end
    end
    while true do
      last = table.remove(stack)
      if not last then return nil end
      local directories, files = listed(last, options)
      if directories then
        children = directories
        return last, directories, files
      end
      last = nil
    end
  end
end

local function bottom_up(path, options)
  local frames = {}
  local function enter(directory)
    local directories, files = listed(directory, options)
    if directories then frames[#frames + 1] = { directory, directories, files, next = 1 } end
  end
  return function()
    if path then
      enter(path)
      path = nil
    end
    while true do
      local frame = frames[#frames]
      if not frame then return nil end
      local name = frame[2][frame.next]
      if not name then
        frames[#frames] = nil
        return frame[1], frame[2], frame[3]
      end
      frame.next = frame.next + 1
      enter(join(frame[1], name))
    end
  end
end

-- for path, directories, files in walk(path [, {topdown =, follow =, on_error =}])
function tree.walk(path, options)
  check.path(1, "walk", path)
  options = check.options(2, "walk", options, { topdown = true, follow = true, on_error = true })
  local settings = {
    follow = check.field(2, "walk", options, "follow", "boolean", false),
    on_error = check.field(2, "walk", options, "on_error", "function"),
  }
  return (check.field(2, "walk", options, "topdown", "boolean", true) and top_down or bottom_up)(path, settings)
end

local function unlink_all(directory, files, ignore)
  many(#files, AT_ONCE, function(i, done)
    return luv.fs_unlink(join(directory, files[i]), function(reason)
      if reason and (ignore or reason:find "^ENOENT") then reason = nil end
      done(reason and oserror(reason, "fs_unlink"))
    end)
  end)
end

local function remove_directory(path, ignore)
  local ok, problem = core.pcall(await, uv.fs_rmdir(path))
  if ok or ignore or core.is(problem, core.OSError) and problem.code == "ENOENT" then return end
  error(problem, 0)
end

local rmtree = async(function(path, ignore)
  local ok, stat = core.pcall(await, uv.fs_lstat(path))
  if not ok and ignore and core.is(stat, core.OSError) then return end
  if not ok then error(stat, 0) end
  if stat.type ~= "directory" then
    if ignore then return end
    error(oserror("ENOTDIR: not a directory: " .. path, "rmtree"), 0)
  end
  local function on_error(problem, at)
    if not ignore and not (at ~= path and problem.code == "ENOENT") then error(problem, 0) end
  end
  for directory, _, files in bottom_up(path, { on_error = on_error }) do
    unlink_all(directory, files, ignore)
    remove_directory(directory, ignore)
  end
end)

function tree.rmtree(path, options)
  check.path(1, "rmtree", path)
  options = check.options(2, "rmtree", options, { ignore_errors = true })
  return rmtree(path, check.field(2, "rmtree", options, "ignore_errors", "boolean", false))
end

return tree
