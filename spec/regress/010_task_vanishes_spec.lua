-- #91887: a task that nobody holds vanishes in the middle of its work.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A task", function()
  it("010 that nobody holds runs to its end, whatever it waits for", function()
    run(function()
      local ended = {}
      local function spawn(name, body)
        neap.create_task(function()
          body()
          ended[name] = true
        end)
      end
      spawn("sleep", function() await(neap.sleep(1)) end)
      spawn("tick", function() await(neap.sleep(0)) end)
      spawn("gather", function() await(neap.gather(neap.sleep(1), neap.sleep(1))) end)
      spawn("shield", function() await(neap.shield(neap.sleep(1))) end)
      spawn("wait", function() await(neap.wait { neap.create_task(neap.sleep(1)) }) end)
      spawn("timeout", function() pcall(neap.timeout, 1, function() await(neap.sleep(5)) end) end)
      spawn("group", function() neap.task_group(function(tg) tg:create_task(neap.sleep(1)) end) end)
      spawn("completed", function()
        for task in neap.as_completed { neap.sleep(1) } do task:result() end
      end)
      for _ = 1, 10 do
        collectgarbage()
        await(neap.sleep(1))
      end
      for _, name in ipairs { "sleep", "tick", "gather", "shield", "wait", "timeout", "group", "completed" } do
        assert.is_true(ended[name], name)
      end
    end)
  end)

  it("010 that waits for a future only its callback holds runs to its end", function()
    run(function()
      local ended = false
      do
        local future = neap.Future()
        neap.create_task(function() ended = await(future) end)
        neap.call_later(1, function() future:set_result(true) end)
      end
      collectgarbage()
      await(neap.sleep(2))
      assert.is_true(ended)
    end)
  end)
end)
