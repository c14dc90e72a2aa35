-- `tail -F`: gives the lines that are added to a log, and goes on when the log is rotated: renamed and begun
-- anew, or cut to nothing.
--   lua examples/follow.lua [FILE]
local neap = require "neap"
local await, fs = neap.await, neap.fs

-- The file at the path, or nil.
local function open(path)
  local ok, file = neap.pcall(await, neap.open(path))
  if ok then return file end
  if file.code ~= "ENOENT" then error(file, 0) end
end

-- Calls on_line for each line that is complete, from position `from` on ("set": the first one, "end"), until cancelled.
local function follow(path, from, on_line)
  local watch <close> = neap.watch(path) -- before the file is read: nothing is missed in between
  local file, rest = open(path), ""
  local held <close> = setmetatable({}, { __close = function() if file then await(file:close()) end end })
  if file then await(file:seek(from)) end

  local function read_on()
    for text in file:lines "L" do
      rest = rest .. text
      if rest:sub(-1) == "\n" then
        on_line(rest:sub(1, -2))
        rest = ""
      end
    end
  end

  while true do
    if file then
      read_on()
      local ok, now = neap.pcall(await, fs.stat(path))
      local mine = await(file:stat())
      if not ok or now.ino ~= mine.ino then -- rotated: what is left of the old one first
        read_on()
        await(file:close())
        file, rest = nil, ""
      elseif mine.size < await(file:tell()) then
        await(file:seek "set")
        rest = ""
      end
    end
    file = file or open(path)
    if file then read_on() end
    local event = watch()
    if not event then return end -- the directory is gone
  end
end

local function demonstrate()
  local directory <close> = await(fs.temporary_directory())
  local path, seen = directory.path .. "/log", neap.Queue()
  local follower = neap.create_task(function() follow(path, "set", function(line) seen:put_nowait(line) end) end)
  local function say(text) await(fs.append_file(path, text)) end
  local function expect(n)
    for _ = 1, n do print(await(seen:get())) end
  end

  say "the first line\nhalf a "
  expect(1)
  say "line\n"
  expect(1)
  say "the last one before\n"
  await(fs.rename(path, path .. ".1"))
  say "a new file\n"
  expect(2)
  await(fs.write_file(path, "cut\n"))
  expect(1)
  follower:cancel()
end

neap.run(function()
  if arg[1] then return follow(arg[1], "end", print) end
  demonstrate()
end)
--[[ prints:
the first line
half a line
the last one before
a new file
cut
]]
