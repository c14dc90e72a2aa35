-- Ctrl-C, in processes of their own.
local child = require "spec.support.child"

local PRELUDE = [[
  local neap, uv = require "neap", require "luv"
  local await = neap.await
  io.stdout:setvbuf "no"
  local function press() uv.kill(uv.os_getpid(), "sigint") end
]]

local function output(script) return child.output(PRELUDE .. script) end

describe("Ctrl-C", function()
  it("cancels main, which may clean up, and becomes KeyboardInterrupt", function()
    local out = output [[
      local ok, err = pcall(neap.run, function()
        neap.call_soon(press)
        local ok, err = pcall(await, neap.sleep(1000))
        print(ok, neap.is(err, neap.CancelledError))
        await(neap.sleep(0.001))
        print "cleaned"
        error(err)
      end)
      print(ok, neap.is(err, neap.KeyboardInterrupt))
    ]]
    assert.equal("false\ttrue\ncleaned\nfalse\ttrue\n", out)
  end)

  it("becomes KeyboardInterrupt also when main is a plain future", function()
    assert.equal("false\ttrue\n", output [[
      local future = neap.Future()
      neap.call_soon(press)
      local ok, err = pcall(neap.run, future)
      print(ok, neap.is(err, neap.KeyboardInterrupt))
    ]])
  end)

  it("leaves main its value when it finishes with one", function()
    assert.equal("value\n", output [[
      print(neap.run(function()
        neap.call_soon(press)
        pcall(await, neap.sleep(1000))
        return "value"
      end))
    ]])
  end)

  for what, body in pairs {
    ["in main's last step"] = "press() return 'lost'",
    ["some ticks before main's end"] = "press() for _ = 1, 3 do await(neap.sleep(0)) end return 'lost'",
    ["in what only takes virtual time"] = "press() await(neap.sleep(1000)) return 'lost'",
    ["while the other tasks end"] = [[
      neap.create_task(function()
        pcall(await, neap.sleep(1000))
        press()
        await(neap.sleep(0))
        print "cleaned"
      end)
      await(neap.sleep(0))
      return 'lost'
    ]],
  } do
    it("is not lost " .. what, function()
      local out = output("print(select(2, pcall(neap.run, function() " .. body .. " end, { clock = 'virtual' })))")
      assert.equal("KeyboardInterrupt: interrupted\n", (out:gsub("^cleaned\n", "")))
    end)
  end

  it("stays with a signal handle that was started inside run", function()
    assert.equal("inside\nafter\n", output [[
      local signal, what = uv.new_signal(), "inside"
      neap.run(function()
        signal:start("sigint", function() print(what) if what == "after" then os.exit() end end)
        press()
        await(neap.sleep(0.01))
      end)
      what = "after"
      press()
      uv.run()
    ]])
  end)

  it("leaves main its error", function()
    assert.equal("false\tmine\n", output [[
      print(pcall(neap.run, function()
        neap.call_soon(press)
        pcall(await, neap.sleep(1000))
        error("mine", 0)
      end))
    ]])
  end)

  it("stays a CancelledError when somebody else had cancelled main too", function()
    assert.equal("CancelledError\n", output [[
      local ok, err = pcall(neap.run, function()
        neap.current_task():cancel()
        pcall(await, neap.sleep(0))
        neap.call_soon(press)
        await(neap.sleep(1000))
      end)
      print(err.name)
    ]])
  end)

  it("cancels the other tasks as the end of run always does", function()
    assert.equal("closed\nKeyboardInterrupt\n", output [[
      local ok, err = pcall(neap.run, function()
        neap.create_task(function()
          local _ <close> = setmetatable({}, { __close = function()
            await(neap.sleep(0))
            print "closed"
          end })
          await(neap.sleep(1000))
        end)
        neap.call_later(0.001, press)
        await(neap.sleep(1000))
      end)
      print(err.name)
    ]])
  end)

  it("pressed twice ends at once, also a loop that never awaits", function()
    assert.equal("KeyboardInterrupt\n", output [[
      local ok, err = pcall(neap.run, function()
        neap.call_soon(press)
        pcall(await, neap.sleep(1000))
        press()
        while true do end
      end)
      print(err.name)
    ]])
  end)

  it("pressed a third time ends coroutines that run on in the task", function()
    assert.equal("KeyboardInterrupt\nlasting\n", output [[
      local lasting = coroutine.wrap(function() while true do coroutine.yield "lasting" end end)
      lasting()
      local ok, err = pcall(neap.run, function()
        neap.call_soon(press)
        pcall(await, neap.sleep(1000))
        coroutine.wrap(function()
          coroutine.wrap(function()
            press()
            io.popen("sleep 0.5; kill -INT " .. math.tointeger(uv.os_getpid()))
            while true do end
          end)()
        end)()
      end)
      print(err.name)
      print(lasting())
    ]])
  end)

  it("pressed a second time while main cleans up raises KeyboardInterrupt out of run", function()
    local out = output [[
      local ok, err = pcall(neap.run, function()
        neap.call_soon(press)
        pcall(await, neap.sleep(1000))
        neap.call_soon(press)
        await(neap.sleep(1000))
      end)
      print(err.name)
    ]]
    assert.equal("KeyboardInterrupt\n", out)
  end)

  it("wakes a loop that has nothing to do", function()
    assert.equal("KeyboardInterrupt\n", output [[
      io.popen("sleep 0.05; kill -INT " .. math.tointeger(uv.os_getpid()))
      local ok, err = pcall(neap.run, neap.sleep(1000))
      print(err.name)
    ]])
  end)

  it("works for a second run as for the first", function()
    assert.equal("KeyboardInterrupt\nKeyboardInterrupt\n", output [[
      for i = 1, 2 do
        local ok, err = pcall(neap.run, function()
          neap.call_soon(press)
          await(neap.sleep(1000))
        end)
        print(err.name)
      end
    ]])
  end)

  it("ends the process as ever outside run", function()
    local result = child.run(PRELUDE .. [[
      neap.run(neap.sleep(0))
      press()
      for _ = 1, 1e9 do end
      print "not reached"
    ]])
    assert.not_matches("not reached", result.out)
    assert.not_equal(0, result.code)
  end)

  it("is left to a handler of luv", function()
    assert.equal("luv\ndone\n", output [[
      local signal = uv.new_signal()
      signal:start("sigint", function() print "luv"; signal:close() end)
      print(neap.run(function()
        neap.call_soon(press)
        while not signal:is_closing() do await(neap.sleep(0)) end
        return "done"
      end))
    ]])
  end)
end)
