-- A server and its clients, in one process, on a port that the system chose.
local neap = require "neap"
local await = neap.await

local function echo(stream) -- one task for each connection; the stream is closed when it returns
  for line in stream:lines() do
    await(stream:write(line:upper(), "\n"))
  end
end

local talk = neap.async(function(port, ...)
  local stream <close> = await(neap.open_connection("127.0.0.1", port))
  local answers = {}
  for i, word in ipairs { ... } do
    await(stream:write(word, "\n"))
    answers[i] = await(stream:read "l")
  end
  stream:write_eof()
  assert(await(stream:read "a") == "") -- the server has nothing more to say
  return table.concat(answers, " ")
end)

neap.run(function()
  local server <close> = await(neap.start_server(echo, "127.0.0.1", 0))
  local port = server:getsockname().port
  local answers = await(neap.gather(talk(port, "one", "two"), talk(port, "three"), talk(port)))
  for i = 1, answers.n do print(i, #answers[i], answers[i] == "" and "silence" or answers[i]) end
  server:close()
  await(server:wait_closed())
  local ok, problem = pcall(await, neap.open_connection("127.0.0.1", port))
  print(ok, neap.is(problem, neap.ConnectionRefusedError), problem.code)
end)
--[[ prints:
1	7	ONE TWO
2	5	THREE
3	0	silence
false	true	ECONNREFUSED
]]
