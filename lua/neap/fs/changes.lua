-- SPDX-License-Identifier: MIT
-- A source of events for neap.watch: the system tells libuv (inotify on Linux). Directories are watched,
-- never files: a file is watched by way of the directory it is in, so that one that is replaced, as
-- editors do it, or comes later is seen. For a tree each directory in it is watched.
--
--   node = {path =, name = relative to the root, parent =, children = {name = node}, handle =}
--
-- Requests are started by callbacks, a few at a time, so that no task is needed.
local core = require "neap.core"
local oserror = require "neap.oserror"
local scandir = require "neap.fs.scandir"
local uv = require "luv"

local AT_ONCE = 2 -- requests of one watch: the thread pool is everybody's

local add, rename

local function join(directory, name)
  if directory == "" then return name end
  return directory:sub(-1) == "/" and directory .. name or directory .. "/" .. name
end

local function event(state, kind, node, name, fields)
  local made = fields or {}
  made.kind, made.path, made.name = kind, join(node.path, name), join(node.name, name)
  state.emit(state, made)
end

-- ---- more than the kernel's queue holds ----

-- libuv drops inotify's message that events were lost. All that waited is told in one turn of the loop, so
-- as many at once as the queue holds are a loss.
local burst = { now = -1, count = 0, states = setmetatable({}, { __mode = "k" }) }

local function queue_length()
  local fd = uv.fs_open("/proc/sys/fs/inotify/max_queued_events", "r", 0)
  local text = fd and uv.fs_read(fd, 20)
  if fd then uv.fs_close(fd) end
  return text and tonumber(text) or math.huge
end

local function rescan(state, node)
  if node.handle then state.scan(node, true) end
  for _, child in pairs(node.children) do rescan(state, child) end
end

local function overflow()
  for state in pairs(burst.states) do
    if not state.closed and not state.ended then
      state.emit(state, { kind = "overflow", path = state.path, name = "" })
      if state.recursive then rescan(state, state.root) end
    end
  end
end

local function count_burst()
  local now = uv.now()
  if burst.now ~= now then burst.now, burst.count = now, 0 end
  burst.count = burst.count + 1
  if burst.count == burst.limit then overflow() end
end

-- ---- requests, a few at a time ----

local function advance(state)
  local jobs = state.jobs
  while state.busy < AT_ONCE and jobs.first <= jobs.last and not state.closed do
    local job = jobs[jobs.first]
    jobs[jobs.first] = nil
    jobs.first = jobs.first + 1
    state.busy = state.busy + 1
    local function done(...)
      state.busy = state.busy - 1
      local ok, problem = true, nil
      if not state.closed then ok, problem = pcall(job.done, ...) end
      state.scanning = state.scanning - 1
      if state.scanning == 0 then state.wake(state.settlers) end
      advance(state)
      if not ok then error(problem, 0) end
    end
    local ok, request, reason = pcall(job.name == "fs_scandir" and scandir.start or uv[job.name], job.path, done)
    if not ok or not request then done(ok and reason or request) end
  end
end

-- Calls done(reason, value) of luv's function `name` for the path.
local function ask(state, name, path, done)
  local jobs = state.jobs
  jobs.last = jobs.last + 1
  jobs[jobs.last] = { name = name, path = path, done = done }
  state.scanning = state.scanning + 1
  advance(state)
end

-- ---- nodes ----

local function drop(state, node)
  local handle = node.handle
  node.handle = nil
  if handle then state.release(handle) end
  for _, child in pairs(node.children) do drop(state, child) end
  node.children = {}
end

local function forget(state, node)
  drop(state, node)
  if node.parent and node.parent.children[node.last] == node then node.parent.children[node.last] = nil end
end

local function gone(state)
  if state.ended then return end
  state.emit(state, { kind = "gone", path = state.root.path, name = "" })
  drop(state, state.root)
  state.finish(state)
end

-- A handle that watches what is at the path of the node; or nil, reason.
local function start(state, node)
  local handle = assert(uv.new_fs_event())
  local ok, reason = handle:start(node.path, {}, function(problem, name, events)
    if state.closed or not node.handle then return end
    state.notice(node, problem, name, events)
  end)
  if ok then return handle end
  state.release(handle)
  return nil, reason
