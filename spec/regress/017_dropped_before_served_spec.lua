-- SPDX-License-Identifier: MIT
-- A server posts a job when connections have come that no task serves yet. When those were closed before their turn,
-- and another came, it posted the job again while it was still posted: jobs were lost, or what is no job was run.
local loop = require "spec.support.loop"
local neap = require "neap"
local await = neap.await

local ROUNDS, TASKS = 30, 10

local function busy(seconds)
  local begin = os.clock()
  while os.clock() - begin < seconds do end
end

describe("A server 017", function()
  it("whose connections are dropped before their turn takes the next ones", function()
    loop.run(function()
      local asked, done = 0, 0
      local server <close> = await(neap.start_server(function() end, "127.0.0.1", 0))
      local port = server:getsockname().port
      local function visit()
        local ok, stream = pcall(await, neap.open_connection("127.0.0.1", port))
        if ok then stream:abort() end
        done = done + 1
      end
      local tasks = {}
      for i = 1, TASKS do -- of such tasks the loop runs one between two looks at I/O
        tasks[i] = neap.create_task(function()
          for _ = 1, ROUNDS do
            server:close_clients()
            asked = asked + 1
            neap.create_task(visit)
            busy(0.005)
            await(neap.sleep(0))
          end
        end)
      end
      await(neap.gather(tasks))
      neap.timeout(60, function()
        while done < asked do await(neap.sleep(0.01)) end
      end)
      assert.equal(ROUNDS * TASKS, done)
    end, { clock = "real" })
  end)
end)
