-- SPDX-License-Identifier: MIT
-- neap.h: waiting for descriptors.
local neap = require "neap"
local uv = require "luv"
local probe = require "spec.probe"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await, create_task = neap.await, neap.create_task

local READ, WRITE, ERROR = 1, 2, 4

-- fn gets the two ends of a pipe or of a pair of sockets, in the loop; they are closed afterwards.
local function it_runs(sentence, make, fn)
  it(sentence, function()
    local a, b = make()
    neap.run(function() fn(a, b) end)
    probe.close_fd(a, b) -- nobody waits any more
  end)
end

local function waiting(fd, events, ...)
  local task = create_task(neap.async(probe.wait_fd)(fd, events, ...))
  await(neap.sleep(0))
  return task
end

local function code_of(fn, ...) return (loop.failure(fn, ...)).code end

describe("neap_wait_fd", function()
  it_runs("tells when there is something to read", probe.pipe, function(r, w)
    local task = waiting(r, READ, "kept", nil)
    assert.is_false(task:done())
    probe.write(w, "x")
    assert.same({ "kept", nil, READ }, { await(task) })
    assert.equal("x", probe.read(r))
    assert.equal(WRITE, probe.wait_fd(w, WRITE))
    task = waiting(r, READ)
    probe.write(w, "y")
    assert.equal(READ, (await(task)))
  end)

  it_runs("tells when there is room to write", probe.socketpair, function(a, b)
    probe.fill(a)
    local task = waiting(a, WRITE)
    assert.is_false(task:done())
    while probe.read(b) do end
    assert.equal(WRITE, (await(task)))
  end)

  it_runs("tells of both, whichever is there", probe.socketpair, function(a, b)
    assert.equal(WRITE, probe.wait_fd(a, READ + WRITE))
    probe.write(b, "x")
    assert.equal(READ + WRITE, probe.wait_fd(a, READ + WRITE))
    probe.read(a)
    probe.fill(a)
    local task = waiting(a, READ + WRITE)
    probe.write(b, "y")
    assert.equal(READ, (await(task)))
  end)

  it_runs("lets several tasks wait for one descriptor", probe.socketpair, function(a, b)
    probe.fill(a)
    local readers = { waiting(a, READ), waiting(a, READ) }
    local writer, both = waiting(a, WRITE), waiting(a, READ + WRITE)
    probe.write(b, "x")
    assert.equal(READ, (await(readers[1])))
    assert.equal(READ, (await(readers[2])))
    assert.equal(READ, (await(both)))
    assert.is_false(writer:done())
    while probe.read(b) do end
    assert.equal(WRITE, (await(writer)))
  end)

  it_runs("stops watching for who is cancelled, not for others", probe.socketpair, function(a, b)
    local one, other, writer = waiting(a, READ), waiting(a, READ), waiting(b, READ + WRITE)
    assert.equal(WRITE, (await(writer)))
    one:cancel()
    assert.is_false((pcall(await, one)))
    assert.is_false(other:done())
    probe.write(b, "x")
    assert.equal(READ, (await(other)))
    local last = waiting(b, READ)
    last:cancel()
    assert.is_false((pcall(await, last)))
    assert.is_true(last:cancelled())
  end)

  it_runs("is cancelled though it was ready in the same tick", probe.pipe, function(r, w)
    local task = waiting(r, READ)
    probe.write(w, "x")
    uv.sleep(1)
    neap.call_later(0, task.cancel, task)
    pcall(await, task)
    assert.is_true(task:done())
    assert.equal("x", probe.read(r))
  end)

  it_runs("delivers a cancellation that was pending", probe.pipe, function(r)
    local task
    task = create_task(function()
      task:cancel()
      probe.wait_fd(r, READ)
    end)
    assert.is_false((pcall(await, task)))
    assert.is_true(task:cancelled())
  end)

  it_runs("takes a hang-up for something to read", probe.pipe, function(r, w)
    local task = waiting(r, READ)
    probe.close_fd(w)
    assert.equal(READ, (await(task)) & READ)
    assert.is_nil(probe.read(r))
    assert.equal(READ, probe.wait_fd(r, READ) & READ)
    probe.dup(r, w)
  end)

  it_runs("tells of an error: nobody reads any more", probe.pipe, function(r, w)
    probe.fill(w)
    local task = waiting(w, WRITE)
    probe.close_fd(r)
    assert.equal(WRITE + ERROR, (await(task)))
    assert.equal(WRITE + ERROR, probe.wait_fd(w, WRITE))
    probe.dup(w, r)
  end)

  it_runs("refuses what is no descriptor, or no events", probe.pipe, function(r)
    assert.equal("EBADF", code_of(probe.wait_fd, -1, READ))
    assert.equal("EBADF", code_of(probe.wait_fd, 1000000, READ))
    assert.equal("EINVAL", code_of(probe.wait_fd, r, 0))
    assert.equal("EINVAL", code_of(probe.wait_fd, r, ERROR))
    assert.equal("EINVAL", code_of(probe.wait_fd, r, -1))
  end)

  it_runs("refuses regular files and folders", probe.pipe, function()
    for _, path in ipairs { "Makefile", "spec" } do
      local fd = probe.open(path)
      assert.equal("EPERM", code_of(probe.wait_fd, fd, READ))
      probe.close_fd(fd)
    end
  end)

  it_runs("raises outside a task", probe.pipe, function(r)
    local done = neap.Future()
    neap.call_soon(function() done:set_result(loop.failure(probe.wait_fd, r, READ)) end)
    assert.matches("outside a task", tostring(await(done)))
  end)

  it_runs("knows a descriptor that was closed from one that has its number", probe.pipe, function(r, w)
    probe.write(w, "x")
    assert.equal(READ, probe.wait_fd(r, READ))
    local other_r, other_w = probe.pipe()
    probe.dup(other_r, r) -- closes r
    local task = waiting(r, READ)
    assert.is_false(task:done())
    probe.write(other_w, "y")
    assert.equal(READ, (await(task)))
    probe.close_fd(other_r, other_w)
  end)

  it_runs("refuses a regular file that has the number now", probe.pipe, function(r, w)
    probe.write(w, "x")
    assert.equal(READ, probe.wait_fd(r, READ))
    local file = probe.open "Makefile"
    probe.dup(file, r)
    assert.equal("EPERM", code_of(probe.wait_fd, r, READ))
    probe.close_fd(file)
    local again_r, again_w = probe.pipe()
    probe.dup(again_r, r)
    probe.write(again_w, "z")
    assert.equal(READ, probe.wait_fd(r, READ))
    probe.close_fd(again_r, again_w)
  end)

  it_runs("wakes with EBADF who waits for a number that became another file", probe.pipe, function(r, w)
    local first = waiting(r, READ)
    local other_r, other_w = probe.pipe()
    probe.dup(other_r, r)
    local second = waiting(r, READ)
    assert.equal("EBADF", pair.fails(first).code)
    probe.write(other_w, "x")
    assert.equal(READ, (await(second)))
    probe.close_fd(other_r, other_w)
  end)

  it("leaves alone the handle of another that has the number now", pair.with_pair(function(a, b)
    local r, w = probe.pipe()
    probe.write(w, "x")
    assert.equal(READ, probe.wait_fd(r, READ))
    probe.close_fd(r)
    local socket = uv.new_udp() -- takes the number
    socket:bind("127.0.0.1", 0)
    assert.equal(r, socket:fileno())
    local got = neap.Future()
    socket:recv_start(function(_, data) if data and not got:done() then got:set_result(data) end end)
    await(neap.sleep(0.001)) -- it is polled now
    assert.equal("EEXIST", code_of(probe.wait_fd, r, READ)) -- its own poll handle is dropped here
    socket:try_send("hello", "127.0.0.1", socket:getsockname().port)
    assert.equal("hello", await(neap.wait_for(got, 5)))
    socket:close()
    probe.close_fd(w)
    a:write "still\n"
    assert.equal("still", await(b:read "l"))
  end))

  it_runs("comes after neap.wait_fd on the same descriptor", probe.pipe, function(r, w)
    probe.write(w, "x")
    assert.equal("r", await(neap.wait_fd(r, "r")))
    assert.equal(READ, probe.wait_fd(r, READ))
  end)

  it_runs("is ended with run()", probe.pipe, function(r)
    waiting(r, READ)
    waiting(r, READ)
  end)
end)
