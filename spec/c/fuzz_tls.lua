-- SPDX-License-Identifier: MIT
-- An input is a byte of settings and steps of two bytes, what and how much. Bytes of the records wait in `down` (to
-- neap) and `up` (to the peer) until a step passes so many of them on. See fuzz_tls.c.
local host = ...
local neap = require "neap"
local await = neap.await

host.open()
local folder = assert(os.getenv "NEAP_FUZZ", "NEAP_FUZZ: the folder of cert.pem and key.pem") .. "/"
local own = { certfile = folder .. "cert.pem", keyfile = folder .. "key.pem" }
local plain = neap.tls.context(own)
local named = neap.tls.context { certfile = own.certfile, keyfile = own.keyfile, sni = { localhost = plain } }
local SERVERS = { plain, named }
local CLIENT = neap.tls.context { cafile = own.certfile }

local TEXT = ("0123456789abcdefghijklmnopqrstuvwxyz\n"):rep(13000) -- more than is ever sent

-- What the sockets have is there after bytes went through two others.
local function turn(self)
  for _ = 1, 2 do
    self.ping:write "x"
    await(self.pong:read(1))
  end
end

-- What is raised is of neap's classes.
local function check_error(err)
  if not neap.is(err, neap.Error) then error("not an error of neap's: " .. tostring(err), 0) end
  return err
end

