-- What spec/c/embed.c runs as a task: something of every layer, and luv's handles beside it.
local neap, uv = require "neap", require "luv"
local await = neap.await

assert(package.searchers[1] and not package.loaded["neap.wrap"])
for _, name in ipairs { "neap", "neap.core", "neap.uv", "neap.wrap", "neap.oserror" } do
  assert(package.preload[name], name)
end

local server <close> = await(neap.start_server(function(stream)
  for line in stream:lines() do await(stream:write(line:upper(), "\n")) end
end, "127.0.0.1", 0))
do
  local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
  await(stream:write "ping\n")
  assert(await(stream:read "l") == "PING")
end

local ok, problem = pcall(await, neap.uv.fs_stat "/no/such/file")
assert(not ok and neap.is(problem, neap.OSError) and problem.code == "ENOENT")

local timer, fired = uv.new_timer(), neap.Future()
timer:start(1, 0, function() fired:set_result "fired" end)
assert(await(fired) == "fired")
uv.new_timer():start(1000000, 0, function() end) -- left open: neap_close closes it

neap.create_task(neap.sleep(1000)) -- cancelled at the end
local values = await(neap.gather(neap.sleep(0.002, "a"), neap.sleep(0.001, "b")))
assert(values[1] .. values[2] == "ab")
return "done"
