-- What still waits when run() ends gives up, and is garbage afterwards.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function collected(make)
  local seen = setmetatable({}, { __mode = "k" })
  run(function() seen[make(neap.Future())] = true end)
  collectgarbage()
  collectgarbage()
  return next(seen) == nil
end

describe("At the end of run()", function()
  it("a gather of a future that nobody completes gives up", function()
    assert.is_true(collected(function(future) return neap.gather(future) end))
  end)

  it("a shield of a future that nobody completes gives up, also when it is cancelled later", function()
    assert.is_true(collected(function(future) return neap.shield(future) end))
    local shield
    run(function() shield = neap.shield(neap.Future()) end)
    assert.is_true(shield:cancel())
  end)

  it("an as_completed that was left without its loop gives up", function()
    assert.is_true(collected(function(future)
      local _, state = neap.as_completed({ future }, { timeout = 1000 })
      return state
    end))
  end)
end)

describe("gather", function()
  it("with return_exceptions gives the message of each cancellation", function()
    run(function()
      local a, b = neap.Future(), neap.Future()
      a:cancel("why")
      local gather = neap.gather { a, b, return_exceptions = true }
      b:cancel()
      local results = await(gather)
      assert.equal("why", results[1].message)
      assert.is_nil(results[2].message)
    end)
  end)

  it("of futures that are done already is done at once", function()
    run(function()
      local a, b = neap.Future(), neap.Future()
      a:set_result(1)
      b:set_exception("late")
      local gather = neap.gather(a, b, a)
      assert.is_true(gather:done())
      assert.equal("late", select(2, pcall(await, gather)))
    end)
  end)
end)