local function try(fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok then check_error(err) end
  return ok
end

local Run = {}
Run.__index = Run

-- So much text, which goes on where the last one ended.
local function some(sent, n)
  local at = sent % 37
  return TEXT:sub(at + 1, at + n)
end

-- Is it what comes next of the text that was sent?
local function check_text(text, got, sent, who)
  if text ~= some(got, #text) or got + #text > sent then
    error(("%s got %d bytes that were not sent, after %d of %d"):format(who, #text, got, sent), 0)
  end
  return got + #text
end

-- ---- what neap reads ----

function Run:read(n)
  if self.reader or not self.secure or self.finished then return end
  self.reader = neap.create_task(function() return await(self.stream:read(n)) end)
end

-- Looks at the read, if there is one and it is done.
function Run:look()
  local reader = self.reader
  if not reader or not reader:done() then return end
  self.reader = nil
  if reader:cancelled() then return end
  local err = reader:exception()
  if err then
    self.finished = check_error(err)
    return
  end
  local text = reader:result()
  if text == nil then self.finished = "end" else self.got = check_text(text, self.got, self.peer_sent, "neap") end
end

-- ---- the records ----

-- What neap sent, and what the peer has to say.
function Run:collect()
  turn(self)
  if self.start:done() and self.secure == nil then
    local err = self.start:exception()
    self.secure = not err
    if err then self.finished = check_error(err) end
  end
  self:look()
  local wire = self.wire_reader
  while wire and wire:done() do
    local text = not wire:exception() and wire:result()
    if wire:exception() then check_error(wire:exception()) end
    self.up = self.up .. (text or "")
    wire = text and neap.create_task(function() return await(self.wire:read(65536)) end)
    self.wire_reader = wire
    turn(self)
  end
  self.down = self.down .. host.take(self.peer)
end

function Run:pass_up(n)
  if n > 0 then host.put(self.peer, self.up:sub(1, n)) end
  self.up = self.up:sub(n + 1)
  local text = host.go(self.peer)
  if text then self.peer_got = check_text(text, self.peer_got, self.sent, "the peer") end
end

function Run:pass_down(n)
  local bytes = self.down:sub(1, n)
  self.down = self.down:sub(n + 1)
  if #bytes > 0 then try(self.wire.write, self.wire, bytes) end
end

-- All of it, both ways, until nobody has anything more to say.
function Run:pump()
  local quiet = 0
  for _ = 1, 200 do
    self:collect()
    quiet = #self.up + #self.down == 0 and quiet + 1 or 0
    if quiet == 3 then return end
    self:pass_up(#self.up)
    self:pass_down(#self.down)
  end
  error "it never ends"
end

-- ---- steps ----

function Run:tamper(what, n)
  local down = self.down
  local at = #down > 0 and n * 7 % #down or 0
  self.spoilt = true
  if what == 0 then -- a bit
    if #down > 0 then self.down = down:sub(1, at) .. string.char(down:byte(at + 1) ~ 1 << n % 8) .. down:sub(at + 2) end
  elseif what == 1 then
    self.down = down:sub(1, at) .. down:sub(at + 1 + n % 20 + 1)
  elseif what == 2 then
    self.down = down:sub(1, at) .. string.char(n, 3, 3, 0, n % 20):sub(1, n % 5 + 1) .. down:sub(at + 1)
  elseif what == 3 then -- a record of a kind
    self.down = down .. string.char(20 + n % 5, 3, 3, 0, 2, n % 4, n // 4)
  else -- twice
    self.down = down .. down:sub(at + 1)
  end
end

function Run:finish(what)
  self.spoilt = true
  if what == 0 then try(self.wire.write_eof, self.wire)
  elseif what == 1 then self.wire:abort()
  elseif what == 2 then try(self.stream.write_eof, self.stream)
  elseif what == 3 then self.stream:close()
  elseif what == 4 then self.stream:abort()
  else host.shutdown(self.peer) end
end

function Run:step(what, n)
  if what < 2 then self:pass_down(n + 1)
  elseif what == 2 then self:pass_down(n * 64)
  elseif what == 3 then self:pass_down(#self.down)
  elseif what == 4 then self:pass_up(n + 1)
  elseif what == 5 then self:pass_up(#self.up)
  elseif what == 6 then
    local text = some(self.sent, n * n)
    if self.sent < 400000 and try(self.stream.write, self.stream, text) then self.sent = self.sent + #text end
  elseif what == 7 then
    local text = some(self.peer_sent, n * n)
    if self.peer_sent < 400000 and host.write(self.peer, text) then self.peer_sent = self.peer_sent + #text end
  elseif what == 8 then self:read(n * n + 1)
  elseif what == 9 then self:read(n % 16 + 1)
  elseif what == 10 then
    if self.reader then self.reader:cancel() end
  elseif what == 11 then host.update(self.peer)
  elseif self.honest or what == 12 then self:pump()
  elseif what == 15 then self:finish(n % 6)
  else self:tamper(n % 5, n // 5) end
  self:collect()
end

-- ---- the end ----

-- Nothing was spoilt: all of it comes, both ways.
function Run:all_comes(closes)
  self:pump()
  if not self.secure then error(self.finished or "no handshake", 0) end
  host.shutdown(self.peer)
  for _ = 1, 10000 do
    if self.finished then break end
    self:read(65536)
    self:collect()
    self:pass_down(#self.down)
    self:pass_up(#self.up)
  end
  assert(self.got == self.peer_sent, "not all came")
  if self.finished ~= "end" then error(self.finished or "the end does not come", 0) end
  if closes then self.stream:close() else self.stream:write_eof() end
  self:pump()
  assert(host.ended(self.peer), "no close_notify")
  assert(self.peer_got == self.sent, "the peer did not get all")
end

function Run:leave()
  if not self.spoilt then self:all_comes(self.closes) end
  self:read(65536)
  self:pump()
  self.wire:abort()
  local ended = neap.move_on_after(10, function()
    if not self.start:done() then pcall(await, self.start) end
    self.stream:close()
    if self.reader then pcall(await, self.reader) end
    try(await, self.stream:wait_closed())
    return true
  end)
  assert(ended, "it never ends")
  self:look()
  if self.start:exception() then check_error(self.start:exception()) end
end

local function ignore() end

return function(input)
  local settings = input:byte(1) or 0
  neap.set_exception_handler(ignore)
  host.seed(#input * 256 + settings)
  local stream, wire = neap.socketpair()
  local ping, pong = neap.socketpair()
  local _ <close> = setmetatable({}, { __close = function()
    stream:abort()
    wire:abort()
    ping:abort()
    pong:abort()
  end })
  local server = settings & 1 == 1
  local run = setmetatable({
    stream = stream, wire = wire, ping = ping, pong = pong,
    honest = settings & 2 == 2, closes = settings & 8 == 8, spoilt = false,
    peer = host.peer(not server, settings & 4 == 4 and 2 or 3, own.certfile, own.keyfile),
    up = "", down = "", sent = 0, peer_sent = 0, got = 0, peer_got = 0,
  }, Run)
  run.start = neap.create_task(function()
    await(stream:start_tls(server and SERVERS[settings // 32 % 2 + 1] or CLIENT,
      { server_side = server, server_hostname = not server and "localhost" or nil }))
  end)
  run.wire_reader = neap.create_task(function() return await(wire:read(65536)) end)
  run:collect()
  host.go(run.peer)
  if settings & 16 == 16 then run:pump() end
  for i = 2, #input - 1, 2 do
    local what, n = input:byte(i, i + 1)
    run:step(what % 16, n)
  end
  run:leave()
end
