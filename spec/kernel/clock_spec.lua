local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run
local it_fifo = loop.shuffled and pending or it

describe("The virtual clock", function()
  it("starts at zero in each run", function()
    for _ = 1, 2 do
      run(function()
        assert.equal(0, neap.time())
        await(neap.sleep(100))
        assert.equal(100, neap.time())
      end)
    end
  end)

  it("jumps to the next deadline when nothing is ready", function()
    run(function()
      local times = {}
      for _, seconds in ipairs { 3600, 86400, 0.5 } do
        neap.create_task(function()
          await(neap.sleep(seconds))
          times[#times + 1] = neap.time()
        end)
      end
      await(neap.sleep(1e6))
      assert.same({ 0.5, 3600.0, 86400.0 }, times)
    end)
  end)

  it("does not move while something is ready", function()
    run(function()
      neap.call_later(0.001, function() end)
      loop.ticks(1000)
      assert.equal(0, neap.time())
    end)
  end)

  it("ends after 18e9 seconds, and is exact until then", function()
    run(function()
      await(neap.sleep(1e10))
      assert.equal(1e10, neap.time())
      for _ = 1, 3 do
        await(neap.sleep(1e10))
        assert.equal(18e9, neap.time())
      end
    end)
  end)

  it("takes a year in no time", function()
    run(function()
      for _ = 1, loop.size(365 * 24, 365) do await(neap.sleep(3600)) end
      assert.equal(loop.size(365 * 24, 365) * 3600, neap.time())
    end)
  end)

  it("lets work between two deadlines come between them", function()
    run(function()
      local order = {}
      neap.call_later(1, function()
        order[#order + 1] = "timer 1"
        neap.call_soon(function()
          order[#order + 1] = "soon"
          neap.call_later(0.5, function() order[#order + 1] = "timer 1.5" end)
        end)
      end)
      neap.call_later(2, function() order[#order + 1] = "timer 2" end)
      await(neap.sleep(3))
      assert.same({ "timer 1", "soon", "timer 1.5", "timer 2" }, order)
    end)
  end)

  it("is not used by a run that does not ask for it", function()
    run(function() await(neap.sleep(1e6)) end)
    run(function()
      local start = uv.hrtime()
      await(neap.sleep(0.002))
      assert.is_true(uv.hrtime() - start >= 2e6)
    end, { clock = "real" })
  end)

  it("is refused while timers of the real clock are pending", function()
    local handle = neap.call_later(1000, function() end)
    local err = loop.raises(neap.RuntimeError, neap.run, function() end, { clock = "virtual" })
    assert.matches("timers of the real clock", err.message)
    handle:cancel()
    for _, task in ipairs(neap.all_tasks()) do
      task:cancel()
      pcall(await, task)
    end
    run(function() end)
  end)
end)

describe("Equal deadlines", function()
  it_fifo("of sleeps wake in the order they were made", function()
    run(function()
      local order, want = {}, {}
      for i = 1, 30 do
        neap.create_task(function()
          await(neap.sleep(1))
          order[#order + 1] = i
        end)
        want[i] = i
      end
      await(neap.sleep(2))
      assert.same(want, order)
    end)
  end)

  it_fifo("of sleeps and callbacks wake in the order they were made", function()
    run(function()
      local order = {}
      neap.create_task(function()
        await(neap.sleep(1))
        order[#order + 1] = "sleep"
      end)
      loop.ticks(1)
      neap.call_later(1, function() order[#order + 1] = "callback" end)
      await(neap.sleep(1))
      loop.ticks(1)
      table.sort(order)
      assert.same({ "callback", "sleep" }, order)
    end)
  end)

  it_fifo("stay in order when one in the middle is cancelled", function()
    run(function()
      local order, handles, want = {}, {}, {}
      for i = 1, 20 do
        handles[i] = neap.call_at(1, function() order[#order + 1] = i end)
        if i % 3 ~= 0 then want[#want + 1] = i end
      end
      for i = 3, 20, 3 do handles[i]:cancel() end
      await(neap.sleep(2))
      assert.same(want, order)
    end)
  end)

  it("all fire, in any order", function()
    run(function()
      local fired = 0
      for _ = 1, 50 do neap.call_at(1, function() fired = fired + 1 end) end
      await(neap.sleep(2))
      assert.equal(50, fired)
    end)
  end)
end)

describe("Different deadlines", function()
  it("fire in their order, however they were made", function()
    run(function()
      local fired, n = {}, loop.size(500, 50)
      for i = 1, n do
        local when = (i * 7919) % n
        neap.call_at(when, function() fired[#fired + 1] = when end)
      end
      await(neap.sleep(n))
      for i = 2, n do assert.is_true(fired[i - 1] <= fired[i]) end
      assert.equal(n, #fired)
    end)
  end)

  it("fire in their order while others are cancelled at random", function()
    run(function()
      local fired, handles, n = {}, {}, loop.size(500, 50)
      for i = 1, n do
        local when = (i * 104729) % (2 * n) + 1
        handles[i] = neap.call_at(when, function() fired[#fired + 1] = when end)
      end
      local left = n
      for i = 1, n, 2 do
        handles[i]:cancel()
        left = left - 1
      end
      await(neap.sleep(3 * n))
      assert.equal(left, #fired)
      for i = 2, left do assert.is_true(fired[i - 1] <= fired[i]) end
    end)
  end)
end)

describe("The real clock", function()
  it("never wakes anybody early", function()
    run(function()
      for _, seconds in ipairs { 0.0005, 0.001, 0.0011, 0.0019, 0.0025 } do
        local start = uv.hrtime()
        await(neap.sleep(seconds))
        assert.is_true(uv.hrtime() - start >= seconds * 1e9)
      end
    end, { clock = "real" })
  end)

  it("never wakes anybody early after a long step", function()
    run(function()
      local start, due = uv.hrtime(), nil
      while uv.hrtime() - start < 5e6 do end -- luacheck: ignore 542
      local from = uv.hrtime()
      neap.call_later(0.002, function() due = uv.hrtime() end)
      while not due do await(neap.sleep(0)) end
      assert.is_true(due - from >= 2e6)
    end, { clock = "real" })
  end)

  it("goes on", function()
    run(function()
      local first = neap.time()
      await(neap.sleep(0.001))
      assert.is_true(neap.time() - first >= 0.001)
    end, { clock = "real" })
  end)
end)
