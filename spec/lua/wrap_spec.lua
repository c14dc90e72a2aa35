local neap = require "neap"
local luv = require "luv"

local await = neap.await

local function failure(awaitable)
  local ok, problem = pcall(await, awaitable)
  assert.is_false(ok)
  return problem
end

after_each(function() assert.equal(0, neap.all_tasks().n) end)

describe("neap.wrap", function()
  it("says what it expected", function()
    assert.has_error(function() neap.wrap(1) end, "bad argument #1 to 'wrap' (function expected, got number)")
    assert.has_error(function() neap.wrap(print, 1) end, "bad argument #2 to 'wrap' (table expected, got number)")
    assert.has_error(function() neap.wrap(print, { cancel = 1 }) end,
      "bad argument #2 to 'wrap' (field 'cancel': function expected, got number)")
    for _, at in ipairs { 0, -1, 1.5, 2 ^ 53 } do
      assert.has_error(function() neap.wrap(print, { at = at }) end,
        "bad argument #2 to 'wrap' (field 'at': a position, from 1, expected)")
    end
  end)

  it("passes all arguments and results, nils too", function()
    local function api(...)
      local arguments = table.pack(...)
      arguments[arguments.n](nil, arguments.n, nil, arguments[3], nil)
    end
    neap.run(function()
      local results = table.pack(await(neap.wrap(api)(nil, nil, 3, nil)))
      assert.equal(4, results.n)
      assert.equal(5, results[1])
      assert.equal(3, results[3])
    end)
  end)

  it("takes callable objects", function()
    local object = setmetatable({}, { __call = function(_, callback) callback(nil, "called") end })
    neap.run(function() assert.equal("called", await(neap.wrap(object)())) end)
  end)

  it("takes a callback that is called before the function returns", function()
    neap.run(function()
      assert.equal("now", await(neap.wrap(function(callback) callback(nil, "now") end)()))
    end)
  end)

  it("takes a method", function()
    neap.run(function()
      local tcp = luv.new_tcp()
      assert.equal("ECONNREFUSED", failure(neap.wrap(tcp.connect)(tcp, "127.0.0.1", 1)).code)
      await(neap.wrap(tcp.close)(tcp))
    end)
  end)

  it("takes the first of several answers", function()
    neap.run(function()
      local answer
      local task = neap.create_task(neap.wrap(function(callback)
        callback(nil, 1)
        callback(nil, 2)
        callback "an error"
        answer = callback
      end)())
      assert.equal(1, await(task))
      answer(nil, 3)
    end)
  end)

  it("waits until it is cancelled when nobody ever calls back", function()
    neap.run(function()
      local task = neap.create_task(neap.wrap(function() end)())
      await(neap.sleep(0))
      task:cancel()
      assert.is_true(neap.is(failure(task), neap.CancelledError))
    end)
  end)

  it("is a deadlock when nobody can call back", function()
    local ok, problem = pcall(neap.run, neap.wrap(function() end)())
    assert.is_false(ok)
    assert.is_true(neap.is(problem, neap.DeadlockError))
  end)

  it("raises the very error it was given", function()
    local mine = {}
    neap.run(function()
      assert.equal(mine, failure(neap.wrap(function(callback) callback(mine) end)()))
      assert.equal("ERROR", failure(neap.wrap(function(callback) callback "ERROR" end)()))
      assert.equal("no luck", failure(neap.wrap(function(callback) callback "no luck" end)()))
    end)
  end)

  it("makes an OSError of luv's words", function()
    neap.run(function()
      assert.equal("EPERM", failure(neap.wrap(function(callback) callback "EPERM" end)()).code)
      local problem = failure(neap.wrap(function(callback) callback "ETIMEDOUT: connection timed out" end)())
      assert.is_true(neap.is(problem, neap.TimeoutError))
      assert.equal("connection timed out (ETIMEDOUT)", problem.message)
    end)
  end)

  it("raises what the function raises or returns", function()
    local mine = {}
    neap.run(function()
      assert.equal(mine, failure(neap.wrap(function() error(mine) end)()))
      assert.equal("refused", failure(neap.wrap(function() return nil, "refused" end)()))
      assert.equal(7, await(neap.wrap(function(callback) callback(nil, 7) return nil, "late" end)()))
    end)
  end)

  it("calls the cancel option with what the function returned", function()
    local cancelled
    local api = neap.wrap(function() return "ticket", 2 end, { cancel = function(...) cancelled = { ... } end })
    neap.run(function()
      local task = neap.create_task(api())
      await(neap.sleep(0))
      task:cancel()
      pcall(await, task)
    end)
    assert.same({ "ticket", 2 }, cancelled)
  end)

  it("hands late results to the late option", function()
    local answer, late
    local api = neap.wrap(function(callback) answer = callback end, { late = function(...) late = { ... } end })
    neap.run(function()
      local task = neap.create_task(api())
      await(neap.sleep(0))
      task:cancel()
      pcall(await, task)
      answer "too late to fail"
      assert.is_nil(late)
      answer(nil, 1, 2)
    end)
    assert.same({ 1, 2 }, late)
  end)

  it("keeps errors of its options to itself", function()
    local answer
    local api = neap.wrap(function(callback) answer = callback end,
      { cancel = function() error "cancel" end, late = function() error "late" end })
    neap.run(function()
      local task = neap.create_task(api())
      await(neap.sleep(0))
      task:cancel()
      assert.is_true(neap.is(failure(task), neap.CancelledError))
      answer(nil, 1)
    end)
  end)
end)
