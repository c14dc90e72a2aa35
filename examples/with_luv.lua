-- luv's handles and callbacks live on the same loop; neap.uv has its functions as awaitables.
local neap = require "neap"
local luv = require "luv"
local uv, await = neap.uv, neap.await

neap.run(function()
  local timer, ticks = luv.new_timer(), neap.Queue()
  local n = 0
  timer:start(1, 1, function() -- an ordinary callback of luv's
    n = n + 1
    ticks:put_nowait(n)
  end)
  for _ = 1, 3 do print("tick", await(ticks:get())) end
  await(uv.close(timer))

  local name = await(uv.fs_mkdtemp "/tmp/neap-XXXXXX") .. "/greeting"
  local fd = await(uv.fs_open(name, "w", tonumber("644", 8)))
  print("wrote", await(uv.fs_write(fd, "hello\n")))
  await(uv.fs_close(fd))
  print("size", await(uv.fs_stat(name)).size)
  await(uv.fs_unlink(name))
  await(uv.fs_rmdir(name:match "^(.*)/"))

  local ok, problem = pcall(await, uv.fs_stat "/no/such/file")
  print(ok, problem.code, problem)

  -- Any function that takes a callback as its last argument:
  local function double(x, callback) luv.new_timer():start(1, 0, function() callback(nil, 2 * x) end) end
  print("wrapped", await(neap.wrap(double)(21)))
end)
--[[ prints:
tick	1
tick	2
tick	3
wrote	6
size	6
false	ENOENT	OSError: fs_stat: no such file or directory: /no/such/file (ENOENT)
wrapped	42
]]
