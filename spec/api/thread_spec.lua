-- SPDX-License-Identifier: MIT
-- neap.h: posts from threads, work on the thread pool.
local neap = require "neap"
local probe = require "spec.probe"
local loop = require "spec.support.loop"
local await = neap.await

local function real(fn) return function() loop.run(fn, { clock = "real" }) end end

local function balanced(fn)
  return function()
    local made, pushed, dropped = probe.count "made", probe.count "pushed", probe.count "dropped"
    fn()
    assert.equal(probe.count "made" - made, probe.count "pushed" - pushed + probe.count "dropped" - dropped)
  end
end

describe("neap_post", function()
  it("calls the function on the loop's thread, in order", balanced(real(function()
    local l, seen = probe.loop(), {}
    for i = 1, 5 do
      assert.is_true(probe.post(l, "call", function()
        seen[#seen + 1] = i
        assert.is_nil(neap.current_task())
      end))
    end
    assert.same({}, seen)
    while #seen < 5 do await(neap.sleep(0.001)) end
    assert.same({ 1, 2, 3, 4, 5 }, seen)
    probe.release(l)
    await(neap.sleep(0.001))
  end)))

  it("feeds a queue from threads", balanced(real(function()
    local queue, sum = neap.Queue(), 0
    for i = 1, 4 do
      probe.post_thread(probe.loop(), i, 50, "call", function() queue:put_nowait(1) end)
    end
    for _ = 1, 200 do sum = sum + await(queue:get()) end
    assert.equal(200, sum)
    probe.join()
    await(neap.sleep(0.001))
  end)))

  it("keeps the loop alive while the handle is held", real(function()
    local l = probe.loop()
    probe.post_thread(l, 30, 1, "none")
    await(neap.sleep(0))
    probe.join()
    await(neap.sleep(0.001))
  end))

  it("ignores what the function returns, and reports what it raises", balanced(function()
    local reports = loop.run_reports(function(reports)
      local l = probe.loop()
      probe.post(l, "values", 3)
      probe.post(l, "raise", "posted")
      probe.post(l, "raise", neap.ValueError "object")
      probe.post(l, "memory")
      repeat await(neap.sleep(0.001)) until #reports >= 3
      probe.release(l)
      await(neap.sleep(0.001))
    end, { clock = "real" })
    assert.is_nil(reports.error)
    assert.equal(3, #reports)
    assert.equal("posted", reports[1].exception)
    assert.matches("posted by another thread", reports[1].message)
    assert.is_true(neap.is(reports[2].exception, neap.ValueError))
    assert.matches("not enough memory", tostring(reports[3].exception))
  end))

  it("may come while nothing runs, and is called by the next run", balanced(function()
    local called = false
    local l = probe.loop()
    probe.post(l, "call", function() called = true end)
    probe.release(l)
    assert.is_false(called)
    loop.run(function()
      await(neap.sleep(0.001))
      assert.is_true(called)
    end, { clock = "real" })
  end))
end)

describe("neap_work", function()
  before_each(function() probe.gate(false) end)
  after_each(function() probe.gate(false) end)

  it("runs on the pool and completes with what the push returns", balanced(real(function()
    local worked = probe.count "worked"
    assert.same({ 1, 2 }, { await(probe.work("values", 2)) })
    assert.equal(worked + 1, probe.count "worked")
    local many = {}
    for i = 1, 12 do many[i] = probe.work("values", i) end
    for i = 1, 12 do assert.equal(i, select("#", await(many[i]))) end
  end)))

  it("fails with what the push raises", balanced(real(function()
    local ok, err = pcall(await, probe.work("raise", "pushed"))
    assert.same({ false, "pushed" }, { ok, err })
    ok, err = pcall(await, probe.work "memory")
    assert.is_false(ok)
    assert.matches("not enough memory", tostring(err))
  end)))

  it("is taken out of the pool when it is cancelled before it began", balanced(real(function()
    local worked, dropped = probe.count "worked", probe.count "dropped"
    probe.gate(true)
    local busy = {}
    for i = 1, 4 do busy[i] = probe.work("values", 1) end
    probe.gate_wait(4)
    local late = probe.work("values", 1)
    late:cancel()
    await(neap.sleep(0.001))
    assert.is_true(late:cancelled())
    while probe.count "dropped" == dropped do await(neap.sleep(0.001)) end
    probe.gate(false)
    for i = 1, 4 do assert.equal(1, (await(busy[i]))) end
    assert.equal(worked + 4, probe.count "worked")
    assert.equal(dropped + 1, probe.count "dropped")
  end)))

  it("ends, and its push releases, when it is cancelled while it runs", balanced(real(function()
    local worked, dropped = probe.count "worked", probe.count "dropped"
    probe.gate(true)
    local task = neap.create_task(function() await(probe.work("values", 1)) end)
    await(neap.sleep(0))
    probe.gate_wait(1)
    task:cancel()
    assert.is_false((pcall(await, task)))
    assert.is_true(task:cancelled())
    assert.equal(worked, probe.count "worked")
    probe.gate(false)
    while probe.count "dropped" == dropped do await(neap.sleep(0.001)) end
    assert.equal(worked + 1, probe.count "worked")
  end)))

  it("composes with gather and wait_for", balanced(real(function()
    local results = await(neap.gather(probe.work("values", 1), probe.work("values", 1)))
    assert.same({ 1, 1, n = 2 }, results)
    probe.gate(true)
    local ok, err = pcall(await, neap.wait_for(probe.work("values", 1), 0.005))
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TimeoutError))
    local dropped = probe.count "dropped"
    probe.gate(false)
    while probe.count "dropped" == dropped do await(neap.sleep(0.001)) end
  end)))
end)
