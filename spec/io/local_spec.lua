-- SPDX-License-Identifier: MIT
local neap = require "neap"
local uv = require "luv"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local raises, turn = pair.raises, pair.turn

local function real(fn)
  return function() loop.run(fn, { clock = "real" }) end
end

local function echo(stream)
  for line in stream:lines "L" do await(stream:write(line)) end
end

local function exists(path) return uv.fs_lstat(path) ~= nil end

-- A path where nothing is.
local function free_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

local function call(path, line)
  local stream <close> = await(neap.open_unix_connection(path))
  await(stream:write(line, "\n"))
  return await(stream:read "l")
end

describe("A Unix server", function()
  it("serves on a path", real(function()
    local path = free_path()
    local server <close> = await(neap.start_unix_server(echo, path))
    assert.equal(path, server:getsockname())
    assert.equal("neap.Server (listening on " .. path .. ")", tostring(server))
    assert.equal("hello", call(path, "hello"))
    server:close()
    assert.is_nil(server:getsockname())
    assert.is_false(exists(path))
    raises(neap.OSError, neap.open_unix_connection(path), "ENOENT")
    await(server:wait_closed())
  end))

  it("serves on an abstract name", real(function()
    local name = "\0neap.spec." .. math.tointeger(uv.os_getpid())
    do
      local server <close> = await(neap.start_unix_server(echo, name))
      assert.equal(name, server:getsockname())
      assert.matches("listening on @neap.spec", tostring(server))
      assert.equal("hello", call(name, "hello"))
      raises(neap.OSError, neap.start_unix_server(echo, name), "EADDRINUSE")
    end
    turn()
    raises(neap.ConnectionRefusedError, neap.open_unix_connection(name))
  end))

  it("takes the place of a socket file that is there", real(function()
    local path = free_path()
    local old = await(neap.start_unix_server(echo, path, { cleanup_socket = false }))
    old:close()
    assert.is_true(exists(path))
    raises(neap.ConnectionRefusedError, neap.open_unix_connection(path), "ECONNREFUSED")
    local held <close> = await(neap.start_unix_server(echo, path))
    assert.equal("hello", call(path, "hello"))
  end))

  it("leaves other files alone", real(function()
    local path = os.tmpname()
    local err = raises(neap.OSError, neap.start_unix_server(echo, path), "EADDRINUSE")
    assert.matches("listen on " .. path, err.message, 1, true)
    assert.is_true(exists(path))
    os.remove(path)
  end))

  it("removes only its own file when it is closed", real(function()
    local path = free_path()
    local first <close> = await(neap.start_unix_server(echo, path))
    local second <close> = await(neap.start_unix_server(echo, path))
    first:close()
    assert.is_true(exists(path))
    assert.equal("hello", call(path, "hello"))
    second:close()
    assert.is_false(exists(path))
  end))

  it("tells who connects", real(function()
    local path = free_path()
    local seen = neap.Future()
    local held <close> = await(neap.start_unix_server(function(stream)
      seen:set_result(stream:get_extra_info "peercred", stream:get_extra_info "sockname",
        stream:get_extra_info "peername", tostring(stream))
    end, path))
    local stream <close> = await(neap.open_unix_connection(path))
    local who, own, peer, text = await(seen)
    assert.equal(math.tointeger(uv.os_getpid()), who.pid)
    assert.equal(math.tointeger(uv.getuid()), who.uid)
    assert.equal(math.tointeger(uv.getgid()), who.gid)
    assert.equal(path, own)
    assert.equal("", peer)
    assert.equal("neap.Stream (open, " .. path .. ")", text)
    assert.equal(path, stream:get_extra_info "peername")
    assert.equal("", stream:get_extra_info "sockname")
    stream:close()
    await(stream:wait_closed())
    assert.equal(path, stream:get_extra_info "peername")
    assert.is_nil(stream:get_extra_info "peercred")
  end))

  it("names the directory that is not there", real(function()
    local err = raises(neap.OSError, neap.start_unix_server(echo, "/nonexistent/socket"), "ENOENT")
    assert.matches("listen on /nonexistent/socket", err.message, 1, true)
  end))

  it("is reported with its handlers' errors as any server", function()
    local reports = loop.run_reports(function()
      local path = free_path()
      local held <close> = await(neap.start_unix_server(function() error "broken" end, path))
      local stream <close> = await(neap.open_unix_connection(path))
      pcall(await, stream:read "a")
    end, { clock = "real" })
    assert.equal(1, #reports)
    assert.matches("broken", tostring(reports[1].exception))
  end)
end)

describe("Connecting to a Unix socket", function()
  it("waits while the queue of the server is full", real(function()
    local path = free_path()
    local listener = uv.new_pipe(false)
    assert(listener:bind(path))
    listener:listen(1, function()
      local client = uv.new_pipe(false)
      listener:accept(client)
      client:close()
    end)
    -- nothing is accepted while this task does not await
    local tasks = {}
    for i = 1, 8 do
      tasks[i] = neap.create_task(function()
        local stream <close> = await(neap.open_unix_connection(path))
        return await(stream:read "a")
      end)
    end
    for i = 1, 8 do assert.equal("", await(tasks[i])) end
    listener:close()
    os.remove(path)
  end))

  it("can be cancelled while it waits", real(function()
    local path = free_path()
    local listener = uv.new_pipe(false)
    assert(listener:bind(path))
    listener:listen(0, function() end) -- libuv accepts one and holds it
    local streams = {}
    local waiting
    repeat
      waiting = neap.create_task(function() return await(neap.open_unix_connection(path)) end)
      turn()
      if waiting:done() then streams[#streams + 1] = await(waiting) end
    until not waiting:done()
    waiting:cancel()
    assert.is_true(neap.is(pair.fails(waiting), neap.CancelledError))
    for _, stream in ipairs(streams) do stream:close() end
    listener:close()
    os.remove(path)
  end))

  it("checks its path at once", function()
    local function problem(...) return select(2, pcall(neap.open_unix_connection, ...)) end
    assert.matches("bad argument #1 .*path, a string, expected, got nil", tostring(problem()))
    assert.matches("bad argument #1 .*path, a string, expected, got number", tostring(problem(7)))
    assert.matches("the path is empty", tostring(problem ""))
    assert.matches("the path contains a zero byte", tostring(problem "a\0b"))
    assert.matches("the abstract name is empty", tostring(problem "\0"))
    assert.matches("the path is too long: 108 bytes, at most 107", tostring(problem(("x"):rep(108))))
    assert.matches("the path is too long: 109 bytes, at most 108", tostring(problem("\0" .. ("x"):rep(108))))
    assert.matches("bad argument #2", tostring(problem("/x", 1)))
    assert.matches("field 'limit'", tostring(problem("/x", { limit = 0 })))
    local function listen(...) return tostring(select(2, pcall(neap.start_unix_server, ...))) end
    assert.matches("bad argument #1 .*function expected", listen(nil, "/x"))
    assert.matches("bad argument #2 .*too long", listen(echo, ("x"):rep(108)))
    assert.matches("bad argument #3", listen(echo, "/x", 1))
    assert.matches("field 'cleanup_socket'", listen(echo, "/x", { cleanup_socket = 1 }))
    assert.matches("field 'backlog'", listen(echo, "/x", { backlog = 0 }))
  end)

  it("works with the longest path", real(function()
    local path = free_path()
    path = path .. ("x"):rep(107 - #path)
    local server <close> = await(neap.start_unix_server(echo, path))
    assert.equal(path, server:getsockname())
    assert.equal("hello", call(path, "hello"))
  end))
end)
