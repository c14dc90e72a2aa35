local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function takers(semaphore, order, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.create_task(function()
      await(semaphore:acquire())
      order[#order + 1] = i
    end)
  end
  loop.ticks(1)
  return tasks
end

for _, class in ipairs { "Semaphore", "BoundedSemaphore" } do
  local new = neap[class]

  describe(class, function()
    it("refuses a wrong value", function()
      assert.matches("not negative", loop.failure(function() new(-1) end))
      assert.matches("number expected", loop.failure(function() new "x" end))
      assert.matches("integer", loop.failure(function() new(1.5) end))
      assert.matches("Semaphore expected", loop.failure(new().acquire, {}))
    end)

    it("has at most as many units as there are integers", function()
      loop.run(function()
        local semaphore = neap[class](math.maxinteger)
        loop.raises(neap.ValueError, semaphore.release, semaphore)
      end)
    end)

    it("is one unit unless told otherwise", function()
      run(function()
        local semaphore = new()
        assert.is_false(semaphore:locked())
        assert.equal(semaphore, await(semaphore:acquire()))
        assert.is_true(semaphore:locked())
        semaphore:release()
        assert.is_false(semaphore:locked())
      end)
    end)

    it("is taken without a suspension while there are units", function()
      run(function()
        local semaphore, ticked = new(3), false
        neap.call_soon(function() ticked = true end)
        for _ = 1, 3 do await(semaphore:acquire()) end
        assert.is_false(ticked)
        assert.is_true(semaphore:locked())
        for _ = 1, 3 do semaphore:release() end
        await(neap.sleep(0))
      end)
    end)

    it("lets in as many as it has units, in the order they came", function()
      run(function()
        local semaphore, inside, most, order = new(2), 0, 0, {}
        local tasks = {}
        for i = 1, 6 do
          tasks[i] = neap.create_task(function()
            local _ <close> = await(semaphore:acquire())
            order[#order + 1] = i
            inside = inside + 1
            most = math.max(most, inside)
            await(neap.sleep(1))
            inside = inside - 1
          end)
        end
        await(neap.gather(tasks))
        assert.equal(2, most)
        assert.same({ 1, 2, 3, 4, 5, 6 }, order)
        assert.equal(3, neap.time())
      end)
    end)

    it("is released when its variable is closed, also by an error", function()
      run(function()
        local semaphore = new(1)
        pcall(function()
          local _ <close> = await(semaphore:acquire())
          error "x"
        end)
        assert.is_false(semaphore:locked())
      end)
    end)

    it("does not let newcomers pass those who wait", function()
      run(function()
        local semaphore, order = new(1), {}
        await(semaphore:acquire())
        takers(semaphore, order, 1)
        semaphore:release()
        assert.is_true(semaphore:locked())
        neap.create_task(function()
          await(semaphore:acquire())
          order[#order + 1] = "new"
        end)
        loop.ticks(3)
        assert.same({ 1 }, order)
        semaphore:release()
        loop.ticks(3)
        assert.same({ 1, "new" }, order)
      end)
    end)

    it("wakes one for each release", function()
      run(function()
        local semaphore, order = new(5), {}
        for _ = 1, 5 do await(semaphore:acquire()) end
        local tasks = takers(semaphore, order, 5)
        semaphore:release()
        semaphore:release()
        loop.ticks(3)
        assert.same({ 1, 2 }, order)
        for _ = 1, 3 do semaphore:release() end
        await(neap.gather(tasks))
        assert.same({ 1, 2, 3, 4, 5 }, order)
      end)
    end)

    it("loses no unit when a waiter is cancelled", function()
      run(function()
        local semaphore, order = new(1), {}
        await(semaphore:acquire())
        local tasks = takers(semaphore, order, 3)
        tasks[1]:cancel()
        loop.ticks(1)
        semaphore:release()
        loop.ticks(2)
        assert.same({ 2 }, order)
        semaphore:release()
        await(tasks[3])
        assert.same({ 2, 3 }, order)
      end)
    end)

    it("loses no unit when a waiter is cancelled in the handoff window", function()
      run(function()
        local semaphore, order = new(1), {}
        await(semaphore:acquire())
        local tasks = takers(semaphore, order, 3)
        semaphore:release()
        tasks[1]:cancel()
        loop.ticks(3)
        assert.is_true(tasks[1]:cancelled())
        assert.same({ 2 }, order)
        semaphore:release()
        await(tasks[3])
        semaphore:release()
        assert.is_false(semaphore:locked())
      end)
    end)

    it("loses no unit when all waiters are cancelled in the handoff window", function()
      run(function()
        local semaphore, order = new(1), {}
        await(semaphore:acquire())
        local tasks = takers(semaphore, order, 3)
        semaphore:release()
        for _, task in ipairs(tasks) do task:cancel() end
        loop.ticks(4)
        assert.same({}, order)
        assert.is_false(semaphore:locked())
        await(neap.wait_for(semaphore:acquire(), 1))
      end)
    end)

    it("with waiters that are all cancelled is free for a newcomer", function()
      run(function()
        local semaphore = new(1)
        await(semaphore:acquire())
        local tasks = takers(semaphore, {}, 2)
        for _, task in ipairs(tasks) do task:cancel() end
        semaphore:release()
        assert.is_false(semaphore:locked())
        await(semaphore:acquire())
        loop.ticks(3)
        assert.is_true(semaphore:locked())
      end)
    end)

    it("tells its state", function()
      run(function()
        local semaphore = new(1)
        assert.equal(("neap.%s (value 1, 0 waiting)"):format(class), tostring(semaphore))
        await(semaphore:acquire())
        takers(semaphore, {}, 1)
        assert.equal(("neap.%s (value 0, 1 waiting)"):format(class), tostring(semaphore))
        semaphore:release()
        loop.ticks(1)
      end)
    end)
  end)
end

describe("Semaphore", function()
  it("may be released above its initial value", function()
    run(function()
      local semaphore = neap.Semaphore(0)
      assert.is_true(semaphore:locked())
      semaphore:release()
      semaphore:release()
      await(semaphore:acquire())
      await(semaphore:acquire())
      assert.is_true(semaphore:locked())
    end)
  end)
end)

describe("BoundedSemaphore", function()
  it("refuses a release above its initial value, and changes nothing", function()
    run(function()
      local semaphore = neap.BoundedSemaphore(1)
      loop.raises(neap.ValueError, semaphore.release, semaphore)
      await(semaphore:acquire())
      assert.is_true(semaphore:locked())
      semaphore:release()
      loop.raises(neap.ValueError, semaphore.release, semaphore)
      assert.equal("neap.BoundedSemaphore (value 1, 0 waiting)", tostring(semaphore))
    end)
  end)

  it("is a Semaphore", function()
    assert.is_true(neap.is(neap.BoundedSemaphore(), neap.Semaphore))
    assert.is_false(neap.is(neap.Semaphore(), neap.BoundedSemaphore))
  end)
end)
