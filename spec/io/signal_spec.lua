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

describe("add_signal_handler", function()
  it("refuses what is no signal, or cannot be caught, or is no function", function()
    local add = neap.add_signal_handler
    assert.matches("bad argument #1 .-no signal is called 'nope'", misuse(add, "nope", print))
    assert.matches("bad argument #1 .-no signal is called ''", misuse(add, "", print))
    assert.matches("bad argument #1 .-no signal of this number", misuse(add, 0, print))
    assert.matches("bad argument #1 .-no signal of this number", misuse(add, -1, print))
    assert.matches("bad argument #1 .-no signal of this number", misuse(add, 1.5, print))
    assert.matches("bad argument #1 .-no signal of this number", misuse(add, 0 / 0, print))
    assert.matches("bad argument #1 .-no signal of this number", misuse(add, 1000, print))
    assert.matches("bad argument #1 .-a name or a number, expected, got nil", misuse(add, nil, print))
    for _, name in ipairs { "KILL", "SIGSTOP", 9 } do
      assert.matches("bad argument #1 .-cannot be caught", misuse(add, name, print))
      assert.matches("bad argument #1 .-cannot be caught", misuse(neap.signals, name))
      assert.matches("bad argument #1 .-cannot be caught", misuse(neap.remove_signal_handler, name))
    end
    assert.matches("bad argument #2 .-function expected, got number", misuse(add, "HUP", 5))
    assert.matches("bad argument #2 .-function expected", misuse(add, "HUP"))
    assert.is_false(neap.remove_signal_handler "HUP")
  end)

  it("calls the function with its arguments for each signal", function()
    loop.run(function()
      local calls, done = {}, neap.Future()
      local handle = neap.add_signal_handler("SIGHUP", function(...)
        calls[#calls + 1] = table.pack(...)
        if #calls == 2 then done:set_result() else send "hup" end
      end, "a", nil)
      assert.equal("neap.Handle (standing)", tostring(handle))
      assert.is_nil(handle:when())
      send "hup"
      await(done)
      assert.same({ { "a", nil, n = 2 }, { "a", nil, n = 2 } }, calls)
      assert.is_true(neap.remove_signal_handler(1))
      assert.is_false(neap.remove_signal_handler "hup")
      assert.is_true(handle:cancelled())
    end)
  end)

  it("lets a handler complete what everybody waits for: no deadlock, with either clock", function()
    for _, clock in ipairs { "real", "virtual" } do
      loop.run(function()
        local stop = neap.Future()
        neap.add_signal_handler("USR1", stop.set_result, stop, "stopped")
        send "usr1"
        assert.equal("stopped", await(stop))
      end, { clock = clock })
    end
  end)

  it("does not keep the virtual clock from going on, nor a loop alive", function()
    loop.run(function()
      neap.add_signal_handler("USR1", print)
      await(neap.sleep(1000))
    end)
    assert.equal("over\n", output [[
      neap.add_signal_handler("HUP", print)
      uv.run()
      print "over"
    ]])
  end)

  it("leaves a deadlock without a signal's handler an error", function()
    loop.run(function() neap.add_signal_handler("USR1", print) end)
    assert.is_true(neap.is(loop.failure(neap.run, neap.Future()), neap.DeadlockError))
  end)

  it("replaces the handler that was there", function()
    loop.run(function()
      local got = neap.Future()
      local first = neap.add_signal_handler("USR2", error, "replaced")
      neap.add_signal_handler(12, got.set_result, got, "second")
      assert.is_true(first:cancelled())
      first:cancel()
      send "usr2"
      assert.equal("second", await(got))
    end)
  end)

  it("is ended by its handle, also inside the handler", function()
    assert.equal("1\nfalse\nstill here\n", output [[
      local ignore = uv.new_signal()
      ignore:start("sigusr1", function() end)
      local calls, handle = 0, nil
      neap.run(function()
        handle = neap.add_signal_handler("USR1", function() calls = calls + 1 handle:cancel() end)
        send "usr1"
        await(neap.sleep(0.01))
        send "usr1"
        await(neap.sleep(0.01))
        print(calls)
        print(neap.remove_signal_handler "USR1")
      end)
      print "still here"
    ]])
  end)

  it("calls in the context in which it was added", function()
    loop.run(function()
      local var, seen = neap.ContextVar "v", neap.Future()
      var:set "then"
      neap.add_signal_handler("USR1", function() seen:set_result(var:get()) end)
      var:set "now"
      send "usr1"
      assert.equal("then", await(seen))
    end)
  end)

  it("reports an error of the handler, which stays", function()
    local reports = loop.run_reports(function()
      local calls, twice = 0, neap.Future()
      neap.add_signal_handler("USR1", function()
        calls = calls + 1
        if calls == 2 then twice:set_result() else send "usr1" end
        error("oops", 0)
      end)
      send "usr1"
      await(twice)
      await(neap.sleep(0))
    end)
    assert.equal(2, #reports)
    assert.equal("oops", reports[1].exception)
    assert.equal("neap.Handle (standing)", tostring(reports[2].handle):gsub("cancelled", "standing"))
  end)

  it("stands beside luv's own handle of the same signal", function()
    assert.equal("luv\nneap\nluv\nstill here\n", output [[
      local own = uv.new_signal()
      local order = {}
      local function note(what) order[#order + 1] = what end
      local function flush() table.sort(order) print(table.concat(order, "\n")) order = {} end
      own:start("sighup", function() note "luv" end)
      neap.run(function()
        neap.add_signal_handler("HUP", note, "neap")
        send "hup"
        await(neap.sleep(0.01))
        flush()
      end) -- which ends neap's
      send "hup"
      neap.run(function() await(neap.sleep(0.01)) end)
      flush()
      own:stop()
      print "still here"
    ]])
  end)

  it("is removed at the end of run, and what was there comes back", function()
    local result = child.run(PRELUDE .. [[
      neap.run(function()
        neap.add_signal_handler("USR1", print, "caught")
        send "usr1"
        await(neap.sleep(0.01))
      end)
      send "usr1"
      print "not reached"
    ]])
    assert.equal("caught\n", result.out)
    assert.equal(10, result.signal)
  end)

  it("leaves an ignored signal ignored: a lost pipe does not end the process", function()
    assert.equal("still here\n", output [[
      neap.run(function()
        local server <close> = await(neap.start_server(function() end, "127.0.0.1", 0)) -- SIGPIPE is ignored by now
        local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        neap.add_signal_handler("PIPE", print)
        neap.remove_signal_handler "PIPE"
        send "pipe"
        await(neap.sleep(0.001))
        print "still here"
      end)
    ]])
  end)

  it("takes Ctrl-C, and removing it gives it back to run()", function()
    assert.equal("mine\nKeyboardInterrupt\n", output [[
      print(select(2, pcall(neap.run, function()
        neap.add_signal_handler("INT", print, "mine")
        send "int"
        await(neap.sleep(0.01))
        neap.remove_signal_handler "INT"
        neap.call_soon(send, "int")
        await(neap.sleep(1000))
      end)).name)
    ]])
  end)

  it("gives Ctrl-C to run() also when it was added before run()", function()
    assert.equal("mine\nKeyboardInterrupt\nKeyboardInterrupt\n", output [[
      neap.add_signal_handler("INT", print, "mine")
      local function main(fn)
        print(select(2, pcall(neap.run, function()
          fn()
          neap.call_soon(send, "int")
          await(neap.sleep(1000))
        end)).name)
      end
      main(function()
        send "int"
        await(neap.sleep(0.01))
        neap.remove_signal_handler "INT"
      end)
      main(function() end)
    ]])
  end)

  it("removed after the run that it outlived leaves the interpreter its Ctrl-C", function()
    local result = child.run(PRELUDE .. [[
      local runner = neap.Runner()
      runner:run(function() neap.add_signal_handler("INT", print, "mine") end)
      runner:run(function()
        send "int"
        await(neap.sleep(0.01))
      end)
      neap.remove_signal_handler "INT"
      send "int"
      for _ = 1, 1e7 do end
      print "not reached"
    ]])
    assert.matches("^mine\n.-interrupted!", result.out)
    assert.equal(1, result.code)
  end)

  it("is for the main thread", function()
    assert.matches("^false\tRuntimeError: signals are handled in the main thread only", output [[
      local path, cpath = package.path, package.cpath
      uv.new_thread(function(path, cpath)
        package.path, package.cpath = path, cpath
        local neap = require "neap"
        local ok, err = pcall(neap.add_signal_handler, "HUP", print)
        print(ok, (tostring(err):gsub("^.-RuntimeError", "RuntimeError")))
        print(pcall(neap.signals, "HUP"))
      end, path, cpath):join()
    ]])
  end)
end)
