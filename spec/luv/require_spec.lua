-- When luv is required, and what is open when the state is closed: in processes of their own.
local child = require "spec.support.child"

local output = child.output

local USE = [[
  local function use(neap, uv)
    local future = neap.Future()
    local timer = uv.new_timer()
    timer:start(1, 0, function() timer:close() future:set_result "luv" end)
    print(neap.run(function() return neap.await(neap.sleep(0, "neap")), neap.await(future) end))
    uv.walk(function(handle) print("open", handle) end)
  end
]]

describe("luv may be required", function()
  it("before neap", function()
    assert.equal("neap\tluv\n", output(USE .. [[
      local uv = require "luv"
      use(require "neap", uv)
    ]]))
  end)

  it("after neap", function()
    assert.equal("neap\tluv\n", output(USE .. [[
      local neap = require "neap"
      use(neap, require "luv")
    ]]))
  end)

  it("inside a coroutine that is collected after, before neap", function()
    assert.equal("neap\tluv\n", output(USE .. [[
      coroutine.wrap(function() require "luv" end)()
      collectgarbage()
      collectgarbage()
      local neap = require "neap"
      use(neap, require "luv")
    ]]))
  end)

  it("inside a coroutine that is collected after, with neap", function()
    assert.equal("neap\tluv\n", output(USE .. [[
      coroutine.wrap(function() require "neap" end)()
      for _ = 1, 100 do coroutine.wrap(function() end)() end
      collectgarbage()
      collectgarbage()
      use(require "neap", require "luv")
    ]]))
  end)

  it("and used inside a coroutine that is collected after", function()
    assert.equal("neap\tluv\n", output(USE .. [[
      local neap, uv = require "neap", require "luv"
      coroutine.wrap(function() use(neap, uv) end)()
      collectgarbage()
    ]]))
  end)
end)

describe("neap may be required", function()
  it("twice, and is the same module", function()
    assert.equal("true\ttrue\ntrue\ttrue\n", output [[
      local neap = require "neap"
      local open = neap.open
      package.loaded["neap"] = nil
      print(require "neap" == neap, require "neap.core".open == open)
      package.loaded["neap"], package.loaded["neap.core"] = nil, nil
      print(require "neap" == neap, require "neap.core".open == open)
      neap.run(neap.sleep(0))
    ]])
  end)

  it("and is what its functions are named by in errors", function()
    for _ = 1, 5 do -- the order of a table is another one in every state
      local out = output [[print(select(2, pcall(require "neap".sleep, "x")))]]
      assert.matches("bad argument #1 to 'neap.sleep'", out, 1, true)
    end
  end)

  it("and luv be forgotten, whose loop stays", function()
    assert.equal("still\n", output [[
      local neap = require "neap"
      package.loaded.luv = nil
      collectgarbage()
      collectgarbage()
      print(neap.run(function() return neap.await(neap.sleep(0.001, "still")) end))
    ]])
  end)

  it("with a message when luv is not there", function()
    local out = output [[
      package.preload.luv = function() error("no luv here", 0) end
      print(pcall(require, "neap"))
    ]]
    assert.matches("neap needs luv", out)
    assert.matches("lua%-luv", out)
    assert.matches("no luv here", out)
  end)
end)

describe("An error in a luv callback does not end the process", function()
  it("under uv.run", function()
    local out = output [[
      local neap, uv = require "neap", require "luv"
      local timer = uv.new_timer()
      timer:start(1, 0, function() timer:close() error "in luv" end)
      uv.run()
      print "goes on"
    ]]
    assert.matches("in luv", out)
    assert.matches("script:3", out)
    assert.matches("goes on", out)
  end)

  it("when it is nil, a table, or an error with a broken __tostring", function()
    local out = output [[
      local neap, uv = require "neap", require "luv"
      local broken = setmetatable({}, { __tostring = function() error "broken" end })
      for _, err in ipairs { {}, broken, false, 1 } do
        local timer = uv.new_timer()
        timer:start(0, 0, function() timer:close() error(err) end)
      end
      local timer = uv.new_timer()
      timer:start(0, 0, function() timer:close() error(nil) end)
      uv.run()
      print "goes on"
    ]]
    assert.matches("goes on\n", out)
  end)
end)

-- What is open when the state is closed.
local OPEN = {
  ["timers of luv and of neap"] = [[
    uv.new_timer():start(1000, 0, function() end)
    neap.call_later(1000, function() end)]],
  ["callbacks that were never called"] = [[
    neap.call_soon(function() end)
    neap.call_soon_threadsafe(function() end)]],
  ["handles of every kind"] = [[
    uv.new_timer():start(1, 1, function() end)
    uv.new_idle():start(function() end)
    uv.new_check():start(function() end)
    uv.new_prepare():start(function() end)
    uv.new_async(function() end)
    uv.new_signal():start("sigusr1", function() end)
    uv.new_tcp():bind("127.0.0.1", 0)
    uv.new_pipe(false)
    uv.new_udp()]],
  ["requests under way"] = [[
    uv.fs_stat(".", function() end)
    uv.getaddrinfo("localhost", nil, nil, function() end)]],
  ["a task that holds a handle"] = [[
    neap.create_task(function()
      local timer <close> = setmetatable({ uv.new_timer() }, { __close = function(t) t[1]:close() end })
      timer[1]:start(1000, 0, function() end)
      neap.await(neap.sleep(1000))
    end)
    neap.await(neap.sleep(0))]],
  ["a signal that neap took"] = [[
    pcall(neap.run, function()
      neap.call_soon(uv.kill, uv.os_getpid(), "sigint")
      neap.await(neap.sleep(1))
    end)]],
}

describe("lua_close is clean with", function()
  for what, script in pairs(OPEN) do
    for order, first in pairs {
      ["neap first"] = 'local neap = require "neap" local uv = require "luv"\n',
      ["luv first"] = 'local uv = require "luv" local neap = require "neap"\n',
    } do
      it(what .. ", " .. order, function()
        assert.equal("end\n", output(first .. script .. "\nprint 'end'"))
      end)
    end
    it(what .. ", inside run", function()
      assert.equal("end\n", output('local neap, uv = require "neap", require "luv" neap.run(function()\n'
        .. script:gsub("pcall%(neap.run", "pcall(pcall") .. "\nprint 'end' io.stdout:flush() os.exit(true, true) end)"))
    end)
  end
end)
