-- A service that reads its configuration again on SIGHUP, without dropping what it does, and ends in order
-- on SIGTERM. It sends the signals to itself here; in real life `kill -HUP` does.
local neap = require "neap"
local uv = require "luv"
local await = neap.await

local path = os.tmpname()

local function write_configuration(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function read_configuration()
  local settings = {}
  for line in io.lines(path) do
    local name, value = line:match "^(%w+)%s*=%s*(.-)%s*$"
    if name then settings[name] = value end
  end
  return settings
end

local settings
local requests, reloaded = neap.Queue(), neap.Event()

local function serve()
  for request in requests:iter() do
    await(neap.sleep(0.01))
    print(settings.greeting .. ", " .. request)
    requests:task_done()
  end
end

local function main()
  settings = read_configuration()
  local service = neap.create_task(serve)
  for name in neap.signals("HUP", "TERM", "INT") do
    print("signal", name)
    if name ~= "HUP" then break end
    settings = read_configuration()
    reloaded:set()
  end
  requests:shutdown() -- what came is still served
  await(service)
  print "bye"
end

local function customer()
  requests:put_nowait "Ada"
  await(requests:join())
  write_configuration "greeting = good day\n"
  uv.kill(uv.os_getpid(), "sighup")
  await(reloaded:wait())
  requests:put_nowait "Bob"
  requests:put_nowait "Eve"
  uv.kill(uv.os_getpid(), "sigterm")
end

write_configuration "greeting = hello\n"
neap.run(function()
  neap.create_task(customer)
  main()
end)
os.remove(path)
--[[ prints:
hello, Ada
signal	HUP
signal	TERM
good day, Bob
good day, Eve
bye
]]
