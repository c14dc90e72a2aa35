-- Tasks with slices: create_task(fn, {slice =}).
local neap = require "neap"
local busy = require "spec.support.busy"
local loop = require "spec.support.loop"
local await = neap.await

local REAL = { clock = "real" }

describe("a task with slices", function()
  it("shares the loop", function()
    loop.run(function()
      local enough = false
      local task = neap.create_task(function()
        while not enough do end
        return "enough"
      end, { slice = 0.002 })
      await(neap.sleep(0.02))
      enough = true
      assert.equal("enough", await(task))
    end, REAL)
  end)

  it("shares it with its like", function()
    loop.run(function()
      local turn, turns = 1, 0
      local function work(i)
        return function()
          for _ = 1, 3 do
            while turn ~= i do end
            turn, turns = 3 - i, turns + 1
          end
        end
      end
      await(neap.gather(neap.create_task(work(1), { slice = 0.002 }), neap.create_task(work(2), { slice = 0.002 })))
      assert.equal(6, turns)
    end, REAL)
  end)

  local some = { ["a loop"] = busy.spin, ["a comparison of table.sort"] = busy.places["a comparison of table.sort"] }
  for place, body in pairs(loop.slow and some or busy.places) do
    it("is cancelled in " .. place, function()
      busy.raises(neap.CancelledError, function()
        local task = neap.create_task(body, { slice = 0.002 })
        await(neap.sleep(0.02))
        task:cancel()
        await(task)
      end)
    end)
  end

  it("keeps its locals, its coroutines and its results", function()
    loop.run(function()
      local function sum(n)
        local total = 0
        for i in coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) do total = total + i end
        return total, n
      end
      local tasks = {}
      for i = 1, 4 do tasks[i] = neap.create_task(function() return sum(200000 + i) end, { slice = 0.001 }) end
      for i = 1, 4 do
        local n = 200000 + i
        assert.same({ n * (n + 1) // 2, n }, { await(tasks[i]) })
      end
    end, REAL)
  end)

  it("needs no more of its stack each time a predicate is interrupted", function()
    local MANY = 700
    loop.run(function()
      local changed, ticks, times = neap.Condition(), 0, 0
      local task = neap.create_task(function()
        await(changed:acquire())
        string.gsub("a", "a", function()
          await(changed:wait_for(function()
            local before, begin = ticks, os.clock()
            while ticks == before do
              if os.clock() - begin > 60 then error("it is not interrupted any more, after " .. times) end
            end
            times = times + 1
            return times == MANY
          end))
        end)
        changed:release()
      end, { slice = 0.001 })
      while not task:done() do
        ticks = ticks + 1
        if not changed:locked() then
          await(changed:acquire())
          changed:notify()
          changed:release()
        end
        await(neap.sleep(0))
      end
      await(task)
      assert.equal(MANY, times)
    end, { clock = "real", stack_size = 65536 })
  end)

  it("has none of no or bad length", function()
    loop.run(function()
      for _, bad in ipairs { 0, -1, 0.0001, 0 / 0, math.huge, "x", {}, true } do
        local ok, problem = pcall(neap.create_task, busy.spin, { slice = bad })
        assert.is_false(ok)
        assert.matches("field 'slice'", tostring(problem), 1, true)
      end
    end)
  end)

  it("works on the virtual clock too", function()
    loop.run(function()
      local enough = false
      local task = neap.create_task(function() while not enough do end end, { slice = 0.002 })
      await(neap.sleep(0))
      enough = true
      await(task)
    end)
  end)
end)
