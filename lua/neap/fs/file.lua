-- SPDX-License-Identifier: MIT
-- The class File: what the methods check, and who does the work. Reading is in read.lua, writing in
-- writer.lua, the descriptor and the order in channel.lua.
local channel = require "neap.fs.channel"
local check = require "neap.fs.check"
local core = require "neap.core"
local read = require "neap.fs.read"
local uv = require "luv"
local writer = require "neap.fs.writer"

local async, await = core.async, core.await

local BUFFER = 65536 -- bytes: what is read ahead, and how much may wait to be written

local File = setmetatable({}, { __name = "class neap.File" })
local meta = { __index = File, __name = "neap.File" }
setmetatable(meta, { __index = File }) -- so that neap.is knows the class

local function state(file)
  if file.closed then return "closed" end
  if file.closing then return "closing" end
  return "open"
end

function meta.__tostring(file) return ("neap.File (%s, %s)"):format(state(file), file.path) end

local function file_of(file, name)
  if getmetatable(file) ~= meta then check.self(name, "neap.File", file) end
  return file
end

local function usable(file, name)
  if getmetatable(file) ~= meta then check.self(name, "neap.File", file) end
  if file.closing then error(channel.closed_error(file), 0) end
  return file
end

local function readable(file, name)
  if getmetatable(file) ~= meta then check.self(name, "neap.File", file) end
  if file.closing then error(channel.closed_error(file), 0) end
  if not file.readable then error(core.ValueError(("the file is not open for reading: %s"):format(file.path)), 0) end
  return file
end

local function writable(file, name)
  if getmetatable(file) ~= meta then check.self(name, "neap.File", file) end
  if file.closing then error(channel.closed_error(file), 0) end
  if not file.writable then error(core.ValueError(("the file is not open for writing: %s"):format(file.path)), 0) end
  return file
end

-- ---- reading ----

local EXPECTED = 'invalid format: a number of bytes, "l", "L", "n" or "a" expected'

local function format_at(at, name, value, level)
  local body, argument
  if type(value) == "number" then
    if value == -1 then return read.format "a" end
    if not math.tointeger(value) then check.fail(at, name, "number of bytes has no integer representation", level) end
    if value < 0 then check.fail(at, name, "number of bytes is negative", level) end
    return read.format(math.tointeger(value))
  end
  if type(value) == "string" then body, argument = read.format(value) end
  if not body then check.fail(at, name, EXPECTED, level) end
  return body, argument
end

-- The format of lines(), for a function called by whoever is to blame.
local function line_format(at, name, format)
  if format == nil then format = "l" end
  if format == -1 or type(format) == "string" and format:gsub("^%*", "") == "a" then
    check.fail(at, name, EXPECTED:gsub(', "n" or "a"', ' or "n"'), 3)
  end
  local body, argument = format_at(at, name, format, 4)
  return body, argument
end

local read_one, read_several = async(read.one), async(read.several)