end

-- Entries of a directory: those that are directories are watched too; `report`: they are new.
local function entries_of(state, node, report)
  return function(reason, entries)
    if reason or not node.handle then return end
    for name, kind in uv.fs_scandir_next, entries do
      local known = node.children[name]
      if report and not known then event(state, "rename", node, name) end
      if not known and kind == "directory" then
        add(state, node, name, report)
      elseif not known and (kind == "unknown" or kind == nil) then
        rename(state, node, name)
      end
    end
  end
end

local ignored = { ENOENT = true, ENOTDIR = true } -- it went away meanwhile

function add(state, parent, name, report)
  local node = { path = join(parent.path, name), name = join(parent.name, name), last = name }
  node.parent, node.children = parent, {}
  local handle, reason = start(state, node)
  if not handle then
    local problem = oserror(("%s: %s"):format(reason, node.path), "fs_event")
    if not (core.is(problem, core.OSError) and ignored[problem.code]) then
      event(state, "error", parent, name, { error = problem })
    end
    return
  end
  node.handle = handle
  parent.children[name] = node
  state.scan(node, report)
end

-- In a tree something of that name came, went or was replaced.
function rename(state, node, name)
  ask(state, "fs_lstat", join(node.path, name), function(_, stat)
    if not node.handle then return end
    local known = node.children[name]
    if known then forget(state, known) end
    if stat and stat.type == "directory" then add(state, node, name, true) end
  end)
end

-- ---- what is noticed ----

local function entry(state, node, name, kind)
  if state.only and name ~= state.only then return end
  event(state, kind, node, name)
  if state.recursive and kind == "rename" then rename(state, node, name) end
end

-- libuv names a directory itself, by its last name, when it is moved, deleted or changed: or is there an
-- entry of the same name?
local function itself(state, node, name, kind)
  ask(state, "fs_lstat", node.path, function(reason, stat)
    if not node.handle then return end
    local is_gone = reason or state.inode and node == state.root and stat.ino ~= state.inode
    if is_gone and node == state.root then return gone(state) end
    if is_gone then return end -- the directory above tells
    if kind == "rename" then return entry(state, node, name, kind) end
    ask(state, "fs_lstat", join(node.path, name), function(none)
      if not node.handle then return end
      if not none then
        entry(state, node, name, kind)
      elseif not state.only then
        state.emit(state, { kind = kind, path = node.path, name = node.name })
      end
    end)
  end)
end

local function notice(state, node, problem, name, events)
  count_burst()
  if problem then
    state.emit(state, { kind = "error", path = node.path, name = node.name, error = oserror(problem, "fs_event") })
  elseif name == nil then
    state.emit(state, { kind = "change", path = node.path, name = node.name })
  else
    local kind = events.change and "change" or "rename" -- both: attributes of a directory
    if name == node.path:match "[^/]*$" then
      itself(state, node, name, kind)
    else
      entry(state, node, name, kind)
    end
  end
end

local function stop(state)
  burst.states[state] = nil
  drop(state, state.root)
  state.scanning = 0
end

return function(state, recursive)
  burst.limit = burst.limit or queue_length()
  local stat = uv.fs_stat(state.path)
  local path = state.path
  if not stat or stat.type ~= "directory" then
    local directory, last = path:match "^(.*)/([^/]*)$"
    state.only = last or path
    path = directory == "" and "/" or directory or "."
    stat, recursive = uv.fs_stat(path), false
  end
  state.root = { path = path, name = "", children = {} }
  state.recursive, state.jobs, state.busy = recursive, { first = 1, last = 0 }, 0
  state.inode = stat and stat.ino
  state.stop = stop
  state.notice = function(...) notice(state, ...) end
  state.scan = function(node, report)
    if recursive then ask(state, "fs_scandir", node.path, entries_of(state, node, report)) end
  end
  local handle, reason = start(state, state.root)
  if not handle then error(oserror(("%s: %s"):format(reason, path), "fs_event"), 0) end
  state.root.handle = handle
  burst.states[state] = true
  state.scan(state.root, false)
end
