-- A table that is its own metatable: looking for the classes it extends never ended, or left the stack.
local neap = require "neap"
local loop = require "spec.support.loop"

describe("An object whose class is its own metatable", function()
  local Class = {}
  Class.__index = Class
  setmetatable(Class, Class)
  local object = setmetatable({}, Class)

  it("013 can be asked for its class", function()
    assert.is_false(neap.is(object, neap.Error))
    assert.is_true(neap.is(object, Class))
  end)

  it("013 can be raised by a task", function()
    assert.equal(object, loop.failure(neap.run, function() error(object) end))
  end)
end)
