-- SPDX-License-Identifier: MIT
-- A small Redis: enough of the protocol and of the commands for a client to be tried.
local neap = require "neap"
local await = neap.await

local resp = {}

local function encode(value)
  if value == nil then return "$-1\r\n" end
  if type(value) == "number" then return ":" .. value .. "\r\n" end
  if type(value) == "string" then return ("$%d\r\n%s\r\n"):format(#value, value) end
  if value.status then return value.status .. "\r\n" end
  local parts = { ("*%d\r\n"):format(#value) }
  for i, item in ipairs(value) do parts[i + 1] = encode(item) end
  return table.concat(parts)
end

local OK, QUEUED = { status = "+OK" }, { status = "+QUEUED" }

-- words = read(stream): of one request; nil at the end
local function read(stream)
  local head = await(stream:read "l")
  if not head then return nil end
  local words = {}
  for i = 1, tonumber(head:match "^%*(%d+)") do
    local length = tonumber(await(stream:read "l"):match "^%$(%d+)")
    words[i] = await(stream:readexactly(length + 2)):sub(1, -3)
  end
  return words
end

local commands = {}

function commands.PING() return { status = "+PONG" } end
function commands.GET(self, key) return self.store.data[key] end

function commands.SET(self, key, value)
  self.store.data[key] = value
  self.store.versions[key] = (self.store.versions[key] or 0) + 1
  return OK
end

function commands.INCR(self, key)
  local n = (tonumber(self.store.data[key]) or 0) + 1
  commands.SET(self, key, tostring(n))
  return n
end

function commands.BLPOP(self, key)
  self.store.waiting = self.store.waiting + 1
  local item = await(self.store.list(key):get())
  self.store.waiting = self.store.waiting - 1
  return { key, item }
end

function commands.RPUSH(self, key, value)
  self.store.list(key):put_nowait(value)
  return 1
end

function commands.SUBSCRIBE(self, channel)
  self.store.subscribers[self.stream] = channel
  return { "subscribe", channel, 1 }
end

function commands.UNSUBSCRIBE(self)
  local channel = self.store.subscribers[self.stream]
  self.store.subscribers[self.stream] = nil
  return { "unsubscribe", channel, 0 }
end

function commands.PUBLISH(self, channel, text)
  local n = 0
  for stream, to in pairs(self.store.subscribers) do
    if to == channel then
      n = n + 1
      stream:write(encode { "message", channel, text })
    end
  end
  return n
end

function commands.WATCH(self, ...)
  for _, key in ipairs { ... } do self.watched[key] = self.store.versions[key] or 0 end
  return OK
end

function commands.MULTI(self)
  self.queue = {}
  return OK
end

function commands.DISCARD(self)
  self.queue = nil
  return OK
end

function commands.EXEC(self)
  local queue, watched = self.queue, self.watched
  self.queue, self.watched = nil, {}
  for key, version in pairs(watched) do
    if (self.store.versions[key] or 0) ~= version then return { status = "*-1" } end
  end
  local replies = {}
  for i, words in ipairs(queue) do replies[i] = self:answer(words) end
  return replies
end

local Connection = {}
Connection.__index = Connection

function Connection:answer(words)
  local name = words[1]:upper()
  local command = commands[name]
  if not command then return { status = "-ERR unknown command '" .. name .. "'" } end
  if self.queue and name ~= "EXEC" and name ~= "DISCARD" then
    table.insert(self.queue, words)
    return QUEUED
  end
  return command(self, table.unpack(words, 2))
end

-- server, store = serve(): on a port of its own; store.waiting: how many are in BLPOP
function resp.serve()
  local lists = {}
  local store = { data = {}, versions = {}, subscribers = {}, waiting = 0 }
  function store.list(key)
    lists[key] = lists[key] or neap.Queue()
    return lists[key]
  end
  local server = await(neap.start_server(function(stream)
    local connection = setmetatable({ stream = stream, store = store, watched = {} }, Connection)
    local ok, err = neap.pcall(function()
      for words in read, stream do stream:write(encode(connection:answer(words))) end
    end)
    store.subscribers[stream] = nil
    if not ok and not neap.is(err, neap.OSError) then error(err, 0) end -- the client has gone
  end, "127.0.0.1", 0))
  return server, store
end

return resp
