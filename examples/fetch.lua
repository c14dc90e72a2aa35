-- A concurrent fetcher for plain http, on neap's streams.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path

local neap = require "neap"
local Crawler = require "fetch.crawler"
local report = require "fetch.report"
local site = require "fetch.site"
local url = require "fetch.url"

local usage = [[
usage: lua5.4 fetch.lua [option]... [URL]...
Fetches the pages and prints a table. Without a URL it starts a small site of its own and crawls that.

  --file FILE        read more URLs from FILE, one a line ("-": standard input)
  --depth N          follow links on the same host N pages deep (0)
  --workers N        tasks that fetch (8)
  --connections N    open at the same time (4)
  --timeout SECONDS  for one attempt (10)
  --retries N        after a failure that may pass (2)
  --verbose          tell what happens
]]

local function refuse(...)
  io.stderr:write("fetch: ", string.format(...), "\n", usage)
  os.exit(2)
end

local function number(name, text, least, integer)
  local value = tonumber(text)
  if integer then value = math.tointeger(value) end
  if not value or value < least or value > 1e6 then
    refuse("%s: a number of at least %d expected, got '%s'", name, least, text or "nothing")
  end
  return value
end

local function read_file(name, into)
  local file, problem = io.stdin, nil
  if name ~= "-" then file, problem = io.open(name or "") end
  if not file then refuse("--file: %s", problem) end
  for line in file:lines() do
    line = line:match "^%s*(.-)%s*$"
    if line ~= "" and line:sub(1, 1) ~= "#" then into[#into + 1] = line end
  end
  if file ~= io.stdin then file:close() end
end

local function parse(words)
  local options = { depth = 0, workers = 8, connections = 4, timeout = 10, retries = 2, pause = 0.5 }
  local addresses, given = {}, false
  local i = 0
  local function value()
    i = i + 1
    return words[i]
  end
  while i < #words do
    local word = value()
    if word == "--help" then
      print(usage)
      os.exit(0)
    elseif word == "--verbose" then
      options.verbose = true
    elseif word == "--file" then
      given = true
      read_file(value(), addresses)
    elseif word == "--timeout" then
      options.timeout = number(word, value(), 0)
    elseif word == "--depth" or word == "--retries" then
      options[word:sub(3)] = number(word, value(), 0, true)
    elseif word == "--workers" or word == "--connections" then
      options[word:sub(3)] = number(word, value(), 1, true)
    elseif word:sub(1, 1) == "-" then
      refuse("unknown option %s", word)
    else
      given = true
      addresses[#addresses + 1] = word
    end
  end
  for n, text in ipairs(addresses) do
    local address, problem = url.parse(text)
    if not address then refuse("%s", problem) end
    addresses[n] = address
  end
  options.demo = not given
  options.log = options.verbose and report.log or function() end
  return options, addresses
end

local options, addresses = parse(arg)
if options.demo then options.depth, options.timeout, options.pause = 3, 0.3, 0.05 end

local crawler = Crawler.new(options)

local function crawl()
  for _, address in ipairs(addresses) do crawler:add(address, 0) end
  local progress = neap.create_task(function() report.progress(crawler) end, { name = "progress" })
  crawler:run()
  progress:cancel()
end

local function main()
  if not options.demo then return crawl() end
  local server <close> = site.start()
  addresses = { url.parse("http://127.0.0.1:" .. server:getsockname().port .. "/") }
  crawl()
end

local function explain(problem)
  return neap.is(problem, neap.KeyboardInterrupt) and problem or neap.traceback(problem)
end

local ok, problem = xpcall(neap.run, explain, main)
local interrupted = neap.is(problem, neap.KeyboardInterrupt)
if not ok and not interrupted then
  io.stderr:write(problem, "\n")
  os.exit(1, true)
end
report.table(crawler.results)
local good = options.demo or report.failures(crawler.results) == 0
os.exit(interrupted and 130 or good and 0 or 1, true)
