local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run
local it_fifo = loop.shuffled and pending or it

local function ignore() end

describe("call_soon", function()
  it("refuses what cannot be called", function()
    run(function()
      for _, call in ipairs { neap.call_soon, neap.call_soon_threadsafe } do
        assert.matches("function expected, got n", loop.failure(function() call() end))
        assert.matches("function expected, got string", loop.failure(function() call "x" end))
      end
    end)
  end)

  it("calls in the order of the requests, with the arguments", function()
    run(function()
      local order = {}
      for i = 1, 5 do
        neap.call_soon(function(...) order[#order + 1] = table.pack(...) end, i, nil, "x", nil)
      end
      assert.same({}, order)
      loop.ticks(1)
      assert.equal(5, #order)
      for i = 1, 5 do assert.same({ n = 4, i, nil, "x", nil }, order[i]) end
    end)
  end)

  it("leaves to the next tick what a callback adds", function()
    run(function()
      local order = {}
      neap.call_soon(function()
        order[#order + 1] = 1
        neap.call_soon(function() order[#order + 1] = 3 end)
      end)
      neap.call_soon(function() order[#order + 1] = 2 end)
      loop.ticks(1)
      assert.same({ 1, 2 }, order)
      loop.ticks(1)
      assert.same({ 1, 2, 3 }, order)
    end)
  end)

  it("accepts a value with __call", function()
    run(function()
      local got
      neap.call_soon(setmetatable({}, { __call = function(_, x) got = x end }), 7)
      loop.ticks(1)
      assert.equal(7, got)
    end)
  end)

  it("does not starve timers by callbacks that add themselves", function()
    run(function()
      local stop = false
      local function again() if not stop then neap.call_soon(again) end end
      again()
      neap.call_later(0.001, function() stop = true end)
      while not stop do await(neap.sleep(0)) end
    end, { clock = "real" })
  end)

  it("works before run", function()
    local called
    neap.call_soon(function() called = true end)
    run(function()
      loop.ticks(1)
      assert.is_true(called)
    end)
  end)

  it("holds the function and its arguments until the call", function()
    run(function()
      local got
      neap.call_soon(function(t) got = t[1] end, { "kept" })
      collectgarbage()
      loop.ticks(1)
      assert.equal("kept", got)
    end)
  end)
end)

describe("call_soon_threadsafe", function()
  it("is in one order with other callbacks", function()
    run(function()
      local order = {}
      neap.call_soon(function() order[#order + 1] = 1 end)
      neap.call_soon_threadsafe(function() order[#order + 1] = 2 end)
      neap.call_soon(function() order[#order + 1] = 3 end)
      loop.ticks(1)
      assert.same({ 1, 2, 3 }, order)
    end)
  end)
end)

describe("call_later and call_at", function()
  it("refuse what is not a finite number of seconds", function()
    run(function()
      for _, call in ipairs { neap.call_later, neap.call_at } do
        for _, seconds in ipairs { 0 / 0, math.huge, -math.huge, "1", {} } do
          assert.matches("#1 .*seconds expected", loop.failure(function() call(seconds, ignore) end))
        end
        assert.is_false(pcall(call))
        assert.matches("#2 .*function expected", loop.failure(function() call(1) end))
      end
    end)
  end)

  it("call when the time has come, with the arguments", function()
    run(function()
      local got = {}
      neap.call_later(2, function(...) got.later = table.pack(neap.time(), ...) end, "a", nil)
      neap.call_at(neap.time() + 1, function(...) got.at = table.pack(neap.time(), ...) end, "b")
      await(neap.sleep(5))
      assert.same({ n = 3, 2.0, "a", nil }, got.later)
      assert.same({ n = 2, 1.0, "b" }, got.at)
    end)
  end)

  it("are called in the order of their times", function()
    run(function()
      local order = {}
      for _, seconds in ipairs { 5, 1, 4, 2, 3 } do
        neap.call_later(seconds, function() order[#order + 1] = seconds end)
      end
      await(neap.sleep(6))
      assert.same({ 1, 2, 3, 4, 5 }, order)
    end)
  end)

  it_fifo("are called in the order they were made when the times are equal", function()
    run(function()
      local order, want = {}, {}
      local when = neap.time() + 1
      for i = 1, 20 do
        neap.call_at(when, function() order[#order + 1] = i end)
        want[i] = i
      end
      await(neap.sleep(2))
      assert.same(want, order)
    end)
  end)

  it("take a time that has passed as now, but not at once", function()
    run(function()
      local called = 0
      neap.call_later(-1, function() called = called + 1 end)
      neap.call_at(-5, function() called = called + 1 end)
      assert.equal(0, called)
      loop.ticks(2)
      assert.equal(2, called)
      assert.equal(0, neap.time())
    end)
  end)

  it("are forgotten at the end of run", function()
    local called = false
    run(function() neap.call_later(1, function() called = true end) end)
    run(function() await(neap.sleep(5)) end)
    assert.is_false(called)
  end)
end)

describe("A handle", function()
  it("tells its time; nil for call_soon", function()
    run(function()
      assert.is_nil(neap.call_soon(ignore):when())
      await(neap.sleep(1))
      local later = neap.call_later(2, ignore)
      assert.equal(3, later:when())
      local at = neap.call_at(7, ignore)
      assert.equal(7, at:when())
      later:cancel()
      at:cancel()
    end)
  end)

  it("is cancelled once, and again without effect", function()
    run(function()
      local called = 0
      local function count() called = called + 1 end
      local soon, later = neap.call_soon(count), neap.call_later(1, count)
      for _, handle in ipairs { soon, later } do
        assert.is_false(handle:cancelled())
        handle:cancel()
        assert.is_true(handle:cancelled())
        handle:cancel()
        assert.is_true(handle:cancelled())
        assert.matches("cancelled", tostring(handle))
      end
      await(neap.sleep(3))
      assert.equal(0, called)
    end)
  end)

  it("may be cancelled by a callback of the same tick", function()
    run(function()
      local called, handle = false, nil
      neap.call_soon(function() handle:cancel() end)
      handle = neap.call_soon(function() called = true end)
      loop.ticks(2)
      assert.is_false(called)
    end)
  end)

  it("may be cancelled by a timer due at the same time", function()
    run(function()
      local called = {}
      local handles = {}
      local when = neap.time() + 1
      for i = 1, 2 do
        handles[i] = neap.call_at(when, function()
          called[#called + 1] = i
          handles[3 - i]:cancel()
        end)
      end
      await(neap.sleep(2))
      assert.equal(1, #called)
    end)
  end)

  it("ignores a cancel from inside the call and after it", function()
    run(function()
      local called, handle = 0, nil
      handle = neap.call_soon(function()
        called = called + 1
        handle:cancel()
      end)
      loop.ticks(2)
      handle:cancel()
      loop.ticks(1)
      assert.equal(1, called)
    end)
  end)

  it("keeps nothing once it is cancelled", function()
    run(function()
      local weak = setmetatable({}, { __mode = "k" })
      do
        local big = {}
        weak[big] = true
        local handle = neap.call_later(1000, function() return big end, big)
        handle:cancel()
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
    end)
  end)

  it("is of the class Handle", function()
    run(function()
      local handle = neap.call_soon(ignore)
      assert.is_true(neap.is(handle, neap.Handle))
      loop.ticks(1)
    end)
  end)
end)

describe("An error in a callback", function()
  it("goes to the exception handler with message, exception, traceback and handle", function()
    local err, handle = {}, nil
    local reports = loop.run_reports(function()
      handle = neap.call_soon(function() error(err) end)
      await(neap.sleep(1))
    end)
    assert.equal(1, #reports)
    assert.is_string(reports[1].message)
    assert.equal(err, reports[1].exception)
    assert.matches("callback_spec.lua", reports[1].traceback)
    assert.equal(handle, reports[1].handle)
    assert.is_nil(reports.error)
  end)

  it("does not stop the callbacks after it", function()
    local called = 0
    local reports = loop.run_reports(function()
      for _ = 1, 3 do
        neap.call_soon(error, "boom")
        neap.call_later(1, error, "later")
        neap.call_soon(function() called = called + 1 end)
      end
      await(neap.sleep(2))
    end)
    assert.equal(3, called)
    assert.equal(6, #reports)
  end)
end)

describe("The exception handler", function()
  it("must be a function or nil", function()
    run(function()
      assert.matches("function or nil expected", loop.failure(function() neap.set_exception_handler(1) end))
    end)
  end)

  it("is told by get_exception_handler", function()
    run(function()
      local function handler() end
      neap.set_exception_handler(handler)
      assert.equal(handler, neap.get_exception_handler())
      neap.set_exception_handler(nil)
      assert.is_nil(neap.get_exception_handler())
    end)
  end)

  it("gets what call_exception_handler is called with", function()
    run(function()
      local got
      neap.set_exception_handler(function(context) got = context end)
      local context = { message = "m" }
      neap.call_exception_handler(context)
      assert.equal(context, got)
      assert.matches("table expected", loop.failure(neap.call_exception_handler, "text"))
    end)
  end)
end)
