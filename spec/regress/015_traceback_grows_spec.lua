-- An error whose text was equal to that of the one awaited before was taken for it: tracebacks named tasks that had
-- nothing to do with it, and grew with each.
local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("A traceback", function()
  it("015 is of one error, also when others have the same text", function()
    run(function()
      local function fail() error("same", 0) end
      local function trace(name)
        local task = neap.create_task(fail, { name = name })
        pcall(await, task)
        return (task:traceback():gsub(name, "task"))
      end
      local first = trace "first"
      assert.equal(first, trace "second")
      assert.equal(first, trace "third")
    end)
  end)
end)
