-- Callbacks on luv: open, fstat, read what it says, close.
local uv, B = require "luv", require "bench"
local files, rounds, at_once = B.args.files, B.args.rounds, B.args.limit
local root = assert(uv.fs_mkdtemp(uv.os_tmpdir() .. "/bench-XXXXXX"))
local function path(i) return ("%s/%d"):format(root, i) end

for i = 1, files do
  local file = assert(io.open(path(i), "w"))
  file:write(("x"):rep(1024))
  file:close()
end

local t0, check, next, left = B.start(), 0, 0, 0

local function read_file(name, done)
  uv.fs_open(name, "r", 0, function(_, fd)
    uv.fs_fstat(fd, function(_, stat)
      uv.fs_read(fd, stat.size, 0, function(_, text)
        uv.fs_close(fd, function() done(text) end)
      end)
    end)
  end)
end

local function worker()
  if next == files then
    left = left - 1
    return
  end
  next = next + 1
  read_file(path(next), function(text)
    check = check + #text
    worker()
  end)
end

for _ = 1, rounds do
  next, left = 0, at_once
  for _ = 1, at_once do worker() end
  uv.run()
end
B.report(t0, files * rounds, check)
for i = 1, files do os.remove(path(i)) end
os.remove(root)
