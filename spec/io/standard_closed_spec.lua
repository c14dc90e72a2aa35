-- SPDX-License-Identifier: MIT
-- A program that is started with standard descriptors closed.
local SOURCE = [[
local path = ...
local neap = require "neap"
local uv = require "luv"
local await = neap.await
neap.run(function()
  local server <close> = await(neap.start_server(function(stream) await(stream:write "text") end, "127.0.0.1", 0))
  local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
  local cat = await(neap.create_subprocess_exec({ "cat" }, { stdin = "pipe", stdout = "pipe" }))
  local words = { await(stream:read "a"), (await(cat:communicate "said")) }
  words[3] = tostring(await(neap.stdin():read(1)))
  words[4] = tostring(pcall(await, neap.stdout():write ""))
  for fd = 0, 2 do
    if uv.fs_readlink("/proc/self/fd/" .. fd) == "/dev/null" then words[#words + 1] = tostring(fd) end
  end
  await(neap.fs.write_file(path, table.concat(words, " ")))
end)
]]

-- What the script wrote, and how it ended.
local function run(closing)
  local script, out = os.tmpname(), os.tmpname()
  local file <close> = assert(io.open(script, "w"))
  file:write(SOURCE)
  file:close()
  local _, how, number = os.execute(("lua5.4 %s %s < /dev/null %s"):format(script, out, closing))
  local result <close> = assert(io.open(out))
  local text = result:read "a"
  os.remove(script)
  os.remove(out)
  return text, how, number
end

describe("Standard descriptors that are closed", function()
  for closing, nulls in pairs {
    ["<&-"] = "0", [">&-"] = "0 1", ["2>&-"] = "0 2", ["<&- >&-"] = "0 1", ["<&- >&- 2>&-"] = "0 1 2",
  } do
    it("are nothing else's: " .. closing, function()
      local text, how, number = run(closing)
      assert.equal("text said nil true " .. nulls, text)
      assert.equal("exit 0", how .. " " .. number)
    end)
  end
end)
