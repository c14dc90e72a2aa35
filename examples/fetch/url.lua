-- Addresses of plain http: taken apart, and put together again from a page and a link on it.
local url = {}

-- {host =, port =, path =, site = "host:port"}, or nil and why not
function url.parse(text)
  local rest = text:match "^[hH][tT][tT][pP]://(.+)$"
  if not rest then return nil, "not an http:// address: " .. text end
  local authority, path = rest:gsub("#.*$", ""):match "^([^/?]+)(.*)$"
  local host, port = (authority or ""):match "^(.-):?(%d*)$"
  host = host and host:match "^%[(.+)%]$" or host
  port = port == "" and 80 or math.tointeger(tonumber(port))
  if not host or host == "" or host:find "[%s@]" or not port or port < 1 or port > 65535 then
    return nil, "cannot be understood: " .. text
  end
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  path = path:gsub("[%c ]", function(char) return ("%%%02X"):format(char:byte()) end)
  local name = host:find(":", 1, true) and "[" .. host .. "]" or host:lower()
  return { host = host, port = port, path = path, site = port == 80 and name or name .. ":" .. port }
end

function url.format(parts) return "http://" .. parts.site .. parts.path end

local function without_dots(path)
  local segments = {}
  for segment in path:gmatch "[^/]+" do
    if segment == ".." then
      table.remove(segments)
    elseif segment ~= "." then
      segments[#segments + 1] = segment
    end
  end
  local slash = #segments > 0 and (path:find "/%.?%.?$") and "/" or ""
  return "/" .. table.concat(segments, "/") .. slash
end

-- The address that `link` on the page `base` (parsed) leads to; nil if it is not plain http.
function url.join(base, link)
  link = link:gsub("#.*$", "")
  if link:find "^%a[%w+.-]*:" then return url.parse(link) end
  if link:sub(1, 2) == "//" then return url.parse("http:" .. link) end
  local path, query = link:match "^([^?]*)(.*)$"
  if path == "" then
    path = base.path:match "^[^?]*"
  elseif path:sub(1, 1) ~= "/" then
    path = base.path:match "^[^?]*":match "^(.*/)" .. path
  end
  return url.parse("http://" .. base.site .. without_dots(path) .. query)
end

return url
