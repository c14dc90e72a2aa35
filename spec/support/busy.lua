-- Code that never awaits, in every place where Lua code can run.
local neap = require "neap"
local loop = require "spec.support.loop"
local await = neap.await

local busy = {}

local function spin()
  local n = 0
  while true do n = n + 1 end
end
busy.spin = spin

busy.places = {
  ["a loop"] = spin,
  ["a loop without calls"] = function() while true do end end,
  ["a loop of C functions"] = function() while true do math.max(1, 2) end end,
  ["a loop of the library's functions in Lua"] = function() while true do neap.wrap(spin) end end,
  ["a loop that allocates"] = function() while true do assert({ {} }) end end,
  ["a recursion that never ends"] = function()
    local function down(n) return n == 0 or down(n - 1) and down(n - 1) end
    down(200)
  end,
  ["tail calls"] = function()
    local function again() return again() end
    again()
  end,
  ["a comparison of table.sort"] = function() table.sort({ 1, 2, 3 }, spin) end,
  ["a callback of string.gsub"] = function() string.gsub("a", "a", spin) end,
  ["a metamethod"] = function() return setmetatable({}, { __index = spin }).x end,
  ["__tostring"] = function() tostring(setmetatable({}, { __tostring = spin })) end,
  ["a reader of load"] = function() error(select(2, load(spin)), 0) end,
  ["an iterator"] = function() for _ in spin do end end,
  ["__close"] = function()
    local held <close> = setmetatable({}, { __close = spin })
    assert(held)
  end,
  ["xpcall with a handler"] = function() error(select(2, xpcall(spin, function(problem) return problem end)), 0) end,
  ["a wrapped coroutine"] = function() coroutine.wrap(spin)() end,
  ["coroutines in coroutines"] = function()
    local function nest(n)
      if n == 0 then spin() end
      coroutine.wrap(nest)(n - 1)
    end
    nest(20)
  end,
  ["a coroutine that was resumed"] = function()
    local co = coroutine.create(spin)
    error(select(2, coroutine.resume(co)), 0)
  end,
  ["a coroutine under a coroutine that goes on"] = function()
    coroutine.wrap(function()
      table.sort({ 1, 2, 3 }, function() coroutine.wrap(spin)() end)
    end)()
  end,
  ["a coroutine that awaited before"] = function()
    coroutine.wrap(function()
      await(neap.sleep(0))
      spin()
    end)()
  end,
  ["a parked task"] = function()
    string.gsub("a", "a", function()
      await(neap.sleep(0))
      spin()
    end)
  end,
}

-- Runs on the real clock; gives what pcall gives.
function busy.try(body, ...)
  local args = table.pack(...)
  return loop.run(function() return pcall(body, table.unpack(args, 1, args.n)) end, { clock = "real" })
end

-- Fails unless body raises an error of the class.
function busy.raises(class, body, ...)
  local ok, problem = busy.try(body, ...)
  assert(not ok, "no error was raised")
  if getmetatable(problem) ~= class then error(problem, 0) end
end

return busy
