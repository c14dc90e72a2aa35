-- A process has one libuv: the shared one that Debian's luv uses, or the copy inside a luv of LuaRocks.
local child = require "spec.support.child"

local MAPPED = [[
  local files = {}
  for line in io.lines "/proc/self/maps" do
    local file = line:match "%s(/.*)$"
    if file then files[file] = true end
  end
  local function mapped(pattern)
    local found = {}
    for file in pairs(files) do
      if file:match "[^/]*$":find(pattern) then found[#found + 1] = file end
    end
    return found
  end
]]

local linux = io.open "/proc/self/maps"
if linux then linux:close() end

describe("A process", function()
  if not linux then return pending "needs /proc" end

  it("has one libuv after neap and luv were required and used", function()
    local out = child.output([[
      local neap, uv = require "neap", require "luv"
      local server = neap.await(neap.start_server(print, "127.0.0.1", 0))
      local timer = uv.new_timer()
      timer:start(1, 0, function() timer:close() end)
      neap.run(function() neap.await(neap.sleep(0.005)) end)
      server:close()
    ]] .. MAPPED .. [[
      local luv = package.searchpath("luv", package.cpath)
      local file = assert(io.open(luv, "rb"))
      local inside = file:read("a"):find("libuv.so", 1, true) == nil
      file:close()
      print(#mapped "^libuv%.so", inside and 0 or 1, #mapped "^core%.so$")
    ]])
    local shared, expected, core = out:match "^(%d+)\t(%d+)\t(%d+)"
    assert.equal(expected, shared)
    assert.equal("1", core)
  end)

  it("has the same clock in both", function()
    local out = child.output [[
      local neap, uv = require "neap", require "luv"
      local order = {}
      neap.call_later(0.004, function() order[#order + 1] = "neap" end)
      local timer = uv.new_timer()
      timer:start(2, 0, function() order[#order + 1] = "luv" timer:close() end)
      uv.run()
      print(table.concat(order, " "))
    ]]
    assert.equal("luv neap\n", out)
  end)
end)
