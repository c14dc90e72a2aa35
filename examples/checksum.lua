-- A checksum of every file below a directory, several at a time: two workers take paths from a queue that the
-- walk fills, and hash what they read a block after the other, so memory stays flat however large a file is.
--   lua examples/checksum.lua [DIRECTORY]
local neap = require "neap"
local await, fs = neap.await, neap.fs

local crc_table = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and 0xedb88320 ~ c >> 1 or c >> 1 end
  crc_table[i] = c
end

local function crc32(crc, block)
  crc = crc ~ 0xffffffff
  for i = 1, #block do crc = crc_table[(crc ~ block:byte(i)) & 255] ~ crc >> 8 end
  return crc ~ 0xffffffff
end

local function checksum(path)
  local file <close> = await(neap.open(path))
  local crc, size = 0, 0
  for block in file:lines(65536) do
    crc, size = crc32(crc, block), size + #block
    await(neap.sleep(0)) -- hashing keeps everybody waiting
  end
  return crc, size
end

local function checksums(root)
  local paths, found = neap.Queue(100), {}
  neap.task_group(function(group)
    for _ = 1, 2 do
      group:create_task(function()
        for path in paths:iter() do
          local ok, crc, size = neap.pcall(checksum, path)
          found[#found + 1] = { path = path, ok = ok, crc = crc, size = size }
        end
      end)
    end
    for directory, _, files in fs.walk(root) do
      for _, name in ipairs(files) do await(paths:put(directory .. "/" .. name)) end
    end
    paths:shutdown()
  end)
  table.sort(found, function(a, b) return a.path < b.path end)
  return found
end

local function show(root)
  for _, file in ipairs(checksums(root)) do
    local name = file.path:sub(#root + 2)
    if file.ok then
      print(("%08x %9d  %s"):format(file.crc, file.size, name))
    else
      print(("%-18s  %s"):format(file.crc.code or file.crc.name, name))
    end
  end
end

neap.run(function()
  if arg[1] then return show(arg[1]) end
  local directory <close> = await(fs.temporary_directory())
  local root = directory.path
  await(fs.makedirs(root .. "/docs/old"))
  await(fs.write_file(root .. "/check", "123456789"))
  await(fs.write_file(root .. "/docs/empty", ""))
  await(fs.write_file(root .. "/docs/old/large", ("0123456789"):rep(100000)))
  await(fs.symlink("nowhere", root .. "/docs/lost"))
  show(root)
end)
--[[ prints:
cbf43926         9  check
00000000         0  docs/empty
ENOENT              docs/lost
30e39c7f   1000000  docs/old/large
]]
