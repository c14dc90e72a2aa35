-- The lines of tracebacks, beside those of debug.traceback.
local loop = require "spec.support.loop"
local neap = require "neap"
local await = neap.await

local function lines_of(text, last)
  local lines = {}
  for line in text:gmatch "\n(\t[^\n]*)" do
    if line:find(last, 1, true) then break end
    lines[#lines + 1] = line
  end
  return lines
end

-- The lines of what body raises in a task, up to where the task begins.
local function in_task(body)
  return loop.run(function()
    local _, problem = pcall(await, neap.create_task(body))
    return lines_of(problem.traceback, "[C]: in ?")
  end)
end

local function fail() error(neap.Error "x") end

local function deep(n)
  if n == 0 then fail() end
  deep(n - 1)
end

describe("The lines of a traceback", function()
  after_each(function() _G.named_globally = nil end)

  local cases = {
    ["local functions and upvalues"] = function() fail() end,
    ["C functions and callbacks"] = function() string.gsub("a", "a", fail) end,
    ["fields and methods"] = function()
      local object = { method = function() fail() end }
      local holder = { field = function() object:method() end }
      holder.field()
    end,
    ["tail calls"] = function()
      local function tail() return fail() end
      return (function() tail() end)()
    end,
    ["metamethods"] = function() return setmetatable({}, { __index = fail }).x end,
    ["iterators"] = function() for _ in fail do assert(nil) end end,
    ["globals"] = function()
      _G.named_globally = function() fail() end
      local call = _G.named_globally
      call()
    end,
    ["a chunk"] = function() load("local fail = ... fail()", "=chunk")(fail) end,
  }
  for what, body in pairs(cases) do
    it("are those of debug.traceback: " .. what, function()
      local _, text = xpcall(body, function() return debug.traceback("", 2) end)
      assert.same(lines_of(text, "in function 'xpcall'"), in_task(body))
    end)
  end

  it("are the same for each of the functions that a line makes", function()
    local function make()
      return function()
        local called = function() fail() end
        called()
      end
    end
    local first = in_task(make())
    assert.matches("in local 'called'", table.concat(first), 1, true)
    for _ = 1, 3 do assert.same(first, in_task(make())) end
  end)

  it("name what the library has by the library's name", function()
    local lines = loop.run(function()
      local _, text = xpcall(function() neap.gather(1) end, neap.traceback)
      return lines_of(text, "xpcall")
    end)
    assert.matches("in function 'neap.gather'", table.concat(lines), 1, true)
  end)

  it("are the first ten and the last eleven of very many", function()
    for _, n in ipairs { 5, 18, 19, 20, 21, 500 } do
      local lines, skipped = in_task(function() deep(n) end), 0
      for _, line in ipairs(lines) do
        local levels = line:match "skipping (%d+) levels"
        if levels then skipped = levels - 1 end
      end
      assert.equal(n + 4, #lines + skipped) -- error, fail, deep n + 1 times, the body
      assert.is_true(#lines <= 21)
    end
  end)
end)
