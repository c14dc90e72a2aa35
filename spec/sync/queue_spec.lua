local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function getters(queue, order, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.create_task(function()
      local item = await(queue:get())
      order[#order + 1] = { i, item }
      return item
    end)
  end
  loop.ticks(1)
  return tasks
end

for _, class in ipairs { "Queue", "LifoQueue", "PriorityQueue" } do
  local new = neap[class]

  describe(class, function()
    it("refuses a wrong size and a missing item", function()
      assert.matches("number expected", loop.failure(function() new "x" end))
      run(function()
        local queue = new()
        assert.matches("#1.*value expected", loop.failure(function() queue:put() end))
        assert.matches("#1.*value expected", loop.failure(function() queue:put_nowait() end))
        assert.matches("neap.Queue expected", loop.failure(queue.get, {}))
        assert.matches("neap.Queue expected", loop.failure(queue.put_nowait, neap.Lock(), 1))
      end)
    end)

    it("is a Queue", function()
      local queue = new(3)
      assert.is_true(neap.is(queue, neap.Queue))
      assert.is_true(neap.is(queue, new))
      assert.equal(3, queue:maxsize())
      assert.matches("neap." .. class .. " %(0 items", tostring(queue))
    end)

    it("is unbounded when the size is zero or less", function()
      for _, size in ipairs { 0, -1 } do
        local queue = new(size)
        for i = 1, 1000 do queue:put_nowait(i) end
        assert.is_false(queue:full())
        assert.equal(1000, queue:qsize())
      end
    end)

    it("tells whether it is empty or full", function()
      run(function()
        local queue = new(2)
        assert.is_true(queue:empty())
        loop.raises(neap.QueueEmpty, queue.get_nowait, queue)
        queue:put_nowait(1)
        assert.is_false(queue:empty() or queue:full())
        queue:put_nowait(2)
        assert.is_true(queue:full())
        loop.raises(neap.QueueFull, queue.put_nowait, queue, 3)
        assert.equal(2, queue:qsize())
      end)
    end)

    it("wakes a getter when an item comes", function()
      run(function()
        local queue, order = new(), {}
        getters(queue, order, 1)
        queue:put_nowait "item"
        assert.equal(1, queue:qsize()) -- it stays until the getter runs
        loop.ticks(1)
        assert.same({ { 1, "item" } }, order)
      end)
    end)

    it("wakes a putter when a place is free", function()
      run(function()
        local queue = new(1)
        await(queue:put(1))
        local putter = neap.create_task(queue:put(2))
        loop.ticks(3)
        assert.is_false(putter:done())
        assert.equal(1, queue:get_nowait())
        await(putter)
        assert.equal(2, await(queue:get()))
      end)
    end)

    it("wakes getters in the order they came", function()
      run(function()
        local queue, order = new(), {}
        local tasks = getters(queue, order, 3)
        queue:put_nowait(7)
        loop.ticks(2)
        queue:put_nowait(8)
        loop.ticks(2)
        queue:put_nowait(9)
        await(neap.gather(tasks))
        assert.same({ { 1, 7 }, { 2, 8 }, { 3, 9 } }, order)
      end)
    end)

    it("loses nothing when a getter is cancelled", function()
      run(function()
        local queue, order = new(), {}
        local tasks = getters(queue, order, 2)
        tasks[1]:cancel()
        queue:put_nowait "kept"
        loop.ticks(2)
        assert.is_true(tasks[1]:cancelled())
        assert.same({ { 2, "kept" } }, order)
      end)
    end)

    it("loses nothing when a getter is cancelled in the handoff window", function()
      run(function()
        local queue, order = new(), {}
        local tasks = getters(queue, order, 2)
        queue:put_nowait "kept"
        tasks[1]:cancel()
        loop.ticks(3)
        assert.is_true(tasks[1]:cancelled())
        assert.same({ { 2, "kept" } }, order)
      end)
    end)

    it("keeps the item when the only getter is cancelled in the handoff window", function()
      run(function()
        local queue = new()
        local task = getters(queue, {}, 1)[1]
        queue:put_nowait "kept"
        task:cancel()
        loop.raises(neap.CancelledError, await, task)
        assert.equal("kept", queue:get_nowait())
      end)
    end)

    it("lets the next putter in when one is cancelled in the handoff window", function()
      run(function()
        local queue = new(1)
        queue:put_nowait(1)
        local first, second = neap.create_task(queue:put(2)), neap.create_task(queue:put(3))
        loop.ticks(1)
        assert.equal(1, queue:get_nowait())
        first:cancel()
        loop.ticks(3)
        assert.is_true(first:cancelled())
        await(second)
        assert.equal(3, queue:get_nowait())
        assert.is_true(queue:empty())
      end)
    end)

    it("does not put the item of a cancelled putter", function()
      run(function()
        local queue = new(1)
        queue:put_nowait(1)
        local putter = neap.create_task(queue:put(2))
        loop.ticks(1)
        putter:cancel()
        loop.raises(neap.CancelledError, await, putter)
        assert.equal(1, queue:get_nowait())
        assert.is_true(queue:empty())
      end)
    end)

    it("holds what is in it, and lets go of what was taken", function()
      run(function()
        local queue, weak = new(), setmetatable({}, { __mode = "k" })
        do
          local item = {}
          weak[item] = true
          queue:put_nowait(item)
        end
        collectgarbage()
        assert.is_not_nil(next(weak))
        queue:get_nowait()
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(weak))
      end)
    end)
  end)
end

describe("Queue", function()
  it("gives the first in first, nils included", function()
    run(function()
      local queue = neap.Queue()
      local items = { n = 6, 1, nil, "x", nil, false, nil }
      for i = 1, items.n do queue:put_nowait(items[i]) end
      assert.equal(6, queue:qsize())
      for i = 1, items.n do assert.equal(items[i], await(queue:get())) end
      assert.is_true(queue:empty())
    end)
  end)

  it("keeps its order while it grows and shrinks", function()
    run(function()
      local queue, put, got = neap.Queue(), 0, 0
      for round = 1, loop.size(200, 40) do
        for _ = 1, (round * 7) % 11 do
          put = put + 1
          queue:put_nowait(put)
        end
        for _ = 1, (round * 5) % 9 do
          if not queue:empty() then
            got = got + 1
            assert.equal(got, queue:get_nowait())
          end
        end
      end
      while not queue:empty() do
        got = got + 1
        assert.equal(got, queue:get_nowait())
      end
      assert.equal(put, got)
    end)
  end)

  it("keeps the producer at the consumer's pace", function()
    run(function()
      local queue, got = neap.Queue(2), {}
      local producer = neap.create_task(function()
        for i = 1, 10 do await(queue:put(i)) end
      end)
      for i = 1, 10 do
        await(neap.sleep(1))
        assert.is_true(queue:qsize() <= 2)
        got[i] = await(queue:get())
      end
      await(producer)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
    end)
  end)

  it("may give an item to a newcomer, and the woken getter waits again", function()
    run(function()
      local queue, order = neap.Queue(), {}
      local tasks = getters(queue, order, 1)
      queue:put_nowait "taken"
      assert.equal("taken", await(queue:get()))
      loop.ticks(2)
      assert.is_false(tasks[1]:done())
      queue:put_nowait "second"
      assert.equal("second", await(tasks[1]))
    end)
  end)
end)

describe("LifoQueue", function()
  it("gives the last in first, nils included", function()
    run(function()
      local queue = neap.LifoQueue()
      local items = { n = 5, 1, nil, "x", nil, nil }
      for i = 1, items.n do queue:put_nowait(items[i]) end
      for i = items.n, 1, -1 do assert.equal(items[i], await(queue:get())) end
    end)
  end)
end)
