-- SPDX-License-Identifier: MIT
-- The reading side of a File: formats, over a buffer that is filled by one request after the other. What
-- is read stays in the buffer until all that was asked for is there, so a cancelled read takes nothing.
local channel = require "neap.fs.channel"
local core = require "neap.core"
local pieces = require "neap.fs.pieces"

local find, sub = string.find, string.sub

local LARGEST = 1 << 20 -- bytes of one request
local NUMERAL = 200     -- bytes of the longest numeral, as in Lua's io library

local read = {}

-- Reads more into the buffer, about `size` bytes. False: at the end of the file.
local function fill(file, size)
  channel.locate(file)
  local before = file.buffer.size
  if file.ahead > 0 and size < file.ahead then size = file.ahead end
  if size > LARGEST then size = LARGEST end
  if size < 1 then size = 1 end
  repeat
    local offset = file.seekable == false and -1 or file.position
    local _, reason = channel.request(file, "fs_read", file.fd, size, offset, file.on_read)
    local unseekable = reason and file.seekable == "unknown" and reason:find "^ESPIPE"
    if reason and not unseekable then error(channel.problem(file, "fs_read", reason), 0) end
    if file.seekable == "unknown" then file.seekable = not unseekable end
  until not unseekable
  channel.absorb(file)
  return file.buffer.size > before
end

local function step(file) return file.ahead > 0 and file.ahead or 4096 end

-- Fills until n bytes are there; how many of them there are.
local function expect(file, n)
  local buffer = file.buffer
  while buffer.size < n do
    if not fill(file, n - buffer.size) then return buffer.size end
  end
  return n
end

-- n bytes, fewer at the end; where there is no position, what has come.
local function some(file, n)
  local buffer = file.buffer
  if n == 0 then return (buffer.size > 0 or fill(file, 1)) and "" or nil end
  while buffer.size < n and (file.seekable ~= false or buffer.size == 0) do
    if not fill(file, n - buffer.size) then break end
  end
  if buffer.size == 0 then return nil end
  return pieces.take(buffer, n < buffer.size and n or buffer.size)
end

local function all(file)
  local size = step(file)
  while fill(file, size) do size = size * 2 end
  return pieces.take(file.buffer, file.buffer.size)
end

local function line(file, chop)
  local buffer, scan = file.buffer, {}
  local size = pieces.line(buffer, scan)
  while not size do
    if not fill(file, step(file)) then break end
    size = pieces.line(buffer, scan)
  end
  if not size then
    if buffer.size == 0 then return nil end
    return pieces.take(buffer, buffer.size)
  end
  if not chop then return pieces.take(buffer, size) end
  local text = pieces.peek(buffer, size - 1)
  pieces.skip(buffer, size)
  return text
end

-- The numeral that the text begins with, as Lua's io library reads it: its characters.
local function numeral(text)
  local hex = text:match "^[+-]?0[xX]%x*%.?%x*"
  local digits = hex or text:match "^[+-]?%d*%.?%d*"
  if not digits:find(hex and "[xX]%.?%x" or "%d") then return digits end
  return digits .. (text:match(hex and "^[pP][+-]?%d*" or "^[eE][+-]?%d*", #digits + 1) or "")
end

local function head(buffer, n) return pieces.peek(buffer, n < buffer.size and n or buffer.size) end

local function number(file)
  local buffer = file.buffer
  local start, found
  repeat -- white space before it
    if buffer.size == 0 and not fill(file, NUMERAL) then return nil end
    local text = head(buffer, NUMERAL)
    start = text:find "%S"
    pieces.skip(buffer, (start or #text + 1) - 1)
  until start
  repeat
    found = numeral(head(buffer, NUMERAL + 1))
  until #found < buffer.size or #found > NUMERAL or not fill(file, NUMERAL)
  pieces.skip(buffer, #found)
  return #found <= NUMERAL and tonumber(found) or nil
end

-- ---- taking turns ----

-- A line or so many bytes out of the buffer alone, without a turn; nil if that cannot be.
local function quick(file, body, argument)
  local buffer = file.buffer
  local text = buffer[buffer.first]
  if not text or file.taken or file.failure or file.closing or file.arrived or file.ahead == 0 then return nil end
  if body == line then
    local at, stop = buffer.at, find(text, "\n", buffer.at, true)
    if not stop then return nil end
    pieces.skip(buffer, stop - at + 1)
    return sub(text, at, argument and stop - 1 or stop)
  elseif body == some and argument > 0 and argument <= buffer.size then
    return pieces.take(buffer, argument)
  end
end

local function whole(file, body, argument)
  channel.absorb(file)
  if file.ahead == 0 then channel.forget(file) end -- it may be old by now
  return body(file, argument)
end

-- value = one(file, body, argument), as format() gives them
function read.one(file, body, argument)
  local value = quick(file, body, argument)
  if value then return value end
  return channel.turn(file, whole, body, argument)
end

local bodies = { l = { line, true }, L = { line, false }, a = { all }, n = { number } }

-- body, argument = format("l"): nil if it is none
function read.format(format)
  if math.type(format) then return some, format end
  local found = bodies[(format:gsub("^%*", ""))]
  if found then return found[1], found[2] end
end

local function each(file, list)
  local values = {}
  for i = 1, list.n, 2 do
    local value = list[i](file, list[i + 1])
    values[(i + 1) // 2] = value
    if value == nil then return table.unpack(values, 1, (i + 1) // 2) end
  end
  return table.unpack(values, 1, list.n // 2)
end

-- Several formats, one after the other, until one gives nil; {body, argument, ..., n =}.
function read.several(file, list) return channel.turn(file, whole, each, list) end

local function exactly(file, n)
  if expect(file, n) == n then return pieces.take(file.buffer, n) end
  local partial = pieces.take(file.buffer, file.buffer.size)
  error(core.IncompleteReadError(("the file ended after %d bytes, %d expected"):format(#partial, n),
    { partial = partial, expected = n }), 0)
end

function read.exactly(file, n) return read.one(file, exactly, n) end

local function up_to(file, separators)
  local buffer, scan, longest = file.buffer, {}, 0
  for _, separator in ipairs(separators) do longest = math.max(longest, #separator) end
  while true do
    local size = pieces.separator(buffer, separators, longest, scan)
    if size then return pieces.take(buffer, size) end
    if not fill(file, step(file)) then break end
  end
  local partial = pieces.take(buffer, buffer.size)
  error(core.IncompleteReadError(("the file ended after %d bytes, before the separator"):format(#partial),
    { partial = partial }), 0)
end

function read.up_to(file, separators) return read.one(file, up_to, separators) end

return read
