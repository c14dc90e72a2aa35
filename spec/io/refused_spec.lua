-- SPDX-License-Identifier: MIT
-- What the system refuses to descriptors, terminals, processes and servers: the error comes to the caller, nothing is
-- left open, and the same works afterwards.
local refuse = dofile "spec/support/refuse.lua"
local it_prints = refuse.it_prints

describe("A descriptor", function()
  it_prints("that the system does not tell of becomes no stream, and stays open", [[
    local r, w = probe.pipe()
    local pair = uv.socketpair()
    for _, case in ipairs { { r, "fcntl:5" }, { r, "fstat:5" }, { r, "ioctl:5" }, { pair[1], "getsockopt:105" },
      { pair[1], "getsockname:105" } } do
      refused(case[2], neap.open_fd, case[1])
    end
    local stream, other = neap.open_fd(r), neap.open_fd(pair[1])
    print(tostring(stream):match "open", tostring(other):match "open")
    probe.write(w, "x")
    print(await(stream:read(1)))]], "EIO\nEIO\nEIO\nENOBUFS\nENOBUFS\nopen\topen\nx\n")

  it_prints("of a pair is closed when the other becomes no stream", [[
    local function close(a, b)
      a:close()
      b:close()
      await(a:wait_closed())
      await(b:wait_closed())
    end
    local function pipe() close(neap.pipe()) end
    local function socketpair() close(neap.socketpair()) end
    refused_clean("pipe2:24", pipe)
    refused_clean("socketpair:24", socketpair)
    for after = 0, 1 do
      refused_clean("ioctl:5:" .. after, pipe)
      refused_clean("ioctl:5:" .. after, socketpair)
    end]], "EMFILE\nEMFILE\nEIO\nEIO\nEIO\nEIO\n")

  it_prints("that cannot be watched is not waited for", [[
    local r, w = probe.pipe()
    refused("epoll_ctl:28", function() await(neap.wait_fd(r, "r")) end)
    probe.write(w, "x")
    print(await(neap.wait_fd(r, "r")))]], "ENOSPC\nr\n")

  it_prints("of the program's own is opened again, or shared, or not at all", [[
    refused("fcntl:5", neap.stdin)
    refused("fcntl:5:1", neap.stdin)
    refused("open:13 fcntl:24:2", neap.stdout)
    fail "open:13"
    local stdout = neap.stdout()
    fail()
    await(stdout:write "shared\n")]], "EIO\nEIO\nEMFILE\nshared\n")
end)

describe("A terminal", function()
  it_prints("that does not answer raises, and can be set afterwards", [[
    local master, slave = probe.openpty()
    local terminal <close> = neap.open_fd(slave)
    refused("ioctl:5", terminal.get_winsize, terminal)
    refused("tcgetattr:5", terminal.set_tty_mode, terminal, "raw")
    refused("tcsetattr:5", terminal.set_tty_mode, terminal, "raw")
    print(terminal:get_winsize())
    local function echo()
      local pipe <close> = io.popen("stty -a < " .. probe.fd_path(slave))
      return pipe:read("a"):match "%-?echo%f[%s]"
    end
    print(echo())
    terminal:set_tty_mode "raw"
    print(echo())
    terminal:set_tty_mode "normal"
    print(echo())]], "EIO\nEIO\nEIO\n80\t24\necho\n-echo\necho\n")

  it_prints("is set though a signal comes meanwhile", [[
    local master, slave = probe.openpty()
    local terminal <close> = neap.open_fd(slave)
    fail "tcsetattr:4:0:2"
    terminal:set_tty_mode "cbreak"
    fail()
    local pipe <close> = io.popen("stty -a < " .. probe.fd_path(slave))
    print(pipe:read("a"):match "%-icanon")]], "-icanon\n")
end)

describe("A process", function()
  it_prints("that cannot be started leaves nothing behind", [[
    local function run()
      local options = { stdin = "pipe", stdout = "pipe", stderr = "pipe" }
      local process = await(neap.create_subprocess_exec({ "cat" }, options))
      assert(await(process:communicate "text") == "text")
    end
    for after = 0, 2 do refused_clean("pipe2:24:" .. after, run) end -- ours
    refused_clean("pipe2:24:3", run) -- libuv's own
    for after = 0, 2 do refused_clean("ioctl:5:" .. after, run) end
    refused_clean("fork:11", run)]], ("EMFILE\n"):rep(4) .. ("EIO\n"):rep(3) .. "EAGAIN\n")

  it_prints("of somebody else gets no signal", [[
    local process = await(neap.create_subprocess_exec({ "cat" }, { stdin = "pipe" }))
    refused("kill:1", process.send_signal, process, "SIGTERM")
    print(process.returncode)
    fail "kill:3" -- it has ended, and nobody knows yet
    process:kill()
    fail()
    process:terminate()
    print(await(process:wait()))]], "EPERM\nnil\n-15\n")
end)

