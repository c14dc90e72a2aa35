-- One GET over a TCP stream. Cancelling it closes the connection, whatever it waits for.
local neap = require "neap"
local await = neap.await

local http = { ProtocolError = neap.Error:extend "ProtocolError" }

local MOST = 16 * 1024 * 1024 -- bytes of a body

local function check_size(size)
  if size > MOST then error(http.ProtocolError(("a body of more than %d bytes"):format(MOST)), 0) end
end

local function read_head(stream)
  local head = await(stream:readuntil "\r\n\r\n")
  local status = math.tointeger(tonumber(head:match "^HTTP/1%.[01] (%d%d%d)"))
  if not status then error(http.ProtocolError "not an answer in HTTP/1", 0) end
  local headers = {}
  for name, value in head:gmatch "\r\n([^:%s]+):[ \t]*([^\r\n]*)" do headers[name:lower()] = value end
  return status, headers
end

local function read_chunks(stream)
  local chunks, total = {}, 0
  while true do
    local size = tonumber(await(stream:readuntil "\r\n"):match "^%x+", 16)
    if not size then error(http.ProtocolError "the size of a chunk is missing", 0) end
    if size == 0 then return table.concat(chunks) end
    total = total + size
    check_size(total)
    chunks[#chunks + 1] = await(stream:readexactly(size))
    await(stream:readexactly(2))
  end
end

local function read_rest(stream)
  local parts, total = {}, 0
  for part in function() return await(stream:read(65536)) end do
    total = total + #part
    check_size(total)
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

local function read_body(stream, status, headers)
  if status == 204 or status == 304 then return "" end
  if (headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then return read_chunks(stream) end
  local length = math.tointeger(tonumber(headers["content-length"]))
  if not length then return read_rest(stream) end
  check_size(length)
  return await(stream:readexactly(length))
end

-- {status =, headers =, body =} = await(http.get(address)), the address as url.parse gives it
http.get = neap.async(function(address)
  local stream <close> = await(neap.open_connection(address.host, address.port))
  await(stream:write("GET ", address.path, " HTTP/1.1\r\nHost: ", address.site,
    "\r\nUser-Agent: neap-fetch\r\nAccept: */*\r\nConnection: close\r\n\r\n"))
  local status, headers = read_head(stream)
  return { status = status, headers = headers, body = read_body(stream, status, headers) }
end)

return http
