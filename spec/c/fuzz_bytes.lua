-- SPDX-License-Identifier: MIT
-- An input is a limit and steps of two bytes, what and how much. See fuzz_bytes.c.
local host = ...
local neap = require "neap"
local await = neap.await

local ALPHABET = "ab\n;"
local SEPARATORS = { ";", "ab", { "a;b", "\n" }, { "aa", "aab" }, "abab" }

-- ---- what must come: each takes the bytes that are there; no results: not yet ----

local Model = {}
Model.__index = Model

local function take(self, n)
  local bytes = self.here:sub(1, n)
  self.here = self.here:sub(n + 1)
  return bytes
end

function Model:read(n)
  if #self.here > 0 or n == 0 then return "bytes", take(self, n) end
  if self.ended then return "bytes", nil end
end

function Model:readexactly(n)
  if #self.here >= n then return "bytes", take(self, n) end
  if self.ended then return "IncompleteReadError", take(self, #self.here) end
end

function Model:line(chop)
  local at = self.here:find("\n", 1, true)
  if at then
    local line = take(self, at)
    if at - 1 > self.limit then return "LimitOverrunError", at - 1 end
    return "bytes", chop and line:sub(1, -2) or line
  end
  if #self.here > self.limit then return "LimitOverrunError", #take(self, #self.here) end
  if self.ended then return "bytes", #self.here > 0 and take(self, #self.here) or nil end
end

function Model:readuntil(separators)
  if type(separators) == "string" then separators = { separators } end
  local first, last, longest = nil, nil, 0
  for _, separator in ipairs(separators) do
    local from, to = self.here:find(separator, 1, true)
    if to and (not last or to < last) then first, last = from - 1, to end
    longest = math.max(longest, #separator)
  end
  if first then
    if first > self.limit then return "LimitOverrunError", first end
    return "bytes", take(self, last)
  end
  local searched = math.max(0, #self.here + 1 - longest)
  if searched > self.limit then return "LimitOverrunError", searched end
  if self.ended then return "IncompleteReadError", take(self, #self.here) end
end

function Model:all()
  if self.ended then return "bytes", take(self, #self.here) end
end

-- ---- one input ----

local READS = { -- the model's method, its argument for a number, the stream's awaitable
  { "read", function(n) return n % 40 end, function(stream, n) return stream:read(n) end },
  { "readexactly", function(n) return n % 60 end, function(stream, n) return stream:readexactly(n) end },
  { "line", function() return true end, function(stream) return stream:read "l" end },
  { "line", function() return false end, function(stream) return stream:readline() end },
  { "readuntil", function(n) return SEPARATORS[n % #SEPARATORS + 1] end,
    function(stream, separators) return stream:readuntil(separators) end },
  { "all", function() return nil end, function(stream) return stream:read "a" end },
}

local function outcome(task)
  local err = not task:cancelled() and task:exception()
  if task:cancelled() then return "cancelled" end
  if not err then return "bytes", (task:result()) end
  return err.name, err.partial or err.consumed
end

local function turn()
  await(neap.sleep(0))
  await(neap.sleep(0))
end

return function(input)
  local model = setmetatable({ here = "", ended = false, limit = (input:byte(1) or 0) % 64 + 1 }, Model)
  local stream, other = neap.socketpair { limit = model.limit }
  local _ <close> = stream
  local _ <close> = other
  host.filter(stream)
  local pending, seed = nil, #input

  local function look()
    local kind, value = model[pending.method](model, pending.argument)
    if not kind then
      assert(not pending.task:done(), "done too early")
      return
    end
    assert(pending.task:done(), "not done: " .. kind)
    local got, other_value = outcome(pending.task)
    if got ~= kind or other_value ~= value then
      error(("%s: %s %q, wanted %s %q"):format(pending.method, got, other_value, kind, value))
    end
    pending = nil
  end

  for i = 2, #input - 1, 2 do
    local what, n = input:byte(i, i + 1)
    what = what % 16
    if what < 6 and not pending then
      local row = READS[what + 1]
      local argument = row[2](n)
      pending = { method = row[1], argument = argument, task = neap.create_task(row[3](stream, argument)) }
      turn()
      look()
    elseif what < 13 and not model.ended then
      local bytes = {}
      for j = 1, what < 8 and n % 5 or n do
        seed = (seed * 1103515245 + n + j) & 0x7fffffff
        local k = (seed >> 12) % (what == 12 and 3 or #ALPHABET) + 1
        bytes[j] = ALPHABET:sub(k, k)
      end
      bytes = table.concat(bytes)
      model.here = model.here .. bytes
      host.feed(bytes, what % 2 == 0)
      turn()
      if pending then look() end
    elseif what == 13 and pending then
      pending.task:cancel()
      turn()
      assert(outcome(pending.task) == "cancelled")
      pending = nil
    elseif what == 14 and not model.ended then
      model.ended = true
      host.feed_eof()
      turn()
      if pending then look() end
    end
    assert(stream:at_eof() == (model.ended and model.here == ""), "at_eof")
  end
  if pending then pending.task:cancel() end
  turn()
end
