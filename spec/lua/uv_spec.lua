local neap = require "neap"
local luv = require "luv"
local loop = require "spec.support.loop"

local uv, await = neap.uv, neap.await

-- A folder of its own for each test, gone after it.
local folder

local function path(name) return folder .. "/" .. name end

local function write_file(name, text)
  local file = assert(io.open(path(name), "w"))
  file:write(text)
  file:close()
  return path(name)
end

-- Gives all threads of libuv's pool something that lasts until the function it returns is called:
-- what is asked for in between has not started yet.
local function occupy()
  local threads = tonumber(os.getenv "UV_THREADPOOL_SIZE") or 4
  local pipe, reads = luv.pipe(), {}
  for i = 1, threads do reads[i] = neap.create_task(uv.fs_read(pipe.read, 1)) end
  await(neap.sleep(0))
  return function()
    luv.fs_write(pipe.write, ("x"):rep(threads))
    await(neap.gather(reads))
    luv.fs_close(pipe.read)
    luv.fs_close(pipe.write)
  end
end

local function failure(awaitable)
  local ok, problem = pcall(await, awaitable)
  assert.is_false(ok)
  return problem
end

before_each(function() folder = assert(luv.fs_mkdtemp "/tmp/neap-spec-XXXXXX") end)

after_each(function()
  assert.equal(0, neap.all_tasks().n)
  local names = {}
  local list = assert(luv.fs_scandir(folder))
  for name in luv.fs_scandir_next, list do names[#names + 1] = name end
  for _, name in ipairs(names) do luv.fs_unlink(path(name)) end
  luv.fs_rmdir(folder)
end)

describe("neap.uv", function()
  it("leaves functions without a callback as luv has them", function()
    assert.equal(luv.hrtime, uv.hrtime)
    assert.equal(luv.new_timer, uv.new_timer)
    assert.equal(luv.timer_start, uv.timer_start)
    assert.is_nil(uv.no_such_thing)
  end)

  it("gives the results without the error", function()
    neap.run(function()
      local fd = await(uv.fs_open(path "a", "w", 420))
      assert.equal(5, await(uv.fs_write(fd, "hello")))
      await(uv.fs_close(fd))
      fd = await(uv.fs_open(path "a", "r", 0))
      assert.equal("hel", await(uv.fs_read(fd, 3)))
      assert.equal("lo", await(uv.fs_read(fd, 10, 3)))
      await(uv.fs_close(fd))
      assert.equal(5, await(uv.fs_stat(path "a")).size)
    end)
  end)

  it("gives several results", function()
    neap.run(function()
      local fd, name = await(uv.fs_mkstemp(path "XXXXXX"))
      assert.equal("number", math.type(fd) and "number")
      assert.equal(folder, name:match "^(.*)/")
      await(uv.fs_close(fd))
    end)
  end)

  it("takes fs_opendir's entries after the path", function()
    write_file("a", "")
    write_file("b", "")
    neap.run(function()
      local directory = await(uv.fs_opendir(folder, 10))
      local entries = await(uv.fs_readdir(directory))
      await(uv.fs_closedir(directory))
      assert.equal(2, #entries)
    end)
  end)

  it("resolves names and makes random bytes", function()
    neap.run(function()
      assert.equal("127.0.0.1", await(uv.getaddrinfo("127.0.0.1", "80"))[1].addr)
      assert.equal(16, #await(uv.random(16)))
    end)
  end)

  it("starts when it is awaited", function()
    neap.run(function()
      local removal = uv.fs_unlink(write_file("a", ""))
      await(neap.sleep(0))
      assert.is_truthy(luv.fs_stat(path "a"))
      await(removal)
      assert.is_nil(luv.fs_stat(path "a"))
    end)
  end)

  it("can be awaited outside tasks", function()
    assert.equal("directory", await(uv.fs_stat(folder)).type)
  end)

  it("raises an OSError with the code", function()
    neap.run(function()
      local problem = failure(uv.fs_stat(path "missing"))
      assert.is_true(neap.is(problem, neap.OSError))
      assert.equal("ENOENT", problem.code)
      assert.equal(("fs_stat: no such file or directory: %s (ENOENT)"):format(path "missing"), problem.message)
    end)
  end)

  it("raises the class that fits the code", function()
    neap.run(function()
      local tcp = luv.new_tcp()
      local problem = failure(uv.tcp_connect(tcp, "127.0.0.1", 1))
      assert.is_true(neap.is(problem, neap.ConnectionRefusedError))
      assert.equal("tcp_connect: connection refused (ECONNREFUSED)", problem.message)
      await(uv.close(tcp))
      problem = failure(uv.getaddrinfo("no-such-host.invalid", "80"))
      assert.is_true(neap.is(problem, neap.ResolveError))
    end)
  end)

  it("raises what luv returns at once", function()
    neap.run(function()
      local tcp = luv.new_tcp()
      assert.equal("EBADF", failure(uv.write(tcp, "x")).code)
      assert.equal("ENOTCONN", failure(uv.shutdown(tcp)).code)
      await(uv.close(tcp))
    end)
  end)

  it("names luv's function and the awaiting line in an argument error", function()
    neap.run(function()
      local ok, problem = pcall(function() await(uv.fs_stat()) end)
      assert.is_false(ok)
      assert.matches("uv_spec.lua:%d+: bad argument #1 to 'luv.fs_stat'", problem)
    end)
  end)

  it("runs many requests at once", function()
    neap.run(function()
      local requests = {}
      for i = 1, 200 do requests[i] = uv.fs_stat(i % 2 == 0 and folder or path "missing") end
      requests.return_exceptions = true
      local results = await(neap.gather(requests))
      for i = 1, 200 do
        assert.equal(i % 2 == 0 and "directory" or nil, results[i].type)
        assert.equal(i % 2 == 1 and "ENOENT" or nil, results[i].code)
      end
    end)
  end)

  it("works with wait_for", function()
    neap.run(function()
      assert.equal("directory", await(neap.wait_for(uv.fs_stat(folder), 10)).type)
    end)
  end)
end)

describe("cancelling neap.uv", function()
  it("lets the Lua state end while a directory is read", function()
    local said = dofile "spec/support/child.lua".output [[
      local neap = require "neap"
      neap.run(function()
        local tasks = {}
        for i = 1, 20 do tasks[i] = neap.create_task(neap.uv.fs_scandir "/usr/lib") end
        neap.await(neap.sleep(0))
      end)
      print "end"]]
    assert.equal("end\n", said)
  end)

  it("cancels a request that has not started", function()
    neap.run(function()
      assert(luv.fs_mkdir(path "a", 448))
      local free = occupy()
      local task = neap.create_task(uv.fs_rmdir(path "a")) -- libuv has never given this one to io_uring
      await(neap.sleep(0))
      task:cancel()
      assert.is_true(neap.is(failure(task), neap.CancelledError))
      free()
      assert.is_truthy(luv.fs_stat(path "a"))
    end)
  end)

  it("closes a file that was opened too late", function()
    write_file("a", "")
    local before = loop.descriptors()
    neap.run(function()
      for turns = 0, 6 do -- before it starts, while it runs, answered but not taken
        local task = neap.create_task(uv.fs_open(path "a", "r", 0))
        for _ = 1, turns do
          await(neap.sleep(0))
          luv.sleep(turns)
        end
        task:cancel()
        pcall(await, task)
        if task:cancelled() == false then await(uv.fs_close(task:result())) end
      end
      for _ = 1, 4 do await(uv.fs_stat(folder)) end
    end)
    luv.run()
    assert.is_true(loop.closed(before))
  end)

  it("closes what came while the task was being cancelled", function()
    local before = loop.descriptors()
    neap.run(function()
      local answer
      local open = neap.wrap(function(callback) answer = callback end, { late = function(fd) luv.fs_close(fd) end })
      local task = neap.create_task(open())
      await(neap.sleep(0))
      answer(nil, luv.fs_open("/dev/null", "r", 0))
      task:cancel()
      assert.is_true(neap.is(failure(task), neap.CancelledError))
    end)
    assert.is_true(loop.closed(before))
  end)

  it("does not undo closing", function()
    local before = loop.descriptors()
    neap.run(function()
      local free = occupy()
      local task = neap.create_task(uv.fs_close(luv.fs_open("/dev/null", "r", 0)))
      await(neap.sleep(0))
      task:cancel()
      pcall(await, task)
      free()
    end)
    luv.run()
    assert.is_true(loop.closed(before))
  end)

  it("drops a late answer", function()
    neap.run(function()
      local tcp = luv.new_tcp()
      local listener = luv.new_tcp()
      listener:bind("127.0.0.1", 0)
      listener:listen(1, function() end)
      local task = neap.create_task(uv.tcp_connect(tcp, "127.0.0.1", listener:getsockname().port))
      await(neap.sleep(0))
      task:cancel()
      assert.is_true(neap.is(failure(task), neap.CancelledError))
      await(uv.close(tcp))
      await(uv.close(listener))
    end)
  end)
end)

describe("luv's callbacks", function()
  it("mix with tasks on one loop", function()
    local order = {}
    neap.run(function()
      local timer = luv.new_timer()
      local fired = neap.Future()
      timer:start(1, 0, function()
        order[#order + 1] = "timer"
        fired:set_result "done"
      end)
      order[#order + 1] = "task"
      assert.equal("done", await(fired))
      await(uv.close(timer))
    end)
    assert.same({ "task", "timer" }, order)
  end)

  it("feed a queue", function()
    neap.run(function()
      local timer, ticks = luv.new_timer(), neap.Queue()
      timer:start(1, 1, function() ticks:put_nowait(true) end)
      for _ = 1, 3 do await(ticks:get()) end
      await(uv.close(timer))
    end)
  end)
end)
