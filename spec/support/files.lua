-- What the specs of files share: a folder for each test, gone after it; descriptors counted; the thread
-- pool kept busy; named pipes, which are the slowest of all disks.
local assert = require "luassert"
local neap = require "neap"
local uv = require "luv"

local await = neap.await

local M = {}

function M.path(name) return M.folder .. "/" .. name end

-- path = write("name", text)
function M.write(name, text)
  local file = assert(io.open(M.path(name), "wb"))
  file:write(text)
  file:close()
  return M.path(name)
end

function M.content(name)
  local file = assert(io.open(M.path(name), "rb"))
  local text = file:read "a"
  file:close()
  return text
end

function M.descriptors()
  local n = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir "/proc/self/fd") do n = n + 1 end
  return n
end

function M.names()
  local names = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(M.folder)) do names[#names + 1] = name end
  return names
end

function M.failure(awaitable, ...)
  local ok, problem = pcall(await, awaitable, ...)
  assert.is_false(ok)
  return problem
end

function M.raises(class, awaitable, code)
  local problem = M.failure(awaitable)
  assert.is_true(neap.is(problem, class), tostring(problem))
  if code then assert.equal(code, problem.code) end
  return problem
end

function M.turn(n)
  for _ = 1, n or 5 do await(neap.sleep(0)) end
end

-- Lets requests of libuv's proceed, by about n of them.
function M.requests(n)
  for _ = 1, n do await(neap.uv.fs_stat(M.folder)) end
end

-- Starts a task and lets it come to its first await.
function M.started(fn)
  local task = neap.create_task(fn)
  M.turn(2)
  return task
end

-- Gives all threads of libuv's pool something that lasts until the function it returns is called:
-- what is asked for in between has not begun.
function M.occupy()
  local threads = tonumber(os.getenv "UV_THREADPOOL_SIZE") or 4
  local pipe, reads = uv.pipe(), {}
  for i = 1, threads do reads[i] = neap.create_task(neap.uv.fs_read(pipe.read, 1)) end
  await(neap.sleep(0))
  return function()
    uv.fs_write(pipe.write, ("x"):rep(threads))
    await(neap.gather(reads))
    uv.fs_close(pipe.read)
    uv.fs_close(pipe.write)
  end
end

-- path, feed = fifo("name"): feed(text) gives what a read of it waits for
function M.fifo(name)
  local path = M.path(name)
  assert(os.execute("mkfifo " .. path))
  local fd = assert(uv.fs_open(path, "r+", 0))
  M.open_fifos[#M.open_fifos + 1] = fd
  return path, function(text) uv.fs_write(fd, text) end
end

-- Lets the loop run until fn() is true, which happens soon.
function M.eventually(fn)
  for _ = 1, 10000 do
    if fn() then return end
    await(neap.sleep(0.001))
  end
  error("it does not happen", 2)
end

-- To be called at the top of a spec.
function M.setup(busted)
  local before
  busted.before_each(function()
    M.open_fifos = {}
    M.folder = assert(uv.fs_mkdtemp "/tmp/neap-spec-XXXXXX")
    before = M.descriptors()
  end)
  busted.after_each(function()
    for _, fd in ipairs(M.open_fifos) do uv.fs_close(fd) end
    os.execute("rm -rf " .. M.folder)
    assert.equal(0, neap.all_tasks().n)
    assert.equal(before, M.descriptors())
  end)
end

return M
