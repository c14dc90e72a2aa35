local neap = require "neap"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

describe("ContextVar", function()
  it("needs a name", function()
    assert.matches("string expected", loop.failure(neap.ContextVar))
    assert.matches("table expected", loop.failure(neap.ContextVar, "x", 1))
  end)

  it("has a name and a text", function()
    local var = neap.ContextVar "request"
    assert.equal("request", var:name())
    assert.matches("request", tostring(var))
  end)

  it("raises without a value, a default, or an argument", function()
    run(function()
      local var = neap.ContextVar "empty"
      assert.matches("empty", tostring(loop.failure(var.get, var)))
      assert.equal("given", var:get "given")
      assert.is_nil(var:get(nil))
      assert.equal("default", neap.ContextVar("d", { default = "default" }):get())
      assert.equal(false, neap.ContextVar("d", { default = false }):get())
    end)
  end)

  it("prefers its value to the argument and the default", function()
    run(function()
      local var = neap.ContextVar("v", { default = 1 })
      assert.equal(2, var:get(2))
      var:set(3)
      assert.equal(3, var:get(2))
      assert.equal(3, var:get())
    end)
  end)

  it("can be set to nil", function()
    run(function()
      local var = neap.ContextVar("v", { default = 1 })
      var:set(nil)
      assert.is_nil(var:get())
      assert.is_nil(var:get "argument")
    end)
  end)

  it("keeps variables of one name apart", function()
    run(function()
      local a, b = neap.ContextVar "same", neap.ContextVar "same"
      a:set(1)
      assert.equal("none", b:get "none")
    end)
  end)
end)

describe("A token", function()
  it("gives the variable its former value back, once", function()
    run(function()
      local var = neap.ContextVar "v"
      local first = var:set(1)
      local second = var:set(2)
      var:reset(second)
      assert.equal(1, var:get())
      var:reset(first)
      assert.equal("none", var:get "none")
      loop.raises(neap.RuntimeError, var.reset, var, first)
    end)
  end)

  it("is refused by another variable", function()
    run(function()
      local a, b = neap.ContextVar "a", neap.ContextVar "b"
      local token = a:set(1)
      loop.raises(neap.ValueError, b.reset, b, token)
      assert.matches("Token", loop.failure(function() a:reset(1) end))
      a:reset(token)
    end)
  end)

  it("is refused in another context, and stays good in its own", function()
    run(function()
      local var = neap.ContextVar "v"
      local token = var:set(1)
      await(neap.create_task(function() loop.raises(neap.ValueError, var.reset, var, token) end))
      local context, inner = neap.copy_context(), nil
      context:run(function()
        loop.raises(neap.ValueError, var.reset, var, token)
        inner = var:set(2)
      end)
      loop.raises(neap.ValueError, var.reset, var, inner)
      context:run(var.reset, var, inner)
      assert.equal(1, context:get(var))
      var:reset(token)
      assert.equal("none", var:get "none")
    end)
  end)
end)

describe("A task's context", function()
  it("is a copy made when the task is", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      var:set "before"
      local task = neap.create_task(function() return var:get() end)
      var:set "after"
      assert.equal("before", await(task))
      assert.equal("after", var:get())
    end)
  end)

  it("keeps to itself what the task sets", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      await(neap.create_task(function()
        var:set "inner"
        await(neap.sleep(1))
        assert.equal("inner", var:get())
      end))
      assert.equal("unset", var:get())
    end)
  end)

  it("is shared with the coroutine objects it awaits", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      await(neap.async(function() var:set "inside" end)())
      assert.equal("inside", var:get())
    end)
  end)

  it("is seen by a coroutine of the user's own", function()
    run(function()
      local var = neap.ContextVar "v"
      var:set "task"
      assert.equal("task", coroutine.wrap(function() return var:get() end)())
    end)
  end)

  it("can be given", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local context = neap.Context()
      await(neap.create_task(function() var:set "from the task" end, { context = context }))
      assert.equal("from the task", context:get(var))
      assert.equal("unset", var:get())
    end)
  end)

  it("stays with the task across suspensions of others", function()
    run(function()
      local var = neap.ContextVar "v"
      local group = {}
      for i = 1, 5 do
        group[i] = neap.create_task(function()
          var:set(i)
          await(neap.sleep(6 - i))
          return var:get()
        end)
      end
      assert.same({ n = 5, 1, 2, 3, 4, 5 }, await(neap.gather(group)))
    end)
  end)

  it("is told by get_context", function()
    run(function()
      local var = neap.ContextVar "v"
      var:set "main"
      local task = neap.create_task(neap.sleep(0))
      assert.equal("main", task:get_context():get(var))
      await(task)
    end)
  end)
end)

describe("Callbacks", function()
  it("run in the context in which they were made", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local seen = {}
      var:set "first"
      neap.call_soon(function() seen[1] = var:get() end)
      neap.call_later(1, function() seen[2] = var:get() end)
      var:set "second"
      await(neap.sleep(2))
      assert.same({ "first", "first" }, seen)
    end)
  end)

  it("do not pass on what they set", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local seen
      neap.call_soon(function() var:set "leak" end)
      neap.call_soon(function() seen = var:get() end)
      loop.ticks(1)
      assert.equal("unset", seen)
      assert.equal("unset", var:get())
    end)
  end)

  it("keep their context when they fail", function()
    local seen
    local var = neap.ContextVar("v", { default = "unset" })
    local reports = loop.run_reports(function()
      neap.call_soon(function()
        var:set "leak"
        error "boom"
      end)
      neap.call_soon(function() seen = var:get() end)
      loop.ticks(1)
    end)
    assert.equal(1, #reports)
    assert.equal("unset", seen)
  end)
end)

describe("Context", function()
  it("run calls in it, with arguments and results", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local context = neap.copy_context()
      local function body(...)
        var:set "in it"
        return select("#", ...), ...
      end
      assert.same({ n = 4, 3, nil, 2, nil }, table.pack(context:run(body, nil, 2, nil)))
      assert.equal("unset", var:get())
      assert.equal("in it", context:get(var))
      assert.equal("in it", context:run(function() return var:get() end))
    end)
  end)

  it("run stays in it across an await", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local context = neap.copy_context()
      context:run(function()
        var:set "in it"
        await(neap.sleep(1))
        assert.equal("in it", var:get())
      end)
      assert.equal("unset", var:get())
    end)
  end)

  it("is left when the function fails", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      local context = neap.copy_context()
      for _ = 1, 2 do
        assert.equal("boom", loop.failure(context.run, context, function()
          var:set "in it"
          error("boom", 0)
        end))
        assert.equal("unset", var:get())
      end
    end)
  end)

  it("cannot be entered twice", function()
    run(function()
      local context = neap.copy_context()
      loop.raises(neap.RuntimeError, context.run, context, function() context:run(print) end)
      context:run(function() end)
    end)
  end)

  it("is copied without what comes later", function()
    run(function()
      local var = neap.ContextVar("v", { default = "unset" })
      var:set(1)
      local copy = neap.copy_context()
      var:set(2)
      assert.equal(1, copy:get(var))
      local second = copy:copy()
      copy:run(function() var:set(3) end)
      assert.equal(3, copy:get(var))
      assert.equal(1, second:get(var))
      assert.is_nil(neap.Context():get(var))
    end)
  end)

  it("works outside run", function()
    local var = neap.ContextVar("v", { default = "unset" })
    local context = neap.copy_context()
    context:run(function() var:set "x" end)
    assert.equal("x", context:get(var))
    assert.equal("unset", var:get())
  end)
end)
