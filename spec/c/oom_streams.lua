-- luacheck: ignore 211
-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua for streams of every kind and for processes.
local M = {}

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

-- body(neap, await) in the loop
local function in_loop(body)
  return function()
    local neap = require "neap"
    neap.run(function() body(neap, neap.await) end)
  end
end

local path = os.tmpname()
os.remove(path)

local function local_sockets(neap, await)
  for _, name in ipairs { path, "\0" .. path } do
    local server <close> = await(neap.start_unix_server(function(stream)
      for line in stream:lines() do await(stream:write(line:upper(), "\n")) end
    end, name))
    same(server:getsockname(), name)
    same(#tostring(server) > 0, true)
    local stream <close> = await(neap.open_unix_connection(name))
    await(stream:write "one\n")
    same(await(neap.wait_for(stream:read "l", 5)), "ONE")
    same(stream:get_extra_info "peername" or name, name) -- without memory there is none
    same(stream:get_extra_info("peercred").pid > 0, true)
    stream:write_eof()
    same(await(neap.wait_for(stream:read "a", 5)), "")
  end
  local ok, err = pcall(await, neap.open_unix_connection "/nonexistent")
  same(ok, false)
  if err.code ~= "ENOENT" then error(err, 0) end
end

local function pipes(neap, await)
  local r, w = neap.pipe()
  local reader <close> = r
  local writer <close> = w
  local chunk = ("x"):rep(100000)
  local text = neap.create_task(r:read "a")
  await(w:write(chunk))
  w:write_eof()
  same(#await(neap.wait_for(text, 5)), 100000)
  local a, b = neap.socketpair { limit = 100 }
  local one <close> = a
  local other <close> = b
  a:write "hello\n"
  same(await(neap.wait_for(b:readline(), 5)), "hello\n")
  a:close()
  same(await(neap.wait_for(b:read(1), 5)), nil)
end

local uv = require "luv"

-- luv has words of its own for want of memory.
local function open(...)
  local ok, fd = pcall(uv.fs_open, ...)
  return ok and assert(fd) or error("not enough memory", 0)
end

local function files(neap, await)
  local name = os.tmpname()
  local ok, err = pcall(function()
    local writer <close> = neap.open_fd(open(name, "w", 384))
    await(writer:write(("line\n"):rep(20000)))
    writer:write_eof()
    await(neap.wait_for(writer:wait_closed(), 5))
    local reader <close> = neap.open_fd(open(name, "r", 0))
    local n = 0
    for line in reader:lines() do n = n + #line end
    same(n, 80000)
  end)
  os.remove(name)
  if not ok then error(err, 0) end
end

local function processes(neap, await)
  local process <close> = await(neap.create_subprocess_exec({ "sh", "-c", "cat; echo err >&2; exit 3" }, {
    stdin = "pipe", stdout = "pipe", stderr = "pipe", env = { A = "b" },
  }))
  local out, err = await(neap.wait_for(process:communicate "text", 5))
  same(out, "text")
  same(err, "err\n")
  same(await(process:wait()), 3)
  local scoped <close> = await(neap.create_subprocess_shell("exec cat", { stdin = "pipe", kill_on_cancel = true }))
  local waiting = neap.create_task(scoped:wait())
  await(neap.sleep(0))
  waiting:cancel()
  local gone, why = pcall(await, waiting)
  same(gone, false)
  if not neap.is(why, neap.CancelledError) then error(why, 0) end
  same(scoped.returncode, -9)
  local ok, problem = pcall(await, neap.create_subprocess_exec({ "/nonexistent" }, { stdout = "pipe" }))
  same(ok, false)
  if problem.code ~= "ENOENT" then error(problem, 0) end
end

local function command(neap, await)
  local result = await(neap.subprocess.run { "cat", input = "text", stdout = "pipe", check = true, timeout = 5 })
  same(result.stdout, "text")
end

local left_open

-- A connection is closed also when there is no memory to serve it, without waiting for its collection.
local function unserved(neap, await)
  local server <close> = await(neap.start_server(function() end, "127.0.0.1", 0))
  local restart <close> = setmetatable({}, { __close = function() collectgarbage "restart" end })
  collectgarbage "stop"
  local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
  pcall(await, neap.wait_for(stream:read "a", 5))
  for _ = 1, 2000 do
    if server:connections() == 0 then return end
    await(neap.sleep(0.001))
  end
  left_open = true
end

-- Raises, if a section left behind what it must not
function M.check()
  if left_open then error "a connection that nobody serves was left open" end
end

function M.add(sections)
  for _, entry in ipairs {
    { "Unix sockets", local_sockets }, { "pipes", pipes }, { "files as streams", files },
    { "processes", processes }, { "subprocess.run", command },
    { "unserved connections", unserved },
  } do
    sections[#sections + 1] = { entry[1], in_loop(entry[2]) }
  end
end

return M
