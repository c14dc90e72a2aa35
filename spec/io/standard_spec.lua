-- SPDX-License-Identifier: MIT
local neap = require "neap"
local probe = require "spec.probe"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local raises = pair.raises

local prelude = [[
local neap = require "neap"
local probe = require "spec.probe"
local await = neap.await
assert(probe)
]]

local function write_file(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- out = run(source, format): what a shell command prints, in which %s is the script's command
local function run(source, format)
  local script = write_file(prelude .. source)
  local pipe = assert(io.popen(format:format("lua5.4 " .. script) .. " 2>&1"))
  local out = pipe:read "a"
  pipe:close()
  os.remove(script)
  return out
end

local count = [[
neap.run(function()
  local stdin, lines, bytes = neap.stdin(), 0, 0
  for line in stdin:lines "L" do lines, bytes = lines + 1, bytes + #line end
  print(lines, bytes, stdin:at_eof())
end)
]]

local function real(fn)
  return function() loop.run(fn, { clock = "real" }) end
end

describe("stdin", function()
  it("reads a pipe", function()
    assert.equal("100000\t588895\ttrue\n", run(count, "seq 100000 | %s"))
  end)

  it("reads a file", function()
    local path = write_file(("word\n"):rep(50000))
    assert.equal("50000\t250000\ttrue\n", run(count, "%s < " .. path))
    os.remove(path)
  end)

  it("reads from where a file stands, and what is left stays", function()
    local path = write_file "one\ntwo\nthree\n"
    assert.equal("one\n2\t10\ttrue\n", run(count, "{ read line; echo $line; %s; } < " .. path))
    os.remove(path)
  end)

  it("is at its end when it is /dev/null", function()
    assert.equal("0\t0\ttrue\n", run(count, "%s < /dev/null"))
  end)

  it("takes nothing before it is asked", function()
    local out = run([[
      neap.stdin()
      neap.run(function() await(neap.sleep(0.01)) end)
    ]], "echo line | { %s; cat; }")
    assert.equal("line\n", out)
  end)

  it("is one stream while it is open, and leaves the descriptor as it was", function()
    local out = run([[
      local stdin = neap.stdin()
      print(stdin == neap.stdin(), stdin:get_extra_info "fd" > 2, probe.is_blocking(0))
      print(await(stdin:read "l"))
      stdin:close()
      await(stdin:wait_closed())
      print(stdin == neap.stdin(), probe.is_blocking(0))
    ]], "{ echo one; echo two; } | %s")
    assert.equal("true\ttrue\ttrue\none\nfalse\ttrue\n", out)
  end)

  it("must be open for reading", function()
    assert.matches("^EBADF", run("print(select(2, pcall(neap.stdin)).code)", "%s 0> /dev/null"))
  end)
end)

describe("stdout", function()
  local hello = [[
    neap.run(function()
      print "printed"
      io.stdout:flush()
      local stdout = neap.stdout()
      await(stdout:write(("x"):rep(200000), "\n"))
      await(stdout:drain())
      stdout:close()
      await(stdout:wait_closed())
      print("printed", probe.is_blocking(1))
    end)
  ]]
  local expected = "printed\n" .. ("x"):rep(200000) .. "\nprinted\ttrue\n"

  it("writes to a pipe", function() assert.is_true(run(hello, "%s | cat") == expected) end)

  it("writes to a file, from where it stands", function()
    local path = os.tmpname()
    assert.equal("", run(hello, "{ echo first; %s; echo last; } > " .. path))
    assert.is_true(read_file(path) == "first\n" .. expected .. "last\n")
    assert.equal("", run(hello, "%s >> " .. path))
    assert.is_true(read_file(path) == "first\n" .. expected .. "last\n" .. expected)
    os.remove(path)
  end)

  it("writes to /dev/null", function() assert.equal("", run(hello, "%s > /dev/null")) end)

  it("keeps the order of what is printed and what is written to a file", function()
    local path = os.tmpname()
    run([[
      local stdout = neap.stdout()
      for i = 1, 3 do
        print("printed", i)
        io.stdout:flush()
        stdout:write("written\t", i, "\n")
      end
    ]], "%s > " .. path)
    assert.equal("printed\t1\nwritten\t1\nprinted\t2\nwritten\t2\nprinted\t3\nwritten\t3\n", read_file(path))
    os.remove(path)
  end)

  it("has all that was written when the script is over", function()
    local out = run([[
      local stdout = neap.stdout()
      stdout:write(("x"):rep(300000))
      stdout:write(("y"):rep(300000))
      stdout:write "z"
    ]], "%s | { head -c 1000; read line; echo; echo $line | tail -c 2; echo ${#line}; }")
    assert.equal(("x"):rep(1000) .. "\nz\n599001\n", out)
    out = run([[
      neap.run(function()
        local stdout <close> = neap.stdout()
        stdout:write(("x"):rep(300000))
      end)
    ]], "%s | wc -c")
    assert.equal(300000, tonumber(out))
  end)

  it("need not be closed", function()
    assert.equal("text\n", run([[
      neap.run(function() neap.stdin() await(neap.stdout():write "text\n") end, { debug = true })
    ]], "%s | cat"))
  end)

  it("fails when nobody reads it any more", function()
    local out = run([[
      local stdout, err = neap.stdout(), nil
      repeat
        local ok
        ok, err = pcall(await, stdout:write(("x"):rep(100000)))
      until not ok
      io.stderr:write(tostring(err), "\n")
    ]], "{ %s 2>&3 | head -c 10 > /dev/null; } 3>&1")
    assert.matches("BrokenPipeError", out)
  end)

  it("tells of a full device", function()
    local out = run([[
      local stderr = neap.stdout()
      stderr:write "x"
      local ok, err = pcall(await, stderr:wait_closed())
      io.stderr:write(tostring(ok), " ", err.code, "\n")
    ]], "{ %s 2>&3 > /dev/full; } 3>&1")
    assert.equal("false ENOSPC\n", out)
  end)
end)

describe("stderr", function()
  it("is written to", function()
    assert.equal("error\n", run([[await(neap.stderr():write "error\n")]], "{ %s 2>&3 > /dev/null; } 3>&1"))
  end)
end)

describe("open_fd", function()
  local uv = require "luv"

  it("makes a stream that is lost when its file cannot be read", real(function()
    local stream <close> = neap.open_fd(assert(uv.fs_open("/proc/self/mem", "r", 0))) -- nothing is at 0
    raises(neap.OSError, stream:read(10), "EIO")
    raises(neap.OSError, stream:read "a", "EIO")
  end))

  it("takes what it is given", real(function()
    local path = os.tmpname()
    local file = assert(uv.fs_open(path, "w+", 384))
    local stream <close> = neap.open_fd(file)
    assert.equal("neap.Stream (open, file)", tostring(stream))
    assert.equal(file, stream:get_extra_info "fd")
    await(stream:write(("line\n"):rep(100000)))
    await(stream:drain())
    stream:close()
    await(stream:wait_closed())
    assert.is_nil(uv.fs_fstat(file))
    local reader <close> = neap.open_fd(assert(uv.fs_open(path, "r", 0)))
    local n = 0
    for line in reader:lines() do n = n + #line end
    assert.equal(400000, n)
    assert.is_nil(await(reader:read(1)))
    os.remove(path)
  end))

  it("can leave out a direction", real(function()
    local reader <close> = neap.open_fd(uv.fs_open("/dev/null", "r+", 0), { writable = false })
    assert.is_true(neap.is(loop.failure(reader.write, reader, "x"), neap.RuntimeError))
    assert.is_nil(await(reader:read(1)))
  end))

  it("loses no byte of a file when a read is cancelled", real(function()
    local path = write_file(("0123456789"):rep(100000))
    local stream <close> = neap.open_fd(uv.fs_open(path, "r", 0))
    for _ = 1, 5 do
      local task = pair.started(function() return await(stream:read "a") end)
      task:cancel()
      pcall(await, task)
    end
    assert.equal(1000000, #await(stream:read "a"))
    os.remove(path)
  end))

  it("closes a file while it is read and written", real(function()
    local before = loop.descriptors()
    local path = write_file "0123456789"
    for _, how in ipairs { "close", "abort" } do
      local fd = uv.fs_open(path, "r+", 0)
      assert(uv.fs_ftruncate(fd, 1 << 30)) -- a hole, which takes longer to read than the turns below
      local stream = neap.open_fd(fd)
      local reader = pair.started(function() return await(stream:readexactly(1 << 30)) end)
      local writer = pair.started(function() while true do await(stream:write(("x"):rep(1 << 20))) end end)
      stream[how](stream)
      raises(neap.ConnectionAbortedError, reader)
      raises(neap.ConnectionAbortedError, writer)
      await(stream:wait_closed())
    end
    assert.is_true(loop.closed(before))
    os.remove(path)
  end))

  it("may be read and written when the Lua state closes", function()
    local out = run([[
      local uv = require "luv"
      local zero = neap.open_fd(uv.fs_open("/dev/zero", "r", 0))
      local null = neap.open_fd(uv.fs_open("/dev/null", "w", 0))
      neap.create_task(function() await(zero:readexactly(1 << 40)) end)
      neap.create_task(function() while true do await(null:write(("x"):rep(100000))) end end)
      neap.create_task(function() await(null:wait_closed()) end)
      local r, w = neap.pipe()
      neap.create_task(function() await(r:read(1)) end)
      neap.create_task(function() while true do await(w:write(("x"):rep(100000))) end end)
      await(neap.sleep(0.005))
      print "open"
    ]], "%s")
    assert.equal("open\n", out)
  end)

  it("has no end to send when it is a file of both directions", real(function()
    local path = os.tmpname()
    local stream = neap.open_fd(uv.fs_open(path, "r+", 0))
    assert.is_false(stream:can_write_eof())
    local _, err = pcall(stream.write_eof, stream)
    assert.matches("a pipe or file of both directions, has no end", tostring(err))
    stream:close()
    await(stream:wait_closed())
    os.remove(path)
  end))

  it("refuses what is no stream", real(function()
    local function code(fd, options) return select(2, pcall(neap.open_fd, fd, options)).code end
    assert.equal("EBADF", code(99999))
    local directory = uv.fs_open("/tmp", "r", 0)
    assert.equal("EISDIR", code(directory))
    uv.fs_close(directory)
    local udp = uv.new_udp()
    udp:bind("127.0.0.1", 0)
    assert.equal("EPROTOTYPE", code(udp:fileno()))
    udp:close()
    local a, b = neap.socketpair()
    local fd = a:get_extra_info "fd"
    assert.equal("EEXIST", code(fd))
    local function problem(...) return tostring(select(2, pcall(neap.open_fd, ...))) end
    assert.matches("bad argument #1 .*descriptor", problem())
    assert.matches("bad argument #1 .*descriptor", problem "0")
    assert.matches("bad argument #1 .*descriptor", problem(0.5))
    assert.matches("bad argument #1 .*descriptor", problem(-1))
    assert.matches("bad argument #2", problem(fd, 1))
    assert.matches("neither read from nor written to", problem(fd, { readable = false, writable = false }))
    a:close()
    b:close()
  end))
end)

describe("A terminal", function()
  local function with_pty(fn)
    return real(function()
      local ok, m, s = pcall(probe.openpty)
      if not ok then return pending "there is none here" end
      local master <close> = neap.open_fd(m)
      local slave <close> = neap.open_fd(s)
      fn(master, slave)
    end)
  end

  it("tells its size", with_pty(function(master, slave)
    assert.is_true(slave:isatty())
    assert.equal("neap.Stream (open, terminal)", tostring(slave))
    assert.same({ 80, 24 }, { slave:get_winsize() })
    assert.same({ 80, 24 }, { master:get_winsize() })
  end))

  it("edits lines and echoes, unless told otherwise", with_pty(function(master, slave)
    master:write "hello\r"
    assert.equal("hello\n", await(slave:readline()))
    assert.equal("hello\r\n", await(master:readline())) -- the echo
    slave:set_tty_mode "cbreak"
    master:write "x"
    assert.equal("x", await(slave:read(10)))
    slave:set_tty_mode "raw"
    master:write "\3\r"
    assert.equal("\3\r", await(slave:readexactly(2)))
    slave:set_tty_mode "normal"
    master:write "again\r"
    assert.equal("again\r\n", await(master:readline())) -- what was typed meanwhile was not echoed
  end))

  it("is restored when the stream is closed", function()
    loop.run(function()
      local m, s = probe.openpty()
      local master <close> = neap.open_fd(m)
      local slave = neap.open_fd(s)
      local path = probe.fd_path(s)
      slave:set_tty_mode "raw"
      local again = require "luv".fs_open(path, "r+", 0)
      slave:close()
      await(slave:wait_closed())
      local other <close> = neap.open_fd(again)
      master:write "line\r"
      assert.equal("line\n", await(other:readline()))
    end, { clock = "real" })
  end)

  it("is restored when the process exits", function()
    local m, s = probe.openpty()
    local path = probe.fd_path(s)
    local function mode() return run("os.execute 'stty -a | grep -o .icanon'", "%s < " .. path):match "%S+" end
    assert.equal("icanon", mode())
    local out = run([[
      neap.stdin():set_tty_mode "raw"
      os.execute "stty -a | grep -o .icanon"
      os.exit(0)
    ]], "%s < " .. path)
    assert.equal("-icanon", out:match "%S+")
    assert.equal("icanon", mode())
    require "luv".fs_close(m)
    require "luv".fs_close(s)
  end)

  it("is what nothing else is", real(function()
    local a, b = neap.socketpair()
    assert.is_false(a:isatty())
    assert.equal("ENOTTY", loop.failure(a.get_winsize, a).code)
    assert.equal("ENOTTY", loop.failure(a.set_tty_mode, a, "raw").code)
    a:close()
    b:close()
    local m, s = probe.openpty()
    local master <close>, slave = neap.open_fd(m), neap.open_fd(s)
    assert.is_falsy(pcall(slave.set_tty_mode, slave, "cooked"))
    slave:close()
    assert.is_true(neap.is(loop.failure(slave.get_winsize, slave), neap.ConnectionAbortedError))
    assert.is_truthy(master)
  end))
end)
