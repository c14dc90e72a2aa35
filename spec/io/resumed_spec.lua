-- SPDX-License-Identifier: MIT
-- As spec/regress/016: somebody resumes the coroutine of a task that waits for I/O.
local uv = require "luv"
local neap = require "neap"
local pair = dofile "spec/io/pair.lua"
local await, create_task, sleep = neap.await, neap.create_task, neap.sleep

-- A task that awaits what waits() gives sleeps on through a foreign resumption; then go() is called.
local function sleeps_on(waits, go)
  local co
  local task = create_task(function()
    co = coroutine.running()
    return "ended", await(waits())
  end)
  await(sleep(0))
  assert.is_true((coroutine.resume(co, 1, 2, 3)))
  local resumed
  neap.call_soon(function() resumed = coroutine.resume(co, "x") end)
  await(sleep(0))
  await(sleep(0))
  assert.is_true(resumed)
  if go then
    assert.is_false(task:done())
    go()
  end
  local results = table.pack(await(task))
  assert.equal("ended", results[1])
  return table.unpack(results, 2, results.n)
end

describe("A task whose coroutine is resumed by somebody", function()
  it("reads on", pair.with_pair(function(a, b)
    assert.equal("one", sleeps_on(function() return a:read(10) end, function() b:write "one" end))
    assert.equal("two\n", sleeps_on(function() return a:readline() end, function() b:write "two\n" end))
    assert.equal("thr", sleeps_on(function() return a:readexactly(3) end, function() b:write "three" end))
    assert.equal("ee;", sleeps_on(function() return a:readuntil ";" end, function() b:write ";" end))
  end))

  it("drains on", pair.with_pair(function(a, b)
    a:set_write_buffer_limits { high = 1, low = 0 }
    local size = 8 * 1024 * 1024
    local reader
    sleeps_on(function() return a:write(("x"):rep(size)) end, function()
      reader = create_task(function() return #await(b:readexactly(size)) end)
    end)
    assert.equal(0, a:get_write_buffer_size())
    assert.equal(size, await(reader))
  end))

  it("waits on for a stream and for a server to be closed", function()
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream) await(stream:read "a") end, "127.0.0.1", 0))
      local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
      sleeps_on(function() return stream:wait_closed() end, function() stream:close() end)
      sleeps_on(function() return server:wait_closed() end, function() server:close() end)
    end)
  end)

  it("serves on until it is cancelled", function()
    neap.run(function()
      local server = await(neap.start_server(print, "127.0.0.1", 0))
      local ok, err = pcall(sleeps_on, function() return server:serve_forever() end, function()
        server:close()
      end)
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.CancelledError))
    end)
  end)

  it("connects and listens on", function()
    neap.run(function()
      local server <close> = sleeps_on(function()
        return neap.start_server(function(stream) await(stream:read "a") end, "localhost", 0)
      end)
      local stream <close> = sleeps_on(function()
        return neap.open_connection("localhost", server:getsockname().port)
      end)
      assert.is_false(stream:is_closing())
    end)
  end)

  it("receives and sends datagrams on, and waits on for a signal", function()
    neap.run(function()
      local a <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
      local b <close> = await(neap.open_datagram { remote_addr = a:getsockname() })
      assert.equal("x", (sleeps_on(function() return a:recv() end, function() b:send "x" end)))
      b:send "y"
      assert.equal("y", sleeps_on(function() return a:recv_many() end)[1].data)
      local port = b:getsockname().port
      sleeps_on(function() return a:send("z", "localhost", port) end)
      assert.equal("z", (await(b:recv())))
      sleeps_on(function() return neap.open_datagram { local_addr = { "localhost", 0 } } end):close()
      sleeps_on(function() return neap.open_datagram { remote_addr = { "localhost", port } } end):close()
      sleeps_on(function() return a:wait_closed() end, function() a:close() end)
      local _, signals <close> = neap.signals "USR1"
      assert.equal("USR1", sleeps_on(function() return signals end, function() uv.kill(uv.os_getpid(), "sigusr1") end))
      local fds = uv.socketpair("dgram", nil, { nonblock = true }, { nonblock = true })
      local full <close> = await(neap.open_datagram { fd = fds[1] })
      local peer <close> = await(neap.open_datagram { fd = fds[2] })
      local last
      for i = 1, 400 do last = full:send(i) end
      sleeps_on(function() return last end, function()
        for _ = 1, 400 do await(peer:recv()) end
      end)
    end)
  end)

  it("waits on for a descriptor", function()
    neap.run(function()
      local fds = uv.pipe({ nonblock = true }, { nonblock = true })
      assert.equal("r", sleeps_on(function() return neap.wait_fd(fds.read, "r") end, function()
        uv.fs_write(fds.write, "x", -1)
      end))
      uv.fs_close(fds.read)
      uv.fs_close(fds.write)
    end)
  end)
end)
