-- Workers take addresses from a queue, fetch them and put the links they find back, until the queue
-- is done. A semaphore limits the connections, wait_for bounds each of them, failures are tried again
-- after a growing pause.
local neap = require "neap"
local http = require "fetch.http"
local url = require "fetch.url"
local await = neap.await

local Crawler = {}
Crawler.__index = Crawler

-- options: workers, connections, timeout (seconds), retries, pause (seconds before the first retry),
-- depth (0: the given pages only), log(text)
function Crawler.new(options)
  return setmetatable({
    options = options,
    queue = neap.Queue(),
    slots = neap.Semaphore(options.connections),
    seen = {},
    results = {}, -- {url =, status = or problem =, bytes =, seconds =, attempts =}
    active = 0,
  }, Crawler)
end

function Crawler:add(address, depth)
  local text = url.format(address)
  if self.seen[text] then return end
  self.seen[text] = true
  self.queue:put_nowait { address = address, url = text, depth = depth }
end

-- Is it worth another try?
local function passing(problem, page)
  if problem then return not neap.is(problem, http.ProtocolError) end
  return page.status >= 500
end

function Crawler:attempt(item)
  local held <close> = await(self.slots:acquire())
  return await(neap.wait_for(http.get(item.address), self.options.timeout))
end

-- page, or nil and the problem; and how many attempts it took
function Crawler:fetch(item)
  local pause = self.options.pause
  for attempt = 1, self.options.retries + 1 do
    self.options.log(("GET %s, attempt %d"):format(item.url, attempt))
    local ok, page = neap.pcall(self.attempt, self, item)
    local problem = not ok and page or nil
    if problem and not neap.is(problem, neap.Error) then error(problem, 0) end -- a mistake in this program
    self.options.log(("%s %s"):format(item.url, problem and tostring(problem) or page.status))
    if attempt > self.options.retries or not passing(problem, page) then
      return ok and page or nil, problem, attempt
    end
    await(neap.sleep(pause))
    pause = pause * 2
  end
end

function Crawler:follow(item, page)
  local location = page.headers.location
  if page.status >= 300 and page.status < 400 and location then
    local target = url.join(item.address, location)
    if target then self:add(target, item.depth) end
  elseif page.status == 200 and item.depth < self.options.depth then
    if not (page.headers["content-type"] or ""):find "^text/html" then return end
    for link in page.body:gmatch "[hH][rR][eE][fF]%s*=%s*[\"']([^\"'#]+)" do
      local target = url.join(item.address, (link:gsub("&amp;", "&")))
      if target and target.site == item.address.site then self:add(target, item.depth + 1) end
    end
  end
end

function Crawler:work()
  while true do
    local item = await(self.queue:get())
    local started = neap.time()
    self.active = self.active + 1
    local page, problem, attempts = self:fetch(item)
    self.active = self.active - 1
    self.results[#self.results + 1] = {
      url = item.url,
      status = page and page.status,
      problem = problem,
      bytes = page and #page.body or 0,
      seconds = neap.time() - started,
      attempts = attempts,
    }
    if page then self:follow(item, page) end
    self.queue:task_done()
  end
end

-- Awaits the end of everything that was added and found.
function Crawler:run()
  neap.task_group(function(group)
    for i = 1, self.options.workers do
      group:create_task(function() self:work() end, { name = "worker-" .. i })
    end
    await(self.queue:join())
    group:cancel()
  end)
end

return Crawler
