-- A small web site on loopback with what one meets on larger ones: pages with links, a slow page, one
-- that ends early, one that comes in chunks, one that works at the third attempt.
local neap = require "neap"
local await = neap.await

local function page(title, ...)
  local lines = { "<html><title>" .. title .. "</title><body>" }
  for _, link in ipairs { ... } do lines[#lines + 1] = ('<a href="%s">%s</a>'):format(link, link) end
  lines[#lines + 1] = "</body></html>"
  return table.concat(lines, "\n")
end

local function answer(stream, status, body, headers)
  await(stream:write("HTTP/1.1 ", status, "\r\nContent-Type: text/html\r\nContent-Length: ", #body, "\r\n",
    headers or "", "Connection: close\r\n\r\n", body))
end

local pages = {
  ["/"] = page("start", "news.html", "/docs/", "slow", "early", "chunked", "flaky", "moved", "missing",
    "http://elsewhere.invalid/", "mailto:nobody@elsewhere.invalid"),
  ["/news.html"] = page("news", "/", "docs/index.html") .. ("All is well. "):rep(500),
  ["/docs/"] = page("documents", "one.html", "two.html", "../"),
  ["/docs/index.html"] = page "index",
  ["/docs/one.html"] = page("one", "two.html", "deep/three.html"),
  ["/docs/two.html"] = page "two" .. ("x"):rep(100000),
  ["/docs/deep/three.html"] = page("three", "four.html"),
  ["/docs/deep/four.html"] = page "four",
  ["/new"] = page("at its new place", "/"),
}

local site = {}

function site.start()
  local flaky = 0
  local special = {
    ["/slow"] = function(stream)
      await(neap.sleep(30))
      answer(stream, "200 OK", page "at last")
    end,
    ["/early"] = function(stream)
      await(stream:write "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nThis is not all")
    end,
    ["/chunked"] = function(stream)
      stream:write "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
      for word in ("in several small pieces"):gmatch "%a+" do
        await(stream:write(("%x\r\n%s\r\n"):format(#word, word)))
        await(neap.sleep(0.01))
      end
      await(stream:write "0\r\n\r\n")
    end,
    ["/flaky"] = function(stream)
      flaky = flaky + 1
      if flaky < 3 then return answer(stream, "503 Service Unavailable", "later") end
      answer(stream, "200 OK", page "third time lucky")
    end,
    ["/moved"] = function(stream) answer(stream, "301 Moved Permanently", "", "Location: /new\r\n") end,
  }
  return await(neap.start_server(function(stream)
    local path = await(stream:readuntil "\r\n\r\n"):match "^GET (%S+)"
    if special[path] then return special[path](stream) end
    if pages[path] then return answer(stream, "200 OK", pages[path]) end
    answer(stream, "404 Not Found", "there is no such page")
  end, "127.0.0.1", 0))
end

return site
