-- SPDX-License-Identifier: MIT
-- An input is a byte that tells what is done, two bytes for a port, and the rest. See fuzz_addresses.c.
local host = ...
local neap = require "neap"
local await = neap.await

local function equal(what, got, wanted)
  if got ~= wanted then error(("%s: %q, wanted %q"):format(what, got, wanted), 0) end
end

-- ---- what a text means ----

-- The number of a zone: an interface's name or a number of an interface; nil if it is none.
local function scope_of(zone)
  local scope = host.interface(zone)
  if scope > 0 then return scope end
  local number = zone:find "^%d+$" and #zone <= 10 and tonumber(zone)
  if number and number > 0 and number < 1 << 32 then return number end
end

-- family, bytes, scope; nothing if it is no address
local function meaning(text)
  local bytes = host.inet_pton(4, text)
  if bytes then return 4, bytes, 0 end
  local ip, zone = text:match "^([^%%]*)%%(.*)$"
  bytes = host.inet_pton(6, ip or text)
  if not bytes then return end
  if not zone then return 6, bytes, 0 end
  local scope = scope_of(zone)
  if scope then return 6, bytes, scope end
end

local function parse(text, port)
  local whole = text
  text = text:match "^%Z*"
  local family, bytes, scope = meaning(text)
  local got, got_bytes, got_scope, got_port = host.parse(text, port)
  equal(("family of %q"):format(text), got, family)
  if family then
    equal("bytes of " .. text, got_bytes, bytes)
    equal("scope of " .. text, got_scope, scope)
    equal("port", got_port, port)
  end
  -- tables, in both forms; a zero byte ends no address
  if whole ~= text then family = nil end
  for _, value in ipairs { { ip = whole, port = port }, { whole, port }, { whole } } do
    local read, read_bytes, read_scope, read_port = host.read(value, port)
    equal(("family of {%q}"):format(whole), read, family)
    if family then
      equal("bytes", read_bytes, bytes)
      equal("scope", read_scope, scope)
      equal("port", read_port, port)
    end
  end
end

local PORTS = { -1, 65536, 1.5, math.huge, "80x", {}, true, math.mininteger, 2 ^ 40, "" }

local function ports(text, number)
  local bad = PORTS[number % #PORTS + 1]
  equal("a bad port", host.read({ "127.0.0.1", bad }, 1), nil)
  equal("no port", select(4, host.read({ ip = "127.0.0.1" }, number)), number)
  local ok, err = pcall(neap.getaddrinfo, "127.0.0.1", type(bad) == "string" and -1 or bad)
  equal("a bad port", ok, false)
  equal("the error", type(err) == "string" and err:find "port" ~= nil, true)
  equal("no address", host.read(text, number), nil)
end

-- ---- from numbers to text and back ----

local function write(text, port)
  local bytes = #text >= 16 and text:sub(1, 16) or (text .. "\0\0\0\0"):sub(1, 4)
  local scope = #text >= 20 and string.unpack("<I4", text, 17) >> (text:byte(20) % 32) or 0
  local address, shown, standard = host.write(bytes, scope, port)
  equal("family", address.family, #bytes == 16 and "inet6" or "inet")
  equal("ip", address.ip:match "^[^%%]*", standard)
  equal("port", address.port, port)
  equal("text", shown, (#bytes == 16 and "[%s]:%d" or "%s:%d"):format(address.ip, port))
  local _, again, again_scope, again_port = host.read(address, 0)
  equal("bytes", again, bytes)
  equal("scope", again_scope, scope)
  equal("port", again_port, port)
  return address, bytes, scope
end

-- ---- names ----

local function names(text, port)
  local address, bytes, scope = write(text, port)
  local ok, name, service = pcall(await, neap.getnameinfo(address, { "numerichost", "numericserv" }))
  if not ok then error(name, 0) end
  equal("service", service, tostring(port))
  local _, again, again_scope = host.parse(name, port)
  equal("bytes of " .. name, again, bytes)
  if name:find "%%" then equal("scope of " .. name, again_scope, scope) end
end

local function infos(text, port)
  local hints = { flags = { "numerichost", "numericserv" }, type = "stream" }
  if text == "" or text:find "\0" then
    equal("bad host", pcall(neap.getaddrinfo, text, port, hints), false)
    return
  end
  local family, bytes, scope = meaning(text)
  local ok, found = pcall(await, neap.getaddrinfo(text, port, hints))
  if not ok then
    if not neap.is(found, neap.OSError) then error(found, 0) end
    -- the system knows names of interfaces for link-local addresses alone
    equal("refused " .. text, family == nil or scope > 0, true)
    return
  end
  if not family then return end -- such as 127.1
  local _, got, got_scope, got_port = host.read(found[1], 0)
  equal("bytes of " .. text, got, bytes)
  equal("scope of " .. text, got_scope, scope)
  equal("port", got_port, port)
end

-- ---- Unix sockets ----

local MOST = 108

local function path(name, number)
  local abstract = name:byte(1) == 0
  local good = #name > (abstract and 1 or 0) and #name <= (abstract and MOST or MOST - 1)
    and (abstract or not name:find "\0")
  local room = number % 120 + 1
  local ok, got, text = pcall(host.path, name, room)
  equal("a good name", ok, good)
  if not ok then
    equal("the error", got:find "bad argument #1" ~= nil, true)
    return
  end
  equal("name", got, name)
  equal("text", text, (name:gsub("\0", "@"):sub(1, room - 1)))
  return true
end

local function sockets(name, number)
  name = "\0neap-fuzz" .. name
  if not path(name, number) then return end
  local accepted = neap.Future()
  local server <close> = await(neap.start_unix_server(function(stream)
    accepted:set_result(stream:get_extra_info "sockname")
    await(stream:read())
  end, name))
  equal("server", server:getsockname(), name)
  equal("shown", tostring(server):find("\0", 1, true), nil)
  local stream <close> = await(neap.open_unix_connection(name))
  equal("peer", stream:get_extra_info "peername", name)
  equal("own", stream:get_extra_info "sockname", "")
  equal("shown", tostring(stream):find("\0", 1, true), nil)
  equal("accepted", await(accepted), name)
end

local actions = { parse, write, ports, names, infos, path, sockets, parse }

return function(input)
  if #input < 3 then return end
  local what, port = input:byte(1), string.unpack("<I2", input, 2)
  actions[what % #actions + 1](input:sub(4), port)
end
