-- SPDX-License-Identifier: MIT
-- Handlers of descriptors, and descriptors that are closed while they are watched.
local neap = require "neap"
local uv = require "luv"
local probe = require "spec.probe"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await = neap.await

-- fn gets the two ends of a pipe or of a pair of sockets, in the loop; they are closed afterwards.
local function it_runs(sentence, make, fn)
  it(sentence, function()
    local a, b = make()
    local ok, err = pcall(loop.run, function() fn(a, b) end, { clock = "real" })
    probe.close_fd(a, b)
    if not ok then error(err, 0) end
  end)
end

local function counter()
  local self = { calls = 0 }
  function self.call(...)
    self.calls, self.args = self.calls + 1, table.pack(...)
    if self.then_do then self.then_do() end
  end
  return self
end

-- Turns the loop, with polls, until what() or for a long time.
local function wait_until(what)
  for _ = 1, 5000 do
    if what() then return end
    await(neap.sleep(0.001))
  end
  error "it did not happen"
end

local function code_of(fn, ...) return (loop.failure(fn, ...)).code end

describe("A descriptor that a handle of luv's reads from", function()
  it("is refused meanwhile, also when it was waited for before", function()
    loop.run(function()
      local r, w = probe.pipe()
      local text, pipe = "", uv.new_pipe()
      probe.write(w, "a")
      assert.equal("r", await(neap.wait_fd(r, "r")))
      assert(pipe:open(r))
      pipe:read_start(function(_, data) text = text .. (data or "") end)
      assert.equal("EEXIST", pair.fails(neap.wait_fd(r, "r")).code)
      assert.equal("EEXIST", code_of(neap.add_reader, r, print))
      probe.write(w, "b")
      wait_until(function() return text == "ab" end) -- luv's goes on
      pipe:read_stop()
      probe.write(w, "c")
      assert.equal("r", await(neap.wait_fd(r, "r")))
      pipe:close() -- and with it r
      probe.close_fd(w)
      pair.turn()
    end, { clock = "real" })
  end)
end)