-- The formats behind the first one or two, as a list for read.several.
local function formats(name, first, ...)
  local list = { n = 2 * select("#", ...) }
  for i = 1, list.n, 2 do
    list[i], list[i + 1] = format_at(first + i // 2, name, (select((i + 1) // 2, ...)), 4)
  end
  return list
end

function File:read(...)
  readable(self, "read")
  local n = select("#", ...)
  if n == 0 or n == 1 and (...) == nil then return read_one(self, read.format "a") end
  if n == 1 then return read_one(self, format_at(1, "read", (...), 3)) end
  return read_several(self, formats("read", 1, ...))
end

function File:readline() return read_one(readable(self, "readline"), read.format "L") end

local read_exactly, read_up_to = async(read.exactly), async(read.up_to)

function File:readexactly(n)
  return read_exactly(readable(self, "readexactly"), check.count(1, "readexactly", n, "number of bytes", 0))
end

local function separator_list(value)
  local list = type(value) == "table" and value or { value == nil and "\n" or value }
  if #list == 0 then check.fail(1, "readuntil", "the list of separators is empty", 3) end
  for _, separator in ipairs(list) do
    if type(separator) ~= "string" then
      check.fail(1, "readuntil", "separator, a string or a list of strings, expected, got " .. type(separator), 3)
    end
    if separator == "" then check.fail(1, "readuntil", "the separator is empty", 3) end
  end
  return table.move(list, 1, #list, 1, {})
end

function File:readuntil(separator) return read_up_to(readable(self, "readuntil"), separator_list(separator)) end

function File:lines(format)
  readable(self, "lines")
  local body, argument = line_format(1, "lines", format)
  return function() return read.one(self, body, argument) end
end

-- ---- writing ----

local room = { __name = "neap.File:write", __await = function(self) writer.drain(self.file) end }
local closing = { __name = "neap.File:close", __await = function(self) channel.wait_closed(self.file) end }

local function write_list(file, name, list, first, level)
  local size = 0
  for i = 1, list.n or #list do
    local value = list[i]
    if type(value) == "number" then
      value = tostring(value)
      list[i] = value
    elseif type(value) ~= "string" then
      check.fail(first + i - 1, name, "string expected, got " .. type(value), level)
    end
    size = size + #value
  end
  list.n = nil
  writer.write(file, list, size)
end

function File:write(...)
  write_list(writable(self, "write"), "write", table.pack(...), 1, 3)
  return self.room
end

function File:writelines(list)
  writable(self, "writelines")
  if type(list) ~= "table" then check.expected(1, "writelines", "table", list) end
  local copy = table.move(list, 1, #list, 1, {})
  for i, value in ipairs(copy) do
    if type(value) ~= "string" and type(value) ~= "number" then
      check.fail(1, "writelines", ("string expected as element %d, got %s"):format(i, type(value)), 2)
    end
  end
  write_list(self, "writelines", copy, 1, 3)
  return self.room
end

local function nothing() end

local flush = async(function(file) return channel.turn(file, nothing) end)

function File:flush() return flush(usable(self, "flush")) end

-- ---- the file ----

local function ask(file, name, ...)
  local value, reason = channel.request(file, name, file.fd, ...)
  if reason then error(channel.problem(file, name, reason), 0) end
  return value
end

local function simply(name)
  local operation = async(function(file)
    return channel.turn(file, function() ask(file, name, file.on_answer) end)
  end)
  return operation
end

local fsync, fdatasync = simply "fs_fsync", simply "fs_fdatasync"

function File:sync() return fsync(usable(self, "sync")) end

function File:datasync() return fdatasync(usable(self, "datasync")) end

local stat = async(function(file)
  return channel.turn(file, function() return ask(file, "fs_fstat", file.on_answer) end)
end)

function File:stat() return stat(usable(self, "stat")) end

-- Pipes and terminals have no position: a read of nothing at a place tells.
local function must_seek(file)
  if file.seekable == "unknown" then
    local _, reason = channel.request(file, "fs_read", file.fd, 0, 0, file.on_answer)
    file.seekable = not (reason and reason:find "^ESPIPE")
  end
  if not file.seekable then error(channel.problem(file, "seek", "ESPIPE: invalid seek"), 0) end
end

local function tell(file)
  must_seek(file)
  channel.locate(file)
  return channel.logical(file)
end

local function seek(file, whence, offset)
  local from = 0
  if whence == "cur" then
    from = tell(file)
  else
    must_seek(file)
    if whence == "end" then from = ask(file, "fs_fstat", file.on_answer).size end
  end
  local target = from + offset
  if target < 0 or offset > 0 and target < from then -- or it overflowed
    error(channel.problem(file, "seek", "EINVAL: invalid argument"), 0)
  end
  channel.move(file, target)
  return target
end

local seek_in_turn = async(function(file, ...) return channel.turn(file, seek, ...) end)
local tell_in_turn = async(function(file) return channel.turn(file, tell) end)

local whences = { set = true, cur = true, ["end"] = true }

function File:seek(whence, offset)
  usable(self, "seek")
  if whence == nil then whence = "cur" end
  if not whences[whence] then check.fail(1, "seek", 'invalid option: "set", "cur" or "end" expected', 2) end
  return seek_in_turn(self, whence, check.count(2, "seek", offset or 0, "offset", math.mininteger))
end

function File:tell() return tell_in_turn(usable(self, "tell")) end

local truncate = async(function(file, size)
  return channel.turn(file, function()
    local target = size or tell(file)
    channel.forget(file)
    ask(file, "fs_ftruncate", target, file.on_answer)
    return target
  end)
end)

function File:truncate(size)
  writable(self, "truncate")
  return truncate(self, check.count(1, "truncate", size, "size", 0, true))
end

function File:fileno() return file_of(self, "fileno").fd or nil end

function File:is_closing() return file_of(self, "is_closing").closing end

function File:close()
  channel.close(file_of(self, "close"))
  return self.closed_operation
end

-- An error that is on its way is not replaced by one of closing.
function meta.__close(file, problem)
  channel.close(file)
  if problem ~= nil then
    core.pcall(await, file.closed_operation)
  else
    await(file.closed_operation)
  end
end

local function report(file, message, problem)
  pcall(core.call_exception_handler, { message = message, exception = problem, file = file.path })
end

function meta.__gc(file)
  if file.failure then
    report(file, ("the error of a write to %s was never retrieved"):format(file.path), file.failure)
  end
  if file.closing or not file.fd then return end
  if file.origin then report(file, ("%s was never closed (made at %s)"):format(tostring(file), file.origin)) end
  file.closing = true
  if file.running then -- the Lua state closes: the callback closes the descriptor
    file.waiter, file.abandoned = false, not file.batch
    return
  end
  local fd = file.fd
  file.fd, file.closed = false, true
  uv.fs_close(fd)
  if file.temporary then uv.fs_unlink(file.path) end
end

-- ---- opening ----

local O = uv.constants
local flags = { r = 0, w = O.O_CREAT | O.O_TRUNC, a = O.O_CREAT | O.O_APPEND }

-- {bits =, readable =, writable =, append =} of "r+" and the like; nil for what is none.
local function parse_mode(mode)
  local kind, rest = mode:match "^([rwax])([+bx]*)$"
  if not kind or rest:find "([+bx]).*%1" or (kind == "r" or kind == "x") and rest:find "x" then return end
  local exclusive = kind == "x" or rest:find "x"
  if kind == "x" then kind = "w" end
  local both = rest:find("+", 1, true)
  local how = both and O.O_RDWR or kind == "r" and O.O_RDONLY or O.O_WRONLY
  return {
    bits = flags[kind] | how | (exclusive and O.O_EXCL or 0),
    readable = kind == "r" or both ~= nil,
    writable = kind ~= "r" or both ~= nil,
    append = kind == "a",
  }
end

local internal = { File = File }

-- A file that is not open yet: {readable =, writable =, append =}, buffer in bytes.
function internal.new(path, mode, buffer, level)
  local file = {
    path = path, readable = mode.readable, writable = mode.writable, append = mode.append,
    ahead = buffer, high = buffer, low = buffer // 4,
    at_end = mode.append and not mode.readable,
  }
  channel.create(file)
  file.room = setmetatable({ file = file }, room)
  file.closed_operation = setmetatable({ file = file }, closing)
  if core.get_debug() then file.origin = check.where(level + 1) end
  return setmetatable(file, meta)
end

-- Opens it, in a task.
function internal.begin(file, mode, permissions)
  channel.open(file, "fs_open", file.path, mode.bits, permissions)
  return file
end

internal.parse_mode, internal.line_format = parse_mode, line_format
internal.BUFFER = BUFFER

local open = async(internal.begin)

-- awaitable = open(path [, mode [, {permissions =, buffer =}]])
function internal.open(path, mode, options)
  check.path(1, "open", path)
  if mode == nil then mode = "r" end
  if type(mode) ~= "string" then check.expected(2, "open", "string", mode) end
  local how = parse_mode(mode)
  if not how then check.fail(2, "open", 'invalid mode: "r", "w", "a" or "x" expected, with "+" or "b"', 2) end
  options = check.options(3, "open", options, { permissions = true, buffer = true })
  local permissions = check.field_permissions(3, "open", options, 438) -- rw-rw-rw-, less the umask
  local buffer = check.field_count(3, "open", options, "buffer", 0, BUFFER)
  return open(internal.new(path, how, buffer, 2), how, permissions)
end

return internal
