-- SPDX-License-Identifier: MIT
-- neap.uv: luv, with awaitables in the place of callbacks. A function that calls back once is an
-- async function here; everything else is luv's own.
local scandir = require "neap.fs.scandir"
local uv = require "luv"
local wrap = require "neap.wrap"

-- Where the callback stands among the arguments. What luv calls back again and again (timers,
-- listen, read_start, fs_event_start and their like) is not here: it takes a callback.
local positions = {
  close = 2, shutdown = 2, write = 3, write2 = 4,
  tcp_connect = 4, pipe_connect = 3, udp_send = 5,
  getaddrinfo = 4, getnameinfo = 2, random = 3,
  fs_access = 3, fs_chmod = 3, fs_chown = 4, fs_close = 2, fs_closedir = 2, fs_copyfile = 4,
  fs_fchmod = 3, fs_fchown = 4, fs_fdatasync = 2, fs_fstat = 2, fs_fsync = 2, fs_ftruncate = 3,
  fs_futime = 4, fs_lchown = 4, fs_link = 3, fs_lstat = 2, fs_lutime = 4, fs_mkdir = 3,
  fs_mkdtemp = 2, fs_mkstemp = 2, fs_open = 4, fs_opendir = 2, fs_read = 4, fs_readdir = 2,
  fs_readlink = 2, fs_realpath = 2, fs_rename = 3, fs_rmdir = 2, fs_scandir = 2, fs_sendfile = 5,
  fs_stat = 2, fs_statfs = 2, fs_symlink = 4, fs_unlink = 2, fs_utime = 4, fs_write = 4,
}

local function close_file(fd) uv.fs_close(fd, function() end) end
local function close_directory(directory) uv.fs_closedir(directory, function() end) end

-- What nobody will receive any more must not stay open.
local late = { fs_open = close_file, fs_mkstemp = close_file, fs_opendir = close_directory }

local function nothing() end

-- Closing is not undone by a cancellation: the handle or descriptor would stay open.
local cancel = { close = nothing, fs_close = nothing, fs_closedir = nothing, fs_scandir = scandir.cancel }

local instead = { fs_scandir = scandir.start }

local function awaitable(name, fn)
  return wrap(instead[name] or fn, {
    luv = true, what = name, at = positions[name], late = late[name], cancel = cancel[name],
  })
end

return setmetatable({}, {
  __name = "neap.uv",
  __index = function(self, name)
    local value = uv[name]
    if value ~= nil and positions[name] then value = awaitable(name, value) end
    rawset(self, name, value)
    return value
  end,
})
