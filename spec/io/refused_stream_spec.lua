-- SPDX-License-Identifier: MIT
-- What the system refuses to streams, datagram sockets, signals and files in the middle of their work.
local child = require "spec.support.child"
local refuse = dofile "spec/support/refuse.lua"
local it_prints = refuse.it_prints

local connect = [[
local accepted = neap.Future()
local server = await(neap.start_server(function(stream)
  accepted:set_result(stream)
  await(stream:wait_closed())
end, "127.0.0.1", 0))
local a <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
local b <close> = await(accepted)
server:close()
]]

describe("A stream", function()
  it_prints("that cannot be read from is lost", connect .. [[
    local reader = neap.create_task(function() return await(b:read(10)) end)
    await(neap.sleep(0))
    fail "recv:5"
    await(a:write "text")
    print(pcall(await, reader))
    fail()
    print(pcall(await, b:write "text"))]],
    "false\tOSError: read: i/o error (EIO)\nfalse\tOSError: write: i/o error (EIO)\n")

  -- After many bytes came at once the reader's own step reads.
  local bulk = connect .. [[
    await(a:write(("x"):rep(60000)))
    while await(b:read(65536)) ~= ("x"):rep(60000) do error "in pieces" end
    local reader = neap.create_task(function() return await(b:read(65536)) end)
    await(neap.sleep(0))
  ]]
  for _, case in ipairs { { "4:0:1", "true\ttext\n" }, { "11:0:1", "true\ttext\n" },
    { "104", "false\tConnectionResetError: read: connection reset by peer (ECONNRESET)\n" } } do
    it_prints("of much at once goes on or is lost by recv's " .. case[1]:match "%d+", bulk .. ([[
      fail "recv:%s"
      await(a:write "text")
      print(pcall(await, reader))
      fail()]]):format(case[1]), case[2])
  end

  it_prints("writes all though the system takes it piece by piece", connect .. [[
    local reader = neap.create_task(function() return await(b:read "a") end)
    local parts = {}
    for i = 1, 500 do parts[i] = ("%d,"):format(i) end
    fail "send:short sendmsg:short write:short writev:short"
    a:writelines(parts)
    a:write(("x"):rep(100000))
    await(a:write "end")
    a:write_eof()
    local text = await(reader)
    fail()
    print(text == table.concat(parts) .. ("x"):rep(100000) .. "end", #text)]], "true\t101895\n")

  it_prints("that cannot be written to any more can still be read from", connect .. [[
    fail "send:32"
    print(pcall(await, a:write "text"))
    fail()
    print(pcall(await, a:write "text"))
    await(b:write "last words")
    print(await(a:read(10)))]],
    ("false\tBrokenPipeError: write: broken pipe (EPIPE)\n"):rep(2) .. "last words\n")

  it("that is the standard output, a file, goes on after a signal, takes all, and tells of a full disk", function()
    local path = os.tmpname()
    child.output(refuse.prelude .. [[
      local stdout = neap.stdout()
      fail "write:4:0:2"
      await(stdout:write "one ")
      fail "write:short:0:3"
      await(stdout:write "two three ")
      fail "write:28"
      local ok, problem = pcall(await, stdout:write "lost")
      fail()
      neap.stderr():write(tostring(problem))
]] .. refuse.finish, { preload = "fail", first = "exec >" .. path .. ";" })
    local file = io.open(path)
    local text = file:read "a"
    file:close()
    os.remove(path)
    assert.equal("one two three OSError: write: no space left on device (ENOSPC)", text)
  end)
end)

describe("A datagram socket", function()
  it_prints("that cannot be opened leaves nothing behind", [[
    local function open()
      local socket = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 }, recv_buffer_size = 65536,
        send_buffer_size = 65536, broadcast = true, ttl = 9, reuse_port = true })
      socket:close()
      await(socket:wait_closed())
    end
    refused_clean("socket:24", open)
    for after = 0, 4 do refused_clean("setsockopt:12:" .. after, open) end
    refused_clean("bind:98", open)]], "EMFILE\nENOMEM\nENOMEM\nENOMEM\nENOMEM\nENOTSUP\nEADDRINUSE\n")

  it_prints("goes on after a signal, and after an error that it tells once", [[
    local a <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
    local b <close> = await(neap.open_datagram { remote_addr = { "127.0.0.1", a:getsockname().port } })
    for _, what in ipairs { "4:0:1", "11:0:1", "12:0:1" } do
      local task = neap.create_task(function() return await(a:recv()) end)
      await(neap.sleep(0))
      fail("recvmmsg:" .. what)
      await(b:send(what))
      local ok, data = pcall(await, task)
      fail()
      print(ok, ok and data or data.code)
    end
    print((await(a:recv())))]], "true\t4:0:1\ntrue\t11:0:1\nfalse\tENOMEM\n12:0:1\n")

  it_prints("sends later what the system does not take at once", [[
    local a <close> = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
    local b = await(neap.open_datagram { local_addr = { "127.0.0.1", 0 } })
    local port = a:getsockname().port
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      fail "sendmsg:11:0:1"
      await(b:send("to " .. host, host, port))
      fail()
      print((await(a:recv())))
    end
    fail "sendmsg:1"
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      local ok, problem = pcall(await, b:send("lost", host, port))
      print(problem.code)
    end
    fail()
    print(b:dropped())
    fail "sendmsg:11"
    local last = b:send("last", "127.0.0.1", port)
    b:close()
    fail()
    await(b:wait_closed())
    await(last)
    print((await(a:recv())))]], "to 127.0.0.1\nto localhost\nEPERM\nEPERM\n0\t2\nlast\n")
end)

describe("A signal", function()
  it_prints("that cannot be listened to is not, nor the others with it", [[
    local signal = require "luv".constants.SIGUSR1
    local function caught()
      local file <close> = io.open "/proc/self/status"
      return file:read("a"):match "SigCgt:%s*(%x+)"
    end
    local function listen()
      for name in neap.signals("SIGUSR1", "SIGUSR2") do return name end
    end
    local before = caught()
    refused("sigaction:22:1", neap.add_signal_handler, "SIGUSR1", print)
    refused("sigaction:22:2", listen)
    refused("sigaction:22:5:2", listen) -- of the second
    print(caught() == before)
    neap.call_soon(uv.kill, uv.os_getpid(), signal)
    print(listen())
    print(caught() == before)]], "EINVAL\nEINVAL\nEINVAL\ntrue\nSIGUSR1\ntrue\n")
end)

describe("A whole file", function()
  it_prints("is read though signals come, and tells which step failed", [[
    local path = os.tmpname()
    local file <close> = io.open(path, "w")
    file:write(("text"):rep(5000)):flush()
    for _, what in ipairs { "open:4:0:1", "read:4:0:1" } do
      fail(what)
      print(#await(neap.fs.read_file(path)))
      fail()
    end
    for _, what in ipairs { "open:24:0:1", "fstat:5:0:1", "read:5:0:1" } do
      fail(what)
      local ok, problem = pcall(await, neap.fs.read_file(path))
      fail()
      print(problem.code, problem.message:match "^[%w_]+")
    end
    os.remove(path)]], "20000\n20000\nEMFILE\tfs_open\nEIO\tfs_fstat\nEIO\tfs_read\n")
end)
