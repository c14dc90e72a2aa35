-- Tasks that await each other: cancelling one of them, which the end of run() does, went round in circles.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function tie(n)
  local tasks = {}
  for i = 1, n do tasks[i] = neap.create_task(function() await(tasks[i % n + 1]) end) end
  return tasks
end

describe("Tasks that await each other", function()
  it("012 are a deadlock that ends", function()
    local err = loop.failure(neap.run, function() await(tie(3)[1]) end, { clock = "virtual" })
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.equal(0, neap.all_tasks().n)
  end)

  it("012 can be cancelled, one after the other", function()
    run(function()
      for _, message in ipairs { "enough", false } do
        local tasks = tie(2)
        await(neap.sleep(0))
        await(neap.sleep(0))
        local outside = neap.create_task(function() await(tasks[1]) end)
        await(neap.sleep(0))
        assert.is_true(outside:cancel(message or nil))
        for _ = 1, 4 do await(neap.sleep(0)) end
        assert.is_true(outside:cancelled())
        tasks[2]:cancel(message or nil)
        for _ = 1, 4 do await(neap.sleep(0)) end
        assert.is_true(tasks[1]:cancelled())
        assert.is_true(tasks[2]:cancelled())
      end
    end)
  end)
end)
