-- #86296, bpo-32751, #84849: the outer cancellation swallowed, the inner task not waited for, the inner
-- result lost.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("wait_for", function()
  it("005 does not swallow a cancellation that comes with the result (#86296)", function()
    run(function()
      local future, after = neap.Future(), false
      local task = neap.create_task(function()
        await(neap.wait_for(future, 10))
        after = true
        await(neap.sleep(1))
        error "not reached"
      end)
      loop.ticks(1)
      future:set_result "inner"
      task:cancel()
      loop.raises(neap.CancelledError, await, task)
      assert.is_false(after)
    end)
  end)

  it("005 does not swallow a cancellation that comes when the inner task has ended (#86296)", function()
    run(function()
      local inner = neap.create_task(neap.sleep(1))
      local outer = neap.create_task(neap.wait_for(inner, 10))
      inner:add_done_callback(function() outer:cancel() end)
      loop.raises(neap.CancelledError, await, outer)
    end)
  end)

  it("005 waits until the inner task has ended (bpo-32751)", function()
    run(function()
      local ended = false
      local inner = neap.create_task(function()
        pcall(await, neap.sleep(100))
        await(neap.sleep(0.2))
        ended = true
      end)
      pcall(await, neap.wait_for(inner, 0.1))
      assert.is_true(ended)
      assert.is_true(inner:done())
    end)
  end)

  it("005 does not lose a result that comes with the end of the time (#84849)", function()
    run(function()
      local lock, acquired = neap.Lock(), 0
      for _ = 1, 20 do
        local task = neap.create_task(function()
          local ok = pcall(function()
            local _ <close> = await(neap.wait_for(lock:acquire(), 1))
            acquired = acquired + 1
          end)
          return ok
        end)
        neap.call_later(1, function() task:cancel() end)
        await(neap.wait { task })
        assert.is_false(lock:locked())
      end
      assert.equal(20, acquired)
    end)
  end)
end)
