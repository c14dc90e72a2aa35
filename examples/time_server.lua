-- A time server over UDP, in the manner of SNTP: a client asks several times, since datagrams get lost, and
-- believes the answer that was quickest. A second server that is not there is noticed at once.
local neap = require "neap"
local await = neap.await

local started = neap.time()

local function server(socket)
  for request, host, port in socket:iter() do
    local number = request:match "^time%? (%d+)$"
    if number and tonumber(number) % 3 ~= 2 then -- every third answer is lost
      socket:send(("%d %.6f"):format(number, neap.time() - started), host, port)
    end
  end
end

local function ask_once(socket, number)
  local sent = neap.time()
  await(socket:send("time? " .. number))
  return neap.timeout(0.05, function()
    while true do
      local answer = await(socket:recv())
      local which, time = answer:match "^(%d+) ([%d.]+)$"
      if tonumber(which) == number then -- not a late answer to an earlier question
        return { time = tonumber(time), delay = neap.time() - sent }
      end
    end
  end)
end

local function ask(address)
  local socket <close> = await(neap.open_datagram { remote_addr = address })
  local best, answers
  answers = 0
  for number = 1, 4 do
    local ok, sample = neap.pcall(ask_once, socket, number)
    if ok then
      answers = answers + 1
      if not best or sample.delay < best.delay then best = sample end
    elseif not neap.is(sample, neap.TimeoutError) then
      error(sample, 0)
    end
  end
  return answers, best
end

neap.run(function()
  local socket <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
  neap.create_task(function() server(socket) end)
  local answers, best = ask(socket:getsockname())
  print(("%d of 4 answers, the time is right: %s"):format(answers, best.time <= neap.time() - started))

  local gone = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
  local address = gone:getsockname()
  gone:close()
  await(gone:wait_closed())
  local _, problem = neap.pcall(ask, address)
  print(problem.name, problem.code)
end)
--[[ prints:
3 of 4 answers, the time is right: true
ConnectionRefusedError	ECONNREFUSED
]]
