local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function drain(queue)
  local items = {}
  while not queue:empty() do items[#items + 1] = queue:get_nowait() end
  return items
end

local Item = {}
Item.__lt = function(a, b)
  if a.poison or b.poison then error("cannot be compared", 0) end
  return a.rank < b.rank
end
local function item(rank, poison) return setmetatable({ rank = rank, poison = poison }, Item) end

describe("PriorityQueue", function()
  it("gives the least first", function()
    run(function()
      local queue = neap.PriorityQueue()
      for _, n in ipairs { 5, 3, 9, 1, 7, 3 } do queue:put_nowait(n) end
      assert.same({ 1, 3, 3, 5, 7, 9 }, drain(queue))
    end)
  end)

  it("refuses to be changed by its own comparisons", function()
    run(function()
      for _, change in ipairs {
        function(queue) queue:put_nowait(setmetatable({ rank = 0 }, Item)) end,
        function(queue) queue:get_nowait() end,
        function(queue) queue:shutdown(true) end,
      } do
        local queue, nested = neap.PriorityQueue(), false
        local Meddler = {
          __lt = function(a, b)
            if not nested then
              nested = true
              change(queue)
            end
            return a.rank < b.rank
          end,
        }
        queue:put_nowait(setmetatable({ rank = 2 }, Meddler))
        local ok, err = pcall(queue.put_nowait, queue, setmetatable({ rank = 1 }, Meddler))
        assert.is_false(ok)
        assert.matches("changed while its items were compared", err, 1, true)
        local size = queue:qsize()
        assert.equal(size, #drain(queue))
      end
    end)
  end)

  it("gives the least first of many, put and taken in turn", function()
    run(function()
      local queue, n = neap.PriorityQueue(), loop.size(1000, 100)
      local seed = 12345
      local function random()
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed % 100
      end
      local model = {}
      for _ = 1, n do
        if #model == 0 or random() < 60 then
          local value = random()
          queue:put_nowait(value)
          model[#model + 1] = value
          table.sort(model)
        else
          assert.equal(table.remove(model, 1), queue:get_nowait())
        end
      end
      assert.same(model, drain(queue))
    end)
  end)

  it("compares by __lt", function()
    run(function()
      local queue, ranks = neap.PriorityQueue(), {}
      for _, rank in ipairs { 2, 3, 1 } do queue:put_nowait(item(rank)) end
      for i, got in ipairs(drain(queue)) do ranks[i] = got.rank end
      assert.same({ 1, 2, 3 }, ranks)
    end)
  end)

  it("may hold a single nil", function()
    run(function()
      local queue = neap.PriorityQueue()
      queue:put_nowait(nil)
      assert.equal(1, queue:qsize())
      assert.is_nil(await(queue:get()))
      assert.is_true(queue:empty())
    end)
  end)

  it("raises the error of comparing when an item is put, and is unchanged", function()
    run(function()
      local queue = neap.PriorityQueue()
      for rank = 1, 5 do queue:put_nowait(item(rank)) end
      assert.equal("cannot be compared", loop.failure(queue.put_nowait, queue, item(0, true)))
      assert.equal("cannot be compared", loop.failure(await, queue:put(item(0, true))))
      assert.equal(5, queue:qsize())
      local ranks = {}
      for i, got in ipairs(drain(queue)) do ranks[i] = got.rank end
      assert.same({ 1, 2, 3, 4, 5 }, ranks)
    end)
  end)

  it("does not count an item that could not be put", function()
    run(function()
      local queue = neap.PriorityQueue()
      queue:put_nowait(1)
      pcall(queue.put_nowait, queue, {})
      queue:task_done()
      await(queue:join())
    end)
  end)

  it("raises the error of comparing when an item is taken, and is unchanged", function()
    run(function()
      local queue, items = neap.PriorityQueue(), {}
      for rank = 1, 7 do
        items[rank] = item(rank)
        queue:put_nowait(items[rank])
      end
      for rank = 2, 7 do items[rank].poison = true end
      assert.equal("cannot be compared", loop.failure(queue.get_nowait, queue))
      assert.equal("cannot be compared", loop.failure(await, queue:get()))
      assert.equal(7, queue:qsize())
      for rank = 2, 7 do items[rank].poison = nil end
      for rank = 1, 7 do assert.equal(items[rank], queue:get_nowait()) end
    end)
  end)

  it("wakes the getter, not the putter, for an error of comparing in get", function()
    run(function()
      local queue, late = neap.PriorityQueue(), item(2)
      local getter = neap.create_task(queue:get())
      loop.ticks(1)
      for rank = 1, 3 do queue:put_nowait(rank == 2 and late or item(rank)) end
      late.poison = true
      assert.equal("cannot be compared", loop.failure(await, getter))
      late.poison = nil
      assert.equal(3, queue:qsize())
    end)
  end)

  it("drops items at an immediate shutdown without comparing", function()
    run(function()
      local queue, items = neap.PriorityQueue(), {}
      for rank = 1, 4 do
        items[rank] = item(rank)
        queue:put_nowait(items[rank])
      end
      for rank = 1, 4 do items[rank].poison = true end
      queue:shutdown(true)
      assert.is_true(queue:empty())
      await(queue:join())
    end)
  end)

  it("lets __lt await, and stays whole when it was changed meanwhile", function()
    run(function()
      local Sleepy = { __lt = function(a, b)
        await(neap.sleep(1))
        return a.rank < b.rank
      end }
      local queue = neap.PriorityQueue()
      for rank = 4, 1, -1 do queue:put_nowait(setmetatable({ rank = rank }, Sleepy)) end
      for rank = 1, 2 do assert.equal(rank, queue:get_nowait().rank) end
      local late = neap.create_task(function() queue:put_nowait(setmetatable({ rank = 0 }, Sleepy)) end)
      await(neap.sleep(0.5))
      queue:get_nowait()
      local _, err = pcall(await, late)
      assert.matches("the queue was changed while its items were compared", tostring(err))
      assert.equal(1, queue:qsize())
      assert.equal(4, queue:get_nowait().rank)
    end)
  end)

  it("survives a __lt that uses the queue", function()
    run(function()
      local queue = neap.PriorityQueue()
      local Nosy = { __lt = function(a, b)
        queue:qsize()
        pcall(queue.get_nowait, queue)
        return a.rank < b.rank
      end }
      for rank = 1, 8 do pcall(queue.put_nowait, queue, setmetatable({ rank = rank }, Nosy)) end
      pcall(drain, queue)
      assert.is_true(queue:qsize() >= 0)
    end)
  end)
end)