describe("add_reader", function()
  it_runs("refuses what is no descriptor or no function", probe.pipe, function(r)
    for _, name in ipairs { "add_reader", "add_writer" } do
      local add = neap[name]
      assert.matches("bad argument #1 .-not a descriptor", tostring(loop.failure(add, -1, print)))
      assert.matches("bad argument #1 .-number expected, got nil", tostring(loop.failure(add, nil, print)))
      assert.matches("bad argument #1", tostring(loop.failure(add, 1.5, print)))
      assert.matches("bad argument #2 .-function expected, got no value", tostring(loop.failure(add, r)))
      assert.equal("EBADF", code_of(add, 1000000, print))
    end
    assert.matches("bad argument #1 .-not a descriptor", tostring(loop.failure(neap.remove_reader, -1)))
    assert.matches("bad argument #1", tostring(loop.failure(neap.remove_writer, "x")))
    assert.is_false(neap.remove_reader(1000000))
    local file = probe.open "Makefile"
    assert.equal("EPERM", code_of(neap.add_reader, file, print))
    probe.close_fd(file)
  end)

  it_runs("calls with its arguments as long as there is something to read", probe.pipe, function(r, w)
    local reader = counter()
    local handle = neap.add_reader(r, reader.call, "a", nil, 3)
    assert.equal("neap.Handle (standing)", tostring(handle))
    await(neap.sleep(0.002))
    assert.equal(0, reader.calls)
    probe.write(w, "xy")
    wait_until(function() return reader.calls >= 3 end) -- nobody reads: it is told again and again
    assert.same({ "a", nil, 3, n = 3 }, reader.args)
    assert.equal("xy", probe.read(r))
    await(neap.sleep(0))
    local before = reader.calls
    await(neap.sleep(0.002))
    assert.equal(before, reader.calls)
    assert.is_true(neap.remove_reader(r))
    assert.is_false(neap.remove_reader(r))
    assert.is_true(handle:cancelled())
    probe.write(w, "z")
    await(neap.sleep(0.002))
    assert.equal(before, reader.calls)
  end)

  it_runs("can be removed inside the handler, by itself and by the other one", probe.socketpair, function(a, b)
    local reader, writer = counter(), counter()
    local handle
    reader.then_do = function() handle:cancel() neap.remove_writer(a) end
    writer.then_do = function() neap.remove_writer(a) handle:cancel() end
    handle = neap.add_reader(a, reader.call)
    neap.add_writer(a, writer.call)
    probe.write(b, "x")
    wait_until(function() return reader.calls + writer.calls > 0 end)
    await(neap.sleep(0.002))
    assert.equal(1, reader.calls + writer.calls)
    assert.is_false(neap.remove_writer(a))
  end)

  it_runs("is replaced by the next one", probe.pipe, function(r, w)
    local first, second = counter(), counter()
    local handle = neap.add_reader(r, first.call)
    neap.add_reader(r, second.call)
    assert.is_true(handle:cancelled())
    handle:cancel()
    probe.write(w, "x")
    wait_until(function() return second.calls > 0 end)
    assert.equal(0, first.calls)
    neap.remove_reader(r)
  end)

  it_runs("stands beside tasks that wait for the same descriptor", probe.socketpair, function(a, b)
    local reader, writer = counter(), counter()
    reader.then_do = function() neap.remove_reader(a) end
    neap.add_reader(a, reader.call)
    local waiting = pair.started(function() return await(neap.wait_fd(a, "r")) end)
    local both = pair.started(function() return await(neap.wait_fd(a, "rw")) end)
    assert.equal("w", await(both))
    assert.is_false(waiting:done())
    neap.add_writer(a, writer.call)
    wait_until(function() return writer.calls > 0 end)
    neap.remove_writer(a)
    waiting:cancel()
    assert.is_false((pcall(await, waiting)))
    assert.equal(0, reader.calls)
    waiting = pair.started(function() return await(neap.wait_fd(a, "r")) end)
    probe.write(b, "x")
    assert.equal("r", await(waiting))
    wait_until(function() return reader.calls == 1 end)
    assert.is_false(neap.remove_reader(a))
  end)

  it_runs("is told of a peer that hung up, and of an error", probe.pipe, function(r, w)
    local reader, writer = counter(), counter()
    reader.then_do = function() neap.remove_reader(r) end
    neap.add_reader(r, reader.call)
    probe.close_fd(w)
    wait_until(function() return reader.calls == 1 end)
    local r2, w2 = probe.pipe()
    probe.fill(w2)
    writer.then_do = function() if writer.calls == 2 then neap.remove_writer(w2) end end
    neap.add_writer(w2, writer.call)
    probe.close_fd(r2)
    wait_until(function() return writer.calls == 2 end)
    assert.is_false(neap.remove_writer(w2))
    probe.dup(r, w) -- for it to be closed
    probe.close_fd(w2)
  end)

  it_runs("keeps the loop waiting, and is ended with run()", probe.pipe, function(r, w)
    neap.call_later(0.001, probe.write, w, "x")
    local got = neap.Future()
    neap.add_reader(r, function()
      probe.read(r)
      got:set_result()
    end)
    await(got) -- not a deadlock
    local left = neap.add_reader(r, error)
    neap.add_writer(w, function() neap.remove_writer(w) end)
    finally(function() assert.is_true(left:cancelled()) end)
  end)

  it_runs("reports an error of the handler and goes on", probe.pipe, function(r, w)
    local reports = {}
    neap.set_exception_handler(function(context) reports[#reports + 1] = context end)
    neap.add_reader(r, error, "oops", 0)
    probe.write(w, "x")
    wait_until(function() return #reports >= 2 end)
    neap.remove_reader(r)
    assert.equal("oops", reports[1].exception)
  end)

  it_runs("of a stream's descriptor is refused", probe.pipe, function()
    local udp = uv.new_udp()
    udp:bind("127.0.0.1", 0)
    udp:recv_start(print)
    assert.equal("EEXIST", code_of(neap.add_reader, udp:fileno(), print))
    udp:recv_stop()
    await(neap.uv.close(udp))
  end)
end)

describe("A descriptor that is closed before the kernel is told to watch it", function()
  it("is EBADF for who waits, and does not end the process", function()
    loop.run(function()
      local r, w = probe.pipe()
      local tasks = {}
      for i, fd in ipairs { r, w, r } do
        tasks[i] = neap.create_task(function() return await(neap.wait_fd(fd, i == 2 and "w" or "r")) end)
      end
      await(neap.sleep(0))
      probe.close_fd(r, w)
      for i = 1, 3 do assert.equal("EBADF", pair.fails(tasks[i]).code) end
      assert.equal("EBADF", code_of(neap.add_reader, r, print))
    end, { clock = "real" })
  end)

  it("is EBADF also when a second one wants more of it", function()
    loop.run(function()
      local a, b = probe.socketpair()
      probe.fill(a)
      local reader = pair.started(function() return await(neap.wait_fd(a, "r")) end)
      await(neap.sleep(0.001)) -- the kernel watches it
      local writer = neap.create_task(function() return await(neap.wait_fd(a, "w")) end)
      neap.call_soon(probe.close_fd, a)
      assert.equal("EBADF", pair.fails(writer).code)
      assert.equal("EBADF", pair.fails(reader).code)
      probe.close_fd(b)
    end, { clock = "real" })
  end)

  it("is told to the exception handler when it has a handler", function()
    local handle
    local reports = loop.run_reports(function(reports)
      local r, w = probe.pipe()
      handle = neap.add_reader(r, print)
      probe.close_fd(r, w)
      wait_until(function() return #reports > 0 end)
      assert.is_false(neap.remove_reader(r))
      handle:cancel()
    end, { clock = "real" })
    assert.is_nil(reports.error)
    assert.equal(1, #reports)
    assert.equal("a handler will not be called any more", reports[1].message)
    assert.equal("EBADF", reports[1].exception.code)
    assert.equal(handle, reports[1].handle)
    assert.is_true(handle:cancelled())
  end)

  it("leaves its number to a regular file: EBADF too", function()
    loop.run(function()
      local r, w = probe.pipe()
      local waiting = neap.create_task(function() return await(neap.wait_fd(r, "r")) end)
      await(neap.sleep(0))
      local file = probe.open "Makefile"
      probe.dup(file, r)
      assert.equal("EBADF", pair.fails(waiting).code)
      probe.close_fd(file, r, w)
    end, { clock = "real" })
  end)
end)
