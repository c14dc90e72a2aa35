-- luacheck: ignore 512
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await = neap.await

local pid = math.tointeger(uv.os_getpid())
local function send(name) uv.kill(pid, "sig" .. name) end

local function misuse(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

local PRELUDE = [[
  local neap, uv = require "neap", require "luv"
  local await = neap.await
  io.stdout:setvbuf "no"
  local function send(name) uv.kill(uv.os_getpid(), "sig" .. name) end
]]

local function output(script) return child.output(PRELUDE .. script) end

describe("signals", function()
  it("refuses none, and the same one twice", function()
    assert.matches("bad argument #1", misuse(neap.signals))
    assert.matches("bad argument #3 .-named twice", misuse(neap.signals, "HUP", "INT", 1))
  end)

  it("gives them as they come, by the names they were asked for", function()
    loop.run(function()
      local got, next_one = {}, { "usr1", "usr2", "hup" }
      neap.call_soon(send, "hup")
      for sig in neap.signals("HUP", "SIGUSR1", 12) do
        got[#got + 1] = sig
        if #got == 4 then break end
        send(next_one[#got])
      end
      assert.same({ "HUP", "SIGUSR1", 12, "HUP" }, got)
    end)
  end)

  it("keeps what comes between two steps, each once, in order", function()
    loop.run(function()
      local got = {}
      neap.call_soon(send, "hup")
      for sig in neap.signals("HUP", "USR1", "USR2") do
        got[#got + 1] = sig
        if #got == 4 then break end
        if #got == 1 then
          for _, name in ipairs { "usr2", "hup", "usr2", "usr1" } do
            send(name)
            await(neap.sleep(0.001))
          end
        end
      end
      assert.same({ "HUP", "USR2", "HUP", "USR1" }, got)
    end, { clock = "real" })
  end)

  it("listens from the call on, before the first step", function()
    loop.run(function()
      local step, signals, _, closing = neap.signals "USR1"
      local held <close> = closing
      assert.equal("neap.Signals (USR1)", tostring(signals))
      send "usr1"
      assert.equal("USR1", step(signals))
    end)
  end)

  it("waits together with a handler of the same signal, and with another loop over it", function()
    loop.run(function()
      local calls, done = 0, {}
      neap.add_signal_handler("USR1", function() calls = calls + 1 end)
      for i = 1, 2 do
        done[i] = neap.create_task(function()
          for sig in neap.signals "USR1" do return sig end
        end)
      end
      await(neap.sleep(0))
      await(neap.sleep(0))
      send "usr1"
      assert.equal("USR1", await(done[1]))
      assert.equal("USR1", await(done[2]))
      assert.equal(1, calls)
    end)
  end)

  it("stops listening with its loop: break, error, cancellation", function()
    local result = child.run(PRELUDE .. [[
      neap.run(function()
        pcall(function()
          neap.call_soon(send, "usr1")
          for _ in neap.signals "USR1" do error "out" end
        end)
        local task = neap.create_task(function()
          for _ in neap.signals "USR1" do print "never" end
        end)
        await(neap.sleep(0))
        task:cancel()
        print(pcall(await, task))
        neap.call_soon(send, "usr1")
        for sig in neap.signals "USR1" do print(sig) break end
        send "usr1"
        print "not reached"
      end)
    ]])
    assert.equal("false\tCancelledError\nUSR1\n", result.out)
    assert.equal(10, result.signal)
  end)

  it("gives a waiting task's signal to the next one when it is cancelled in the same tick", function()
    loop.run(function()
      local step, signals, _, closing = neap.signals "USR1"
      local held <close> = closing
      local first = neap.create_task(function() return step(signals) end)
      local second = neap.create_task(function() return step(signals) end)
      await(neap.sleep(0))
      send "usr1"
      repeat
        uv.sleep(1)
        neap.call_soon(first.cancel, first)
        await(neap.sleep(0))
      until first:done()
      if first:cancelled() then assert.equal("USR1", await(second)) else second:cancel() end
    end)
  end)

  it("ends the loops of those who wait when it is closed", function()
    loop.run(function()
      local step, signals, _, closing = neap.signals "USR1"
      local waiter = neap.create_task(function() return "ended", step(signals) end)
      await(neap.sleep(0))
      do local held <close> = closing end
      assert.same({ "ended" }, { await(waiter) })
      assert.equal("neap.Signals (closed)", tostring(signals))
      assert.is_nil(step(signals))
    end)
  end)

  it("is closed by the collector, and with the Lua state", function()
    loop.run(function()
      neap.signals "USR1"
      collectgarbage()
      collectgarbage()
    end)
    assert.is_true(neap.is(loop.failure(neap.run, neap.Future()), neap.DeadlockError))
    assert.equal("", output [[
      neap.signals("USR1", "HUP")
      neap.add_signal_handler("HUP", print)
      neap.run(function() os.exit(0, true) end)
    ]])
  end)

  it("is what a task waits for, in words", function()
    local named
    loop.run(function()
      local task = neap.create_task(function()
        for _ in neap.signals("HUP", "TERM") do return end
      end)
      await(neap.sleep(0))
      named = task:waits_for()
      task:cancel()
      pcall(await, task)
    end)
    assert.matches("^neap.Signals %(HUP, TERM%)", named)
  end)
end)
