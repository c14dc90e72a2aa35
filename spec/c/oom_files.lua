-- luacheck: ignore 211
-- SPDX-License-Identifier: MIT
-- What spec/c/oom.c runs while it refuses memory, for files: neap.open and the methods of what it gives. All of it goes
-- through luv. What is not here is what asks for fs_fstat (stat, seek "end", reading after appending): luv builds the
-- table that answers it unprotected, so that without memory the request is never answered, and the file never closed.
local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

local path = os.tmpname()
os.remove(path)
path = "/dev/shm" .. path:match "/[^/]*$" -- where nothing waits for a disk

-- body(neap, await) in the loop; the file is gone afterwards. The grace is short: luv may lose an answer
-- in other places too (it makes its texts of errors unprotected), and only the end of the run ends such a wait.
local function in_loop(body)
  return function()
    local neap = require "neap"
    local ok, err = pcall(neap.run, function() body(neap, neap.await) end, { shutdown_grace = 0.2 })
    os.remove(path)
    if not ok then error(err, 0) end
  end
end

local function is(neap, err, class)
  if not neap.is(err, class) then error(err, 0) end
end

local text = ("line\n"):rep(6000) -- of the size of half a buffer

local function lines(neap, await)
  do
    local file <close> = await(neap.open(path, "w"))
    await(file:write(text, "last ", 12))
    await(file:flush())
  end
  local file <close> = await(neap.open(path))
  same(await(file:readline()), "line\n")
  same(await(file:read "l"), "line")
  same(await(file:readexactly(5)), "line\n")
  same(await(file:readuntil { "x", "\n" }), "line\n")
  local n = 4
  for line in file:lines() do n = n + 1 end
  same(n, 6001)
  same(await(file:read(1)), nil)
  same(await(file:seek("set", #text + 5)), #text + 5)
  same(await(file:read "n"), 12)
  same(await(file:seek "set"), 0)
  local first, rest = await(file:read(4, "a"))
  same(#first + #rest, #text + 7)
  same(#tostring(file) > 0, true)
  local ok, err = pcall(await, file:readexactly(1))
  same(ok, false)
  is(neap, err, neap.IncompleteReadError)
end

local function places(neap, await)
  local file <close> = await(neap.open(path, "w+", { buffer = 0, permissions = "600" }))
  await(file:writelines { "abc", "def" })
  same(await(file:tell()), 6)
  same(await(file:seek("cur", -2)), 4)
  same(await(file:read(9)), "ef")
  same(await(file:truncate(3)), 3)
  await(file:sync())
  await(file:datasync())
  file:close()
  await(file:close())
  local more <close> = await(neap.open(path, "a"))
  await(more:write "g")
  await(more:flush())
end

local function turns(neap, await)
  local file <close> = await(neap.open(path, "w+", { buffer = 100 }))
  local writers = {}
  for i = 1, 5 do writers[i] = neap.create_task(function() await(file:write(("%d"):format(i):rep(60))) end) end
  await(neap.gather(table.unpack(writers)))
  local reader = neap.create_task(file:read())
  local other = neap.create_task(file:datasync())
  await(neap.sleep(0))
  reader:cancel()
  local ok, err = pcall(await, reader)
  same(ok, false)
  is(neap, err, neap.CancelledError)
  await(other)
  local waiting = neap.create_task(file:sync())
  await(neap.sleep(0))
  file:close()
  ok, err = pcall(await, waiting)
  same(ok, false)
  is(neap, err, neap.ValueError)
  await(file:close())
end

local function refused(neap, await)
  local ok, err = pcall(await, neap.open "/nonexistent")
  same(ok, false)
  if err.code ~= "ENOENT" then error(err, 0) end
  local full <close> = await(neap.open("/dev/full", "w"))
  full:write "text"
  ok, err = pcall(await, full:flush())
  same(ok, false)
  if err.code ~= "ENOSPC" then error(err, 0) end
  local r <close> = await(neap.open "/dev/null")
  same(pcall(r.write, r, "text"), false)
  local opening = neap.create_task(neap.open(path, "w"))
  await(neap.sleep(0))
  opening:cancel()
  ok, err = pcall(await, opening)
  same(ok, false)
  is(neap, err, neap.CancelledError)
end

local function whole(neap, await)
  await(neap.fs.write_file(path, { "one\n", "two\n" }))
  await(neap.fs.append_file(path, "three\n"))
  local all = ""
  for line in neap.fs.lines(path) do all = all .. line end
  same(all, "onetwothree")
  await(neap.fs.write_file(path, "new", { atomic = true, sync = false }))
  same(await(neap.fs.read_file(path)), "new")
end

local sections = {}
for _, entry in ipairs {
  { "files by lines", lines }, { "places in files", places }, { "files in turns", turns },
  { "files that are refused", refused }, { "whole files", whole },
} do
  sections[#sections + 1] = { entry[1], in_loop(entry[2]) }
end

-- Before anything is refused: the modules are loaded.
for _, section in ipairs(sections) do section[2]() end
collectgarbage()

return { sections = sections, check = dofile "spec/c/oom.lua".check, luv_leaks = true }
