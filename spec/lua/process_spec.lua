-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local exec, shell = neap.create_subprocess_exec, neap.create_subprocess_shell
local fails, raises, started, turn = pair.fails, pair.raises, pair.started, pair.turn

-- Numbers of our children, ended or not.
local function children()
  local list, file = {}, io.open(("/proc/%d/task/%d/children"):format(uv.os_getpid(), uv.os_getpid()))
  for pid in file:read("a"):gmatch "%d+" do list[#list + 1] = pid end
  file:close()
  return list
end

-- A body that leaves no child and no descriptor behind.
local function real(fn)
  return function()
    loop.run(function() -- libuv keeps descriptors from its first stream and its first process on
      await(await(exec({ "true" }, { stdout = "pipe" })):communicate())
    end, { clock = "real" })
    local before = loop.descriptors()
    loop.run(function()
      fn()
      turn(3)
    end, { clock = "real" })
    assert.is_true(loop.closed(before))
    assert.same({}, children())
  end
end

local function run(args, options, input)
  local process = await(exec(args, options))
  return process, await(process:communicate(input))
end

describe("A process", function()
  it("tells how it ended", real(function()
    for _, case in ipairs { { "exit 0", 0 }, { "exit 7", 7 }, { "kill -9 $$", -9 }, { "kill -TERM $$", -15 } } do
      local process = await(shell(case[1]))
      assert.equal("integer", math.type(process.pid))
      assert.is_true(neap.is(process, neap.Process))
      assert.is_nil(process.returncode)
      assert.equal("neap.Process (" .. process.pid .. ", running)", tostring(process))
      assert.equal(case[2], await(process:wait()))
      assert.equal(case[2], await(process:wait()))
      assert.equal(case[2], process.returncode)
      assert.matches(case[2] < 0 and "ended by signal %d+" or "ended with %d", tostring(process))
      assert.is_nil(process.stdin)
      assert.is_nil(process.stdout)
    end
  end))

  it("is waited for by many", real(function()
    local process = await(exec({ "cat" }, { stdin = "pipe" }))
    local tasks = {}
    for i = 1, 5 do tasks[i] = started(function() return await(process:wait()) end) end
    tasks[2]:cancel()
    assert.is_true(neap.is(fails(tasks[2]), neap.CancelledError))
    assert.is_false(tasks[1]:done())
    process.stdin:close()
    for i = 1, 5 do
      if i ~= 2 then assert.equal(0, await(tasks[i])) end
    end
  end))

  it("has ended though a grandchild holds its pipes", real(function()
    local process = await(shell("cat & exit 3", { stdin = "pipe", stdout = "pipe" }))
    assert.equal(3, await(process:wait()))
    process.stdin:close() -- the grandchild's input
    assert.equal("", await(process.stdout:read "a"))
  end))

  it("is not waited for when it was left", function()
    local pid
    loop.run(function()
      pid = await(exec { "true" }).pid
      collectgarbage()
      collectgarbage()
      repeat await(neap.sleep(0.001)) until #children() == 0
    end, { clock = "real" })
    assert.is_truthy(pid)
  end)

  describe("starting", function()
    it("fails with what could not be started", real(function()
      local err = raises(neap.OSError, exec { "/nonexistent/program" }, "ENOENT")
      assert.matches("start /nonexistent/program: no such file", err.message)
      err = raises(neap.OSError, exec({ "true" }, { cwd = "/nonexistent" }), "ENOENT")
      assert.matches("start true in /nonexistent: ", err.message)
      raises(neap.OSError, exec { "/etc/passwd" }, "EACCES")
      raises(neap.OSError, exec({ "/nonexistent" }, { stdin = "pipe", stdout = "pipe", stderr = "pipe" }), "ENOENT")
      raises(neap.OSError, exec({ "true" }, { stdin = 99999 }), "EBADF")
    end))

    it("takes arguments as they are", real(function()
      local _, out = run({ "printf", "%s|", "a b", "*", "$HOME", "", "'", 7 }, { stdout = "pipe" })
      assert.equal("a b|*|$HOME||'|7|", out)
    end))

    it("takes a folder and an environment", real(function()
      local _, out = run({ "/bin/sh", "-c", "pwd; echo $NAME-$HOME-" },
        { stdout = "pipe", cwd = "/usr", env = { NAME = "x y" } })
      assert.equal("/usr\nx y--\n", out)
      _, out = run({ "/usr/bin/env" }, { stdout = "pipe", env = {} })
      assert.equal("", out)
      _, out = run({ "sh", "-c", "test -n \"$PATH\" && echo inherited" }, { stdout = "pipe" })
      assert.equal("inherited\n", out)
    end))

    it("can be in a session of its own", real(function()
      local process, out = run({ "sh", "-c", "cut -d ' ' -f6 /proc/$$/stat" }, { stdout = "pipe", detached = true })
      assert.equal(process.pid, tonumber(out))
      process, out = run({ "sh", "-c", "cut -d ' ' -f6 /proc/$$/stat" }, { stdout = "pipe" })
      assert.not_equal(process.pid, tonumber(out))
    end))

    it("can be as somebody else", real(function()
      if uv.getuid() ~= 0 then return raises(neap.OSError, exec({ "true" }, { uid = 0 }), "EPERM") end
      local _, out = run({ "sh", "-c", "id -u; id -g" }, { stdout = "pipe", uid = 65534, gid = 65534 })
      assert.equal("65534\n65534\n", out)
    end))

    it("checks its arguments at once", function()
      local function problem(fn, ...) return tostring(select(2, pcall(fn, ...))) end
      assert.matches("bad argument #1 .*a list of strings expected, got nil", problem(exec))
      assert.matches("bad argument #1 .*a list of strings expected, got string", problem(exec, "ls"))
      assert.matches("element 1: string expected, got nil", problem(exec, {}))
      assert.matches("element 2: string expected, got boolean", problem(exec, { "ls", true }))
      assert.matches("element 2 contains a zero byte", problem(exec, { "ls", "a\0b" }))
      assert.matches("the program is empty", problem(exec, { "" }))
      assert.matches("bad argument #2 .*table expected", problem(exec, { "ls" }, 1))
      for field, value in pairs {
        stdin = "stdout", stdout = "stdout", stderr = 0.5, cwd = 1, env = 1, uid = -1, gid = "x", detached = 1,
        limit = 0, kill_on_cancel = 1, shell = true,
      } do
        assert.matches("bad argument #2 .*field '" .. field, problem(exec, { "ls" }, { [field] = value }))
      end
      assert.matches("field 'env'", problem(exec, { "ls" }, { env = { "x" } }))
      assert.matches("field 'env'", problem(exec, { "ls" }, { env = { ["a=b"] = "x" } }))
      assert.matches("field 'env' contains a zero", problem(exec, { "ls" }, { env = { a = "x\0" } }))
      for field, value in pairs {
        stdin = "x", cwd = 1, env = { "x" }, uid = -1, limit = 0, kill_on_cancel = 1, nonsense = 1,
      } do
        local options = { [field] = value }
        local here = "^[^:]*process_spec.lua:%d+: bad argument #2 to"
        assert.matches(here, problem(function() exec({ "ls" }, options) end))
        assert.matches(here, problem(function() shell("ls", options) end))
      end
      assert.matches("process_spec.lua:%d+: bad argument", problem(function() exec(7) end))
      assert.matches("process_spec.lua:%d+: bad argument", problem(function() exec { "" } end))
      assert.matches("process_spec.lua:%d+: bad argument", problem(function() shell "\0" end))
      assert.matches("bad argument #1 .*string expected", problem(shell))
      assert.matches("the command contains a zero byte", problem(shell, "a\0b"))
    end)
  end)

  describe("with standard descriptors", function()
    it("of every kind", real(function()
      local path = os.tmpname()
      local file = uv.fs_open(path, "w+", 384)
      local process = await(shell("echo out; echo err >&2", { stdout = file, stderr = "stdout" }))
      assert.equal(0, await(process:wait()))
      assert.equal("out\nerr\n", uv.fs_read(file, 100, 0))
      uv.fs_close(file)
      os.remove(path)
      local _, out, err = run({ "sh", "-c", "echo out; echo err >&2" }, { stdout = "pipe", stderr = "stdout" })
      assert.equal("out\nerr\n", out)
      assert.is_nil(err)
      _, out, err = run({ "sh", "-c", "cat; echo out; echo err >&2" },
        { stdin = "devnull", stdout = "devnull", stderr = "pipe" })
      assert.is_nil(out)
      assert.equal("err\n", err)
      assert.equal(0, await(await(shell("echo gone; echo gone >&2", { stdout = "devnull", stderr = "stdout" })):wait()))
    end))

    it("that are pipes and no sockets", real(function()
      local _, out = run({ "cat", "/dev/stdin" }, { stdin = "pipe", stdout = "pipe" }, "hello")
      assert.equal("hello", out)
    end))

    it("that lead from one to the other", real(function()
      local r, w = neap.pipe()
      local first = await(exec({ "seq", "1000" }, { stdout = w }))
      local last = await(exec({ "wc", "-l" }, { stdin = r, stdout = "pipe" }))
      r:close()
      w:close()
      assert.equal("1000\n", (await(last:communicate())))
      assert.equal(0, await(first:wait()))
    end))

    it("but no stream that somebody reads from, or that is closed", real(function()
      local a, b = neap.socketpair()
      local reader = started(function() return await(a:read(1)) end)
      raises(neap.RuntimeError, exec({ "true" }, { stdin = a }))
      b:write "xyz"
      assert.equal("x", await(reader))
      raises(neap.RuntimeError, exec({ "true" }, { stdin = a })) -- "yz" would be missed
      a:close()
      raises(neap.ConnectionAbortedError, exec({ "true" }, { stdin = a }))
      b:close()
    end))

    it("and signals as a program expects them", real(function()
      assert.equal(-13, await(await(shell "kill -PIPE $$"):wait())) -- which this process ignores
    end))
  end)

  describe("communicate", function()
    it("gives all that was written, while it feeds the input", real(function()
      local input = ("0123456789abcdef"):rep(100000)
      local process, out, err = run({ "sh", "-c", "tee /dev/stderr" },
        { stdin = "pipe", stdout = "pipe", stderr = "pipe" }, input)
      assert.is_true(out == input)
      assert.is_true(err == input)
      assert.equal(0, process.returncode)
    end))

    it("bears a process that does not read", real(function()
      local process, out = run({ "echo", "done" }, { stdin = "pipe", stdout = "pipe" }, ("x"):rep(1000000))
      assert.equal("done\n", out)
      assert.equal(0, process.returncode)
    end))

    it("ends the input also without any", real(function()
      local _, out = run({ "cat" }, { stdin = "pipe", stdout = "pipe" })
      assert.equal("", out)
    end))

    it("needs a pipe for the input", real(function()
      local process = await(exec { "true" })
      assert.is_true(neap.is(loop.failure(process.communicate, process, "x"), neap.ValueError))
      assert.is_falsy(pcall(process.communicate, process, 7))
      assert.is_nil(await(process:communicate()))
    end))

    it("loses no output when it is cancelled, and ends nothing", real(function()
      local process = await(exec({ "cat" }, { stdin = "pipe", stdout = "pipe" }))
      process.stdin:write "some output"
      local task = started(function() return await(process:communicate()) end)
      task:cancel()
      assert.is_true(neap.is(fails(task), neap.CancelledError))
      assert.equal("some output", (await(process:communicate())))
      assert.equal(0, process.returncode)
    end))
  end)

  describe("signals", function()
    it("reach it by number and by name", real(function()
      for _, case in ipairs { { 10, -10 }, { "USR2", -12 }, { "SIGHUP", -1 } } do
        local process = await(exec({ "cat" }, { stdin = "pipe" }))
        process:send_signal(case[1])
        assert.equal(case[2], await(process:wait()))
        process:send_signal(case[1])
        process:terminate()
        process:kill()
        process.stdin:close()
      end
    end))

    it("are terminate and kill", real(function()
      local process = await(exec({ "cat" }, { stdin = "pipe" }))
      process:terminate()
      assert.equal(-15, await(process:wait()))
      process.stdin:close()
      process = await(exec({ "cat" }, { stdin = "pipe" }))
      process:kill()
      assert.equal(-9, await(process:wait()))
      process.stdin:close()
    end))

    it("must exist", real(function()
      local process = await(exec { "true" })
      for _, signal in ipairs { "NOTHING", -1, 1.5, 1000, "", {} } do
        assert.matches("bad argument #1 .*send_signal", tostring(loop.failure(process.send_signal, process, signal)))
      end
      await(process:wait())
      assert.matches("neap.Process expected", tostring(loop.failure(process.kill, {})))
    end))
  end)

  describe("cancellation", function()
    it("kills it only on request", real(function()
      local process = await(exec({ "cat" }, { stdin = "pipe" }))
      local task = started(function() await(process:wait()) end)
      task:cancel()
      fails(task)
      assert.is_nil(process.returncode)
      process.stdin:close()
      assert.equal(0, await(process:wait()))
      for _, method in ipairs { "wait", "communicate" } do
        process = await(exec({ "sleep", "1000" }, { stdout = "pipe", kill_on_cancel = true }))
        task = started(function() await(process[method](process)) end)
        task:cancel()
        assert.is_true(neap.is(fails(task), neap.CancelledError))
        assert.equal(-9, process.returncode)
        process.stdout:close()
      end
    end))

    it("of a <close> scope leaves nothing", real(function()
      local pid
      local task = started(function()
        local process <close> = await(exec({ "sleep", "1000" }, { stdin = "pipe", stdout = "pipe" }))
        pid = process.pid
        await(process.stdout:read(1))
      end)
      repeat turn() until pid
      task:cancel()
      assert.is_true(neap.is(fails(task), neap.CancelledError))
      assert.same({}, children())
    end))
  end)

  it("is ended by <close>", real(function()
    local outer
    do
      local process <close> = await(exec({ "sleep", "1000" }, { stdin = "pipe", stdout = "pipe", stderr = "pipe" }))
      outer = process
    end
    assert.equal(-9, outer.returncode)
    do
      local process <close> = await(exec { "true" })
      outer = process
      await(process:wait())
    end
    assert.equal(0, outer.returncode)
  end))

  it("may be one of many", real(function()
    local slots, failed, most, now = neap.Semaphore(8), 0, 0, 0
    local tasks = {}
    for i = 1, loop.size(200, 40) do
      tasks[i] = neap.create_task(function()
        local held <close> = await(slots:acquire())
        local process = await(exec({ "true" }, { stdin = "pipe", stdout = "pipe", stderr = "stdout" }))
        now = now + 1
        most = math.max(most, now)
        local out = await(process:communicate "x")
        now = now - 1
        if out ~= "" or process.returncode ~= 0 then failed = failed + 1 end
      end)
    end
    await(neap.gather(table.unpack(tasks)))
    assert.equal(0, failed)
    assert.equal(8, most)
  end))

  it("outlives the Lua state, if nobody ends it", function()
    local child = require "spec.support.child"
    local out = child.output [[
      local neap = require "neap"
      local process = neap.await(neap.create_subprocess_exec({ "cat" }, { stdin = "pipe", stdout = "pipe" }))
      neap.create_task(function() neap.await(process:wait()) end)
      neap.await(neap.sleep(0))
      print "ready"
    ]]
    assert.equal("ready\n", out)
  end)
end)
