local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function parties(barrier, n, note)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.create_task(function()
      local index = await(barrier:wait())
      if note then note(i, index) end
      return index
    end)
  end
  loop.ticks(2)
  return tasks
end

describe("Barrier", function()
  it("needs at least one party", function()
    assert.matches("1 or more", loop.failure(neap.Barrier, 0))
    assert.matches("1 or more", loop.failure(neap.Barrier, -1))
    assert.matches("number expected", loop.failure(neap.Barrier))
    assert.matches("neap.Barrier expected", loop.failure(neap.Barrier(1).wait, {}))
  end)

  it("holds the parties until the last one arrives", function()
    run(function()
      local barrier = neap.Barrier(3)
      assert.equal(3, barrier:parties())
      local tasks = parties(barrier, 2)
      assert.equal(2, barrier:n_waiting())
      assert.is_false(tasks[1]:done())
      assert.equal(2, await(barrier:wait()))
      assert.equal(0, await(tasks[1]))
      assert.equal(1, await(tasks[2]))
      assert.equal(0, barrier:n_waiting())
    end)
  end)

  it("does not suspend the last one", function()
    run(function()
      local barrier, ticked = neap.Barrier(2), false
      parties(barrier, 1)
      neap.call_soon(function() ticked = true end)
      await(barrier:wait())
      assert.is_false(ticked)
      loop.ticks(5)
    end)
  end)

  it("of one party never waits", function()
    run(function()
      local barrier = neap.Barrier(1)
      for _ = 1, 3 do assert.equal(0, await(barrier:wait())) end
    end)
  end)

  it("is used again and again", function()
    run(function()
      local barrier, rounds = neap.Barrier(3), {}
      local function party()
        for round = 1, 3 do
          await(barrier:wait())
          rounds[#rounds + 1] = round
        end
      end
      local tasks = {}
      for i = 1, 3 do tasks[i] = neap.create_task(party) end
      await(neap.gather(tasks))
      assert.same({ 1, 1, 1, 2, 2, 2, 3, 3, 3 }, rounds)
    end)
  end)

  it("blocks those who come while it drains", function()
    run(function()
      local barrier, order = neap.Barrier(2), {}
      local tasks = parties(barrier, 3, function(i) order[#order + 1] = i end)
      loop.ticks(10)
      assert.same({ 1, 2 }, (table.sort(order) and order) or order)
      assert.is_false(tasks[3]:done())
      await(barrier:wait())
      await(tasks[3])
    end)
  end)

  it("gives the place of a cancelled waiter back, and is not broken", function()
    run(function()
      local barrier = neap.Barrier(3)
      local tasks = parties(barrier, 2)
      tasks[1]:cancel()
      loop.raises(neap.CancelledError, await, tasks[1])
      assert.is_false(barrier:broken())
      assert.equal(1, barrier:n_waiting())
      local more = parties(barrier, 1)
      await(barrier:wait())
      await(tasks[2])
      await(more[1])
    end)
  end)

  it("tells its state", function()
    run(function()
      local barrier = neap.Barrier(2)
      assert.equal("neap.Barrier (filling, 0 of 2)", tostring(barrier))
      await(barrier:abort())
      assert.equal("neap.Barrier (broken, 0 of 2)", tostring(barrier))
    end)
  end)
end)

describe("Resetting a barrier", function()
  it("raises BrokenBarrierError in those who wait, and it is usable again", function()
    run(function()
      local barrier = neap.Barrier(3)
      local tasks = parties(barrier, 2)
      await(barrier:reset())
      for _, task in ipairs(tasks) do loop.raises(neap.BrokenBarrierError, await, task) end
      assert.is_false(barrier:broken())
      assert.equal(0, barrier:n_waiting())
      tasks = parties(barrier, 2)
      await(barrier:wait())
      await(neap.gather(tasks))
    end)
  end)

  it("that nobody waits at changes nothing", function()
    run(function()
      local barrier = neap.Barrier(2)
      await(barrier:reset())
      local tasks = parties(barrier, 1)
      await(barrier:wait())
      await(tasks[1])
    end)
  end)

  it("holds newcomers until the others have left", function()
    run(function()
      local barrier = neap.Barrier(2)
      local tasks = parties(barrier, 1)
      await(barrier:reset())
      local newcomers = parties(barrier, 2)
      loop.raises(neap.BrokenBarrierError, await, tasks[1])
      await(neap.gather(newcomers))
    end)
  end)
end)

describe("Aborting a barrier", function()
  it("breaks it for those who wait and those who come, until it is reset", function()
    run(function()
      local barrier = neap.Barrier(3)
      local tasks = parties(barrier, 2)
      await(barrier:abort())
      assert.is_true(barrier:broken())
      for _, task in ipairs(tasks) do loop.raises(neap.BrokenBarrierError, await, task) end
      loop.raises(neap.BrokenBarrierError, await, barrier:wait())
      await(barrier:reset())
      assert.is_false(barrier:broken())
      tasks = parties(barrier, 2)
      await(barrier:wait())
      await(neap.gather(tasks))
    end)
  end)

  it("raises what is a RuntimeError", function()
    run(function()
      local barrier = neap.Barrier(2)
      await(barrier:abort())
      loop.raises(neap.RuntimeError, await, barrier:wait())
    end)
  end)
end)
