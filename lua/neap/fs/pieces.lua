-- SPDX-License-Identifier: MIT
-- Bytes that were read and not yet taken: a queue of strings, so that what is long is copied once.
-- Nothing changes before what may fail for want of memory is done.
--   pieces = {[first .. last] = string, at = the first byte not taken of the first one, size = bytes}
local pieces = {}

local find, sub, concat = string.find, string.sub, table.concat

function pieces.new() return { first = 1, last = 0, at = 1, size = 0 } end

function pieces.push(self, text)
  self[self.last + 1] = text
  self.last = self.last + 1
  self.size = self.size + #text
end

function pieces.clear(self)
  for i = self.first, self.last do self[i] = nil end
  self.first, self.last, self.at, self.size = 1, 0, 1, 0
end

-- Forgets the first n bytes, which are there.
function pieces.skip(self, n)
  self.size = self.size - n
  while n > 0 do
    local rest = #self[self.first] - self.at + 1
    if n < rest then
      self.at = self.at + n
      return
    end
    n = n - rest
    self[self.first] = nil
    self.first, self.at = self.first + 1, 1
  end
  if self.size == 0 then self.first, self.last = 1, 0 end
end

-- The first n bytes, which are there, as a string.
function pieces.peek(self, n)
  if n == 0 then return "" end
  local head, at = self[self.first], self.at
  if at == 1 and n == #head then return head end
  if n <= #head - at + 1 then return sub(head, at, at + n - 1) end
  local parts, count, left, i = { sub(head, at) }, 1, n - (#head - at + 1), self.first + 1
  while left > 0 do
    local piece = self[i]
    count = count + 1
    parts[count] = #piece <= left and piece or sub(piece, 1, left)
    left, i = left - #piece, i + 1
  end
  return concat(parts)
end

function pieces.take(self, n)
  local text = pieces.peek(self, n)
  pieces.skip(self, n)
  return text
end

-- How many bytes there are up to and with the first end of line, or nil. `scan` remembers, from one
-- call to the next, what was looked at; it begins as {}.
function pieces.line(self, scan)
  local i, before = scan.i or self.first, scan.before or 0
  while i <= self.last do
    local piece = self[i]
    local from = i == self.first and self.at or 1
    local stop = find(piece, "\n", from, true)
    if stop then return before + stop - from + 1 end
    before, i = before + #piece - from + 1, i + 1
  end
  scan.i, scan.before = i, before
end

local function first_end(text, separators)
  local first
  for _, separator in ipairs(separators) do
    local _, stop = find(text, separator, 1, true)
    if stop and (not first or stop < first) then first = stop end
  end
  return first
end

-- As line, for the separator that ends first; `longest` is the length of the longest one.
function pieces.separator(self, separators, longest, scan)
  local i, before, tail = scan.i or self.first, scan.before or 0, scan.tail or ""
  while i <= self.last do
    local piece = self[i]
    local window = tail .. (i == self.first and self.at > 1 and sub(piece, self.at) or piece)
    local stop = first_end(window, separators)
    if stop then return before + stop end
    tail = longest > 1 and sub(window, 1 - longest) or ""
    before, i = before + #window - #tail, i + 1
  end
  scan.i, scan.before, scan.tail = i, before, tail
end

return pieces
