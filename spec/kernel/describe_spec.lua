-- What objects say of themselves, and the corners of their functions.
local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local function refused(expected, ...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  assert.matches(expected, tostring(err), 1, true)
end

describe("tostring", function()
  it("names what is awaited", function()
    run(function()
      assert.equal("neap.wait_for", tostring(neap.wait_for(neap.Future(), 1)))
      assert.equal("neap.Queue:get", tostring(neap.Queue():get()))
      assert.equal("neap.sleep", tostring(neap.sleep(1, "value")))
      assert.matches("^neap.Coroutine %(not awaited yet%)", tostring(neap.async(print)()))
    end)
  end)

  it("tells the state of a handle", function()
    run(function()
      local handle = neap.call_soon(function() end)
      assert.equal("neap.Handle (scheduled)", tostring(handle))
      loop.ticks(2)
      assert.equal("neap.Handle (called)", tostring(handle))
      handle = neap.call_later(10, print)
      handle:cancel()
      assert.equal("neap.Handle (cancelled)", tostring(handle))
    end)
  end)
end)

describe("print_stack", function()
  it("writes the stack, the traceback, or that there is none", function()
    local out = child.output [[
      local neap = require "neap"
      local await = neap.await
      neap.run(function()
        local waiting = neap.create_task(function() await(neap.sleep(10)) end, { name = "waiting" })
        local failing = neap.create_task(function() error "broken" end, { name = "failing" })
        local fine = neap.create_task(function() end)
        local fresh
        await(neap.sleep(0))
        fresh = neap.create_task(print)
        pcall(await, failing)
        for _, task in ipairs { waiting, failing, fine, fresh } do task:print_stack() print "--" end
        fresh:cancel()
      end)
    ]]
    local parts = {}
    for part in (out .. "--"):gmatch "(.-)%-%-\n?" do parts[#parts + 1] = part end
    assert.matches("stack of task waiting", parts[1], 1, true)
    assert.matches("script:4", parts[1], 1, true)
    assert.matches("stack traceback of task failing", parts[2], 1, true)
    assert.equal("no stack\n", parts[3])
  end)
end)

describe("get_stack", function()
  it("takes a limit, and is empty without a stack", function()
    run(function()
      local function deep(n)
        if n > 0 then return (deep(n - 1)) end
        await(neap.sleep(10))
      end
      local task = neap.create_task(function() deep(3) end)
      assert.same({}, task:get_stack())
      loop.ticks(2)
      assert.equal(5, #task:get_stack())
      assert.equal(2, #task:get_stack { limit = 2 })
      refused("bad argument #1", function() task:get_stack(2) end)
      task:cancel()
      pcall(await, task)
      assert.same({}, task:get_stack())
      assert.is_nil(task:waits_for())
    end)
  end)
end)

describe("get_context", function()
  it("gives a copy, with or without variables", function()
    run(function()
      local task = neap.create_task(function() await(neap.sleep(10)) end)
      assert.is_true(neap.is(task:get_context(), neap.Context))
      local var = neap.ContextVar "name"
      local outer = neap.copy_context()
      local own = neap.create_task(function() await(neap.sleep(10)) end, { context = outer })
      outer:run(var.set, var, "set")
      assert.equal("set", own:get_context():run(var.get, var))
      task:cancel()
      own:cancel()
    end)
  end)
end)

describe("A list of awaitables", function()
  it("has a sensible length", function()
    run(function()
      refused("list too long", neap.gather, { n = -1 })
      refused("list too long", neap.gather, { n = 1 << 40 })
      refused("list too long", neap.wait, { n = 1 << 24 })
      refused("element 2: awaitable expected, got nil", neap.gather, { neap.Future(), n = 2 })
      refused("bad argument #2", neap.gather, neap.Future(), 5)
      assert.equal(1, #await(neap.gather { neap.sleep(0, "a"), n = 1.5 }))
      refused("element 2: awaitable expected, got nil", neap.gather, { neap.Future(), n = 2.0 })
    end)
  end)
end)

describe("is", function()
  it("knows classes of objects and of errors, and nothing else", function()
    run(function()
      assert.is_false(neap.is(neap.Future(), {}))
      assert.is_false(neap.is(neap.Future(), setmetatable({}, { __neap = 1 })))
      assert.is_true(neap.is(neap.BoundedSemaphore(1), neap.Semaphore))
      assert.is_false(neap.is({}, neap.Error))
      assert.is_false(neap.is(1, neap.Error))
      refused("bad argument #2", neap.is, 1, 2)
    end)
  end)
end)

describe("call_soon", function()
  it("takes many arguments, but not any number", function()
    run(function()
      local count
      neap.call_soon(function(...) count = select("#", ...) end, table.unpack({}, 1, 200))
      loop.ticks(2)
      assert.equal(200, count)
      refused("too many arguments", neap.call_soon, print, table.unpack({}, 1, 65600))
      refused("too many arguments", neap.async(print), table.unpack({}, 1, 65600))
    end)
  end)

  it("may be where a context variable is set for the first time", function()
    assert.equal("nil\tinside\tnil\n", child.output [[
      local neap = require "neap"
      neap.run(function()
        local before, var = nil, neap.ContextVar "name"
        local inside
        neap.call_soon(function() before = var:get(nil) var:set "inside" inside = var:get() end)
        neap.await(neap.sleep(0)) neap.await(neap.sleep(0))
        print(before, inside, var:get(nil))
      end)
    ]])
  end)
end)
