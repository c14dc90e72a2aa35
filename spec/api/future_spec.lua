-- SPDX-License-Identifier: MIT
-- neap.h: futures that C completes.
local neap = require "neap"
local probe = require "spec.probe"
local uv = require "luv"
local loop = require "spec.support.loop"
local await = neap.await

-- A function that runs fn in the loop and sees that every push was called exactly once.
local function it_runs(sentence, fn, options)
  it(sentence, function()
    local made, pushed, dropped = probe.count "made", probe.count "pushed", probe.count "dropped"
    loop.run(function() return fn(options) end, { clock = "real" })
    probe.join()
    neap.run(function() await(neap.sleep(0)) end)
    assert.equal(probe.count "made" - made, probe.count "pushed" - pushed + probe.count "dropped" - dropped)
  end)
end

local function fails(awaitable)
  local ok, err = pcall(await, awaitable)
  assert.is_false(ok)
  return err
end

describe("The table of neap.h", function()
  it("is complete", function()
    local abi, complete = probe.table()
    assert.equal(1, abi)
    assert.is_true(complete)
  end)
end)

describe("neap_future", function()
  it_runs("completes with what the push returns", function()
    local f, side = probe.future()
    assert.is_true(neap.is(f, neap.Future))
    probe.complete(side, "values", 3)
    assert.is_false(f:done()) -- in the next round
    assert.same({ 1, 2, 3 }, { await(f) })
    local g, none = probe.future()
    probe.complete(none, "none")
    assert.equal(0, select("#", await(g)))
    local h, plain = probe.future()
    probe.complete_plain(plain)
    assert.equal(0, select("#", await(h)))
  end)

  it_runs("takes many values", function()
    local f, side = probe.future()
    probe.complete(side, "values", 5000)
    assert.equal(5000, select("#", await(f)))
  end)

  it_runs("wakes all tasks that await it", function()
    local f, side = probe.future()
    local tasks = {}
    for i = 1, 3 do tasks[i] = neap.create_task(function() return (await(f)) + i end) end
    await(neap.sleep(0))
    probe.complete(side, "values", 1)
    assert.same({ 2, 3, 4, n = 3 }, await(neap.gather(table.unpack(tasks))))
  end)

  it_runs("fails with what the push raises, the very value", function()
    local f, side = probe.future()
    local object = {}
    probe.complete(side, "raise", object)
    assert.equal(object, fails(f))
    local g, other = probe.future()
    probe.complete(other, "raise", neap.ValueError "no")
    assert.is_true(neap.is(fails(g), neap.ValueError))
  end)

  it_runs("fails when the push has no memory", function()
    local f, side = probe.future()
    probe.complete(side, "memory")
    assert.matches("not enough memory", tostring(fails(f)))
  end)

  it_runs("fails when the push returns more than a stack holds", function()
    local f, side = probe.future()
    probe.complete(side, "values", 2000000)
    assert.matches("stack overflow", tostring(fails(f)))
  end)

  it_runs("lets a push call Lua, which cannot suspend there", function()
    local f, side = probe.future()
    probe.complete(side, "call", function() return "called", neap.current_task() end)
    assert.same({ "called" }, { await(f) })
    local g, other = probe.future()
    probe.complete(other, "call", function() await(neap.sleep(0)) end)
    assert.matches("outside a task", tostring(fails(g)))
  end)

  it_runs("keeps the result that Lua gave it while its push ran", function()
    local f, side = probe.future()
    probe.complete(side, "call", function()
      f:set_result "Lua's"
      return "C's"
    end)
    assert.equal("Lua's", await(f))
    local g, other = probe.future()
    probe.complete(other, "call", function()
      g:cancel "enough"
      error "late"
    end)
    assert.equal("enough", fails(g).message)
    local h, third = probe.future()
    probe.complete(third, "call", function()
      h:set_exception(neap.ValueError "first")
      error "late"
    end)
    assert.is_true(neap.is(fails(h), neap.ValueError))
  end)

  it_runs("completed by several threads", function()
    local futures = {}
    for i = 1, 20 do
      local f, side = probe.future()
      futures[i] = f
      probe.complete_thread(side, i % 5, "values", i)
    end
    for i, f in ipairs(futures) do assert.equal(i, select("#", await(f))) end
  end)

  it_runs("completed by a thread, with errors", function()
    local f, side = probe.future()
    probe.complete_thread(side, 1, "raise", "from the thread")
    assert.equal("from the thread", fails(f))
    local g, other = probe.future()
    probe.complete_thread(other, 0, "memory")
    assert.matches("not enough memory", tostring(fails(g)))
  end)

  it_runs("keeps the loop alive until it is completed, no deadlock", function()
    local f, side = probe.future()
    probe.complete_thread(side, 30, "values", 1)
    assert.equal(1, (await(f)))
  end)

  it("is collected once completed, if nobody holds it", function()
    local weak = setmetatable({}, { __mode = "k" })
    loop.run(function()
      local f, side = probe.future()
      weak[f] = true
      f = nil -- luacheck: ignore 311
      collectgarbage()
      assert.is_truthy(next(weak)) -- C's side holds it
      probe.complete(side, "values", 1)
      await(neap.sleep(0))
      await(neap.sleep(0))
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("reports an error that nobody retrieves", function()
    local reports = loop.run_reports(function()
      local _, side = probe.future()
      probe.complete(side, "raise", "unseen")
      await(neap.sleep(0))
      await(neap.sleep(0))
    end)
    assert.equal(1, #reports)
    assert.equal("unseen", reports[1].exception)
  end)
end)

describe("neap_future, cancelled", function()
  it_runs("calls on_cancel once, and the push without a state", function()
    local cancels, dropped = probe.count "cancels", probe.count "dropped"
    local f, side = probe.future()
    probe.on_cancel(side)
    assert.is_false(probe.is_cancelled(side))
    f:cancel()
    f:cancel()
    await(neap.sleep(0))
    assert.is_true(probe.is_cancelled(side))
    assert.equal(cancels + 1, probe.count "cancels")
    probe.complete(side, "values", 1)
    await(neap.sleep(0))
    await(neap.sleep(0))
    assert.equal(cancels + 1, probe.count "cancels")
    assert.equal(dropped + 1, probe.count "dropped")
    assert.is_true(f:cancelled())
  end)

  it_runs("by the task that awaits it", function()
    local f, side = probe.future()
    local task = neap.create_task(function() await(f) end)
    await(neap.sleep(0))
    task:cancel()
    assert.is_true(neap.is(fails(task), neap.CancelledError))
    assert.is_true(probe.is_cancelled(side))
    probe.complete_thread(side, 0, "values", 1)
  end)

  it_runs("by wait_for", function()
    local f, side = probe.future()
    assert.is_true(neap.is(fails(neap.wait_for(f, 0.001)), neap.TimeoutError))
    await(neap.sleep(0))
    assert.is_true(probe.is_cancelled(side))
    probe.complete(side, "raise", "late")
  end)

  it_runs("after completion in the same tick: no on_cancel", function()
    local cancels = probe.count "cancels"
    local f, side = probe.future()
    probe.on_cancel(side)
    probe.complete(side, "values", 1)
    assert.is_true(f:cancel())
    assert.is_true(neap.is(fails(f), neap.CancelledError))
    await(neap.sleep(0))
    assert.equal(cancels, probe.count "cancels")
  end)

  it_runs("before completion in the same tick: the push only releases", function()
    local dropped = probe.count "dropped"
    local f, side = probe.future()
    f:cancel()
    probe.complete(side, "values", 1)
    assert.is_true(neap.is(fails(f), neap.CancelledError))
    await(neap.sleep(0))
    assert.equal(dropped + 1, probe.count "dropped")
  end)

  it("does not keep the loop alive", function()
    local side
    loop.run(function() -- which sees to it
      local f
      f, side = probe.future()
      assert.is_true(uv.loop_alive())
      f:cancel()
    end)
    assert.is_false(uv.loop_alive())
    probe.complete(side)
    loop.run(function() await(neap.sleep(0)) end)
  end)

  it_runs("by a result that Lua sets", function()
    local f, side = probe.future()
    probe.on_cancel(side)
    local cancels = probe.count "cancels"
    f:set_result(5)
    assert.equal(5, await(f))
    await(neap.sleep(0))
    assert.equal(cancels + 1, probe.count "cancels")
    probe.complete(side, "values", 1)
    await(neap.sleep(0))
    assert.equal(5, await(f))
  end)

  it("and left by run(): completed afterwards", function()
    local dropped = probe.count "dropped"
    local side
    neap.run(function()
      local f
      f, side = probe.future()
      neap.create_task(function() await(f) end)
      await(neap.sleep(0))
    end)
    assert.is_true(probe.is_cancelled(side))
    probe.complete(side, "values", 1)
    neap.run(function()
      await(neap.sleep(0))
      await(neap.sleep(0))
    end)
    assert.equal(dropped + 1, probe.count "dropped")
  end)
end)