describe("A server", function()
  it_prints("that cannot listen leaves nothing open", [[
    local function serve() await(neap.start_server(print, "127.0.0.1", 0, { reuse_port = true })):shutdown() end
    for _, what in ipairs { "socket:24", "setsockopt:12", "setsockopt:92:1", "bind:13", "listen:98", "getsockname:105",
      "epoll_ctl:28" } do
      refused_clean(what, serve)
    end]], "EMFILE\nENOMEM\nENOPROTOOPT\nEACCES\nEADDRINUSE\nENOBUFS\nENOSPC\n")

  it_prints("that cannot listen on a path leaves no file", [[
    local path = os.tmpname()
    os.remove(path)
    local function serve()
      local ok, server = pcall(await, neap.start_unix_server(print, path))
      if ok then await(server:shutdown()) end
      if uv.fs_stat(path) then print "there is a file" end
      if not ok then error(server, 0) end
    end
    for _, what in ipairs { "socket:24", "bind:13", "listen:98", "epoll_ctl:28" } do
      refused_clean(what, serve)
    end]], "EMFILE\nEACCES\nEADDRINUSE\nENOSPC\n")

  it_prints("takes IPv4 where there is no IPv6", [[
    for _, what in ipairs { "socket:97:0:1", "bind:99:0:1", "bind:22:0:1" } do
      fail(what)
      local server <close> = await(neap.start_server(print, nil, 0))
      fail()
      print(#server:sockets(), server:getsockname().ip)
    end
    for _, what in ipairs { "socket:97", "bind:99", "bind:13" } do
      refused_clean(what, function() await(neap.start_server(print, nil, 0)):close() end)
    end]], ("1\t0.0.0.0\n"):rep(3) .. "EAFNOSUPPORT\nEADDRNOTAVAIL\nEACCES\n")

  it_prints("listens on what addresses there are", [[
    local function serve(hosts)
      local server <close> = await(neap.start_server(print, hosts, 0))
      print(#server:sockets())
    end
    fail "bind:99:1:1"
    serve { "127.0.0.1", "::1" }
    fail()
    refused("bind:99", serve, { "::1" })
    refused("bind:99:1", serve, { "127.0.0.1", "127.0.0.2" })]], "1\nEADDRNOTAVAIL\nEADDRNOTAVAIL\n")

  it_prints("leaves an inherited socket open when it cannot listen", [[
    local tcp = uv.new_tcp()
    assert(tcp:bind("127.0.0.1", 0))
    local fd = tcp:fileno()
    for _, what in ipairs { "getsockopt:105", "getsockname:105", "listen:98", "epoll_ctl:28" } do
      refused(what, function() await(neap.start_server(print, { fd = fd })) end)
    end
    print(tcp:getsockname().ip)
    tcp:close()]], "ENOBUFS\nENOBUFS\nEADDRINUSE\nENOSPC\n127.0.0.1\n")

  it_prints("closes a connection that becomes no stream, and tells it", [[
    neap.set_exception_handler(function(context) print(context.message, context.exception.code) end)
    local server = await(neap.start_server(function() end, "127.0.0.1", 0))
    await(neap.open_connection("127.0.0.1", server:getsockname().port)):abort() -- libuv keeps a descriptor
    while server:connections() > 0 do await(neap.sleep(0)) end
    local before = descriptors()
    fail "ioctl:5"
    local client <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
    print(await(client:read "a"))
    print(server:accept_errors(), server:connections())
    client:abort()
    print(descriptors() - before)
    await(server:shutdown())]], "a server cannot accept connections; it tries again in a second\tEIO\n\n1\t0\n0\n")
end)

describe("Connecting", function()
  it_prints("without descriptors leaves nothing behind", [[
    local path = os.tmpname()
    os.remove(path)
    local server = await(neap.start_server(function() end, "127.0.0.1", 0))
    local unix_server = await(neap.start_unix_server(function() end, path))
    local port = server:getsockname().port
    local function close(stream)
      stream:abort()
      await(stream:wait_closed())
    end
    refused_clean("socket:24", function() close(await(neap.open_connection("127.0.0.1", port))) end)
    refused_clean("socket:24", function() close(await(neap.open_unix_connection(path))) end)
    refused("bind:98", function()
      await(neap.open_connection("127.0.0.1", port, { local_addr = { "127.0.0.1", 0 } }))
    end)
    server:abort_clients()
    unix_server:abort_clients()
    server:close()
    unix_server:close()]], "EMFILE\nEMFILE\nEADDRINUSE\n")
end)
