-- SPDX-License-Identifier: MIT
-- neap.h: os.exit(code, true) closes the state wherever it is called.
local child = require "spec.support.child"

local head = [[
local neap, probe = require "neap", require "spec.probe"
local await = neap.await
local function exit() os.exit(7, true) end
neap.run(function()
  -- something of everything is under way
  local server = await(neap.start_server(function(s) await(s:read "a") end, "127.0.0.1", 0))
  local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
  probe.filter_set(stream, "frames")
  stream:write(("x"):rep(5000000))
  local r, w = probe.pipe()
  neap.create_task(function() probe.wait_fd(r, 1) end)
  neap.create_task(function() probe.park(probe.wait(true)) end)
  neap.create_task(function() probe.park(probe.wait(false)) end)
  for _ = 1, 6 do probe.work("values", 1) end
  local process = await(neap.create_subprocess_exec({ "cat" }, { stdin = "pipe" }))
  neap.create_task(function() await(process:wait()) end)
  neap.create_task(function() await(neap.fs.read_file "/dev/null") end)
  local f, side = probe.future()
  probe.on_cancel(side)
  local ready, ready_side = probe.future()
  probe.complete(ready_side, "values", 2)
  ready:cancel()
  local loop = probe.loop()
  await(neap.sleep(0))
  probe.complete(side, "call", function() end)
  probe.post(loop, "none")
  probe.release(loop)
]]

local function it_exits(where, source)
  it(where, function()
    local result = child.run(head .. source .. "\n  await(neap.sleep(5))\nend)")
    assert.same({ out = "", code = 7 }, result)
  end)
end

describe("The state may be closed", function()
  it_exits("in a task", "exit()")
  it_exits("in a task that has just been cancelled", "neap.current_task():cancel() pcall(await, neap.sleep(0)) exit()")
  it_exits("in a push", "local g, s = probe.future() probe.complete(s, 'call', exit)")
  it_exits("in a push of a thread's", "local g, s = probe.future() probe.complete_thread(s, 2, 'call', exit) await(g)")
  it_exits("in a push of work", "await(probe.work('call', exit))")
  it_exits("in a posted function", "local l = probe.loop() probe.post(l, 'call', exit) probe.release(l)")
  it_exits("in a callback", "neap.call_soon(exit)")
  it_exits("in a continuation", [[
    local wait = probe.wait(true)
    neap.call_soon(probe.wake, wait)
    probe.park(wait)
    exit()]])
  it_exits("when a descriptor is ready", "probe.write(w, 'x') probe.wait_fd(r, 1) exit()")
  it_exits("when a filter has fed", [[
    local other = await(neap.open_connection("127.0.0.1", server:getsockname().port))
    local filter = probe.filter_set(other, "frames")
    neap.call_soon(probe.feed, filter, "x")
    await(other:read(1))
    exit()]])
end)
