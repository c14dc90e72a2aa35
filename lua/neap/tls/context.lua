-- SPDX-License-Identifier: MIT
-- Contexts of TLS, for neap.tls and neap.tls.streams. Files are read and options judged
-- here; what they hold is OpenSSL's to judge, in neap.tls.core, an optional module. Nothing needs it before a
-- context is made.
local core = require "neap.core"

local tls = {}

local loaded

local missing = "TLS wants the module neap.tls.core, which is not there: luarocks install neap-tls, or, from the "
  .. "sources of neap, make, with OpenSSL for developers installed (Debian: apt-get install libssl-dev pkg-config)\n"

-- The C module, or an error that tells how to get it.
function tls.native()
  if loaded then return loaded end
  local ok, found = pcall(require, "neap.tls.core")
  if not ok then
    error(core.RuntimeError(missing .. tostring(found)), 0)
  end
  loaded = found
  return found
end

-- ---- options ----

local function bad(level, format, ...)
  error(("bad argument #1 to 'context' (%s)"):format(format:format(...)), level + 1)
end

local kinds = {
  cafile = "string", capath = "string", cadata = "string", default_certs = "boolean",
  certfile = "string", certdata = "string", keyfile = "string", keydata = "string", password = "string|function",
  verify_mode = "string", check_hostname = "boolean",
  minimum_version = "string", maximum_version = "string",
  ciphers = "string", ciphersuites = "string", groups = "string", alpn_protocols = "table",
  num_tickets = "number", sni = "table|function",
}

local binary = { cadata = true, certdata = true, keydata = true, password = true }

local function check_options(options)
  if type(options) ~= "table" then bad(3, "table expected, got %s", type(options)) end
  for field, value in pairs(options) do
    local wanted = kinds[field]
    if not wanted then bad(3, "field '%s' is unknown", tostring(field)) end
    if not ("|" .. wanted .. "|"):find("|" .. type(value) .. "|", 1, true) then
      bad(3, "field '%s': %s expected, got %s", field, wanted:gsub("|", " or "), type(value))
    end
    if not binary[field] and type(value) == "string" and value:find("\0", 1, true) then
      bad(3, "field '%s' contains a zero byte", field)
    end
  end
  if (options.keyfile or options.keydata) and not (options.certfile or options.certdata) then
    bad(3, "a key without a certificate: field 'certfile' or 'certdata' is missing")
  end
  if options.certdata and not options.keydata and not options.keyfile and not options.certdata:find "PRIVATE KEY" then
    bad(3, "a certificate without its key: field 'keyfile' or 'keydata' is missing")
  end
  if options.check_hostname and options.verify_mode == "none" then
    bad(3, "field 'check_hostname' wants a 'verify_mode' that is not \"none\"")
  end
end

local function read_file(field, path)
  local file, problem, number = io.open(path, "rb")
  local text
  if file then
    text, problem, number = file:read "a"
    problem = ("%s: %s"):format(path, problem)
    file:close()
  end
  if text then return text end
  local code = number == 2 and "ENOENT" or number == 13 and "EACCES" or number == 21 and "EISDIR" or nil
  error(core.OSError(("%s: %s"):format(field, problem), { code = code }), 0)
end

-- The text of a field's file or of the field itself, and what to call it in errors; or nothing.
local function pem(options, stem)
  local path = options[stem .. "file"]
  if path then return read_file(stem .. "file", path), ("%s %s"):format(stem .. "file", path) end
  if options[stem .. "data"] then return options[stem .. "data"], stem .. "data" end
end

local function add_authorities(it, C, options)
  for _, field in ipairs { "cafile", "cadata" } do
    if options[field] then
      local text, what = options[field], field
      if field == "cafile" then text, what = pem({ cafile = text }, "ca") end
      if C.add_authorities(it, text, what) == 0 then
        error(core.TLSError(what .. ": no certificate in it", { code = "EPROTO" }), 0)
      end
    end
  end
  if options.capath then C.add_folder(it, options.capath) end
  if options.default_certs then C.add_folder(it) end
end

local function use_certificate(it, C, options)
  local chain, chain_what = pem(options, "cert")
  if not chain then return end
  C.use_chain(it, chain, chain_what)
  local key, key_what = pem(options, "key")
  if not key then key, key_what = chain, chain_what end
  local password = options.password
  if type(password) == "function" then
    password = password()
    if type(password) ~= "string" then bad(3, "field 'password': the function gave no string") end
  end
  C.use_key(it, key, key_what, password)
end

local function alpn_wire(names)
  local parts = {}
  for i, name in ipairs(names) do
    if type(name) ~= "string" or #name == 0 or #name > 255 then
      bad(4, "field 'alpn_protocols': strings of 1 to 255 bytes expected")
    end
    parts[i] = string.pack("s1", name)
  end
  if #parts == 0 then bad(4, "field 'alpn_protocols': it is empty") end
  return table.concat(parts)
end

local modes = { none = true, optional = true, required = true }

local function set_rules(it, C, options)
  if options.verify_mode and not modes[options.verify_mode] then
    bad(3, "field 'verify_mode': \"none\", \"optional\" or \"required\" expected")
  end
  C.set_verify(it, options.verify_mode, options.check_hostname)
  if not C.set_versions(it, options.minimum_version, options.maximum_version) then
    bad(3, "fields 'minimum_version', 'maximum_version': \"TLSv1\", \"TLSv1.1\", \"TLSv1.2\" or \"TLSv1.3\" expected")
  end
  for _, kind in ipairs { "ciphers", "ciphersuites", "groups" } do
    if options[kind] then C.set_list(it, kind, options[kind]) end
  end
  if options.alpn_protocols then C.set_alpn(it, alpn_wire(options.alpn_protocols)) end
  local tickets = options.num_tickets
  if tickets then
    if not math.tointeger(tickets) or tickets < 0 or tickets > 100 then
      bad(3, "field 'num_tickets': an integer from 0 to 100 expected")
    end
    C.set_tickets(it, math.tointeger(tickets))
  end
end

-- ---- what the streams want to know of a context ----

local function check_names(C, names)
  if type(names) == "function" then return names end
  local copy = {}
  for name, it in pairs(names) do
    if type(name) ~= "string" or not C.is_context(it) then bad(3, "field 'sni': names and contexts expected") end
    copy[name:lower()] = it
  end
  return copy
end

-- context = tls.context([options])
function tls.context(options)
  options = options == nil and {} or options
  check_options(options)
  local C = tls.native()
  local it = C.context()
  add_authorities(it, C, options)
  use_certificate(it, C, options)
  set_rules(it, C, options)
  if options.sni then
    C.set_names(it, check_names(C, options.sni))
  end
  return it
end

local default

-- The context of {tls = true}; a context itself; nothing for anything else.
function tls.context_of(value)
  local C = tls.native()
  if C.is_context(value) then return value end
  if value ~= true then return nil end
  default = default or tls.context()
  return default
end

-- The context for the name that a client asks for, which may be nil; nil: the server's own.
function tls.choose(context, name)
  local names = loaded.names(context)
  if type(names) == "function" then
    local found = names(name)
    if found ~= nil and found ~= false and not loaded.is_context(found) then
      error("the function in field 'sni' gave neither a context nor nil nor false", 0)
    end
    return found
  end
  name = names and name and name:lower()
  return name and (names[name] or names[name:gsub("^[^.]+", "*", 1)])
end

return tls
