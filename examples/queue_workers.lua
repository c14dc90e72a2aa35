-- Workers share a queue; join waits until everything put into it has been dealt with.
local neap = require "neap"
local await = neap.await

neap.run(function()
  local queue, squares = neap.Queue(2), {} -- put waits while there are two

  local function work()
    while true do
      local n = await(queue:get())
      await(neap.sleep(0.001))
      squares[n] = n * n
      queue:task_done()
    end
  end

  neap.task_group(function(group)
    for _ = 1, 3 do group:create_task(work) end
    for n = 1, 10 do await(queue:put(n)) end
    await(queue:join())
    group:cancel() -- the workers wait for more
  end)
  print(table.concat(squares, " "))

  local urgent = neap.PriorityQueue()
  for _, n in ipairs { 3, 1, 2 } do urgent:put_nowait(n) end
  urgent:shutdown() -- no more can be put; what is there can be taken
  for _ = 1, 3 do io.write(await(urgent:get()), " ") end
  print(pcall(await, urgent:get()))
end)
--[[ prints:
1 4 9 16 25 36 49 64 81 100
1 2 3 false	QueueShutDown: the queue is shut down
]]
