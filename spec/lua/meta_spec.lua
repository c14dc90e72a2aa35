-- meta/ is the single source of the reference: what is there exists, what exists is there, and each
-- function tells what it does. docs/ names every one of them.
local neap = require "neap"

local function read_all(pattern)
  local pipe = assert(io.popen("cat " .. pattern))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local meta = read_all "meta/neap/*.lua"

-- name -> the comment above it
local entries = {}
do
  local comment = {}
  for line in (meta .. "\n"):gmatch "(.-)\n" do
    local text = line:match "^%-%-%-(.*)$"
    if text then
      comment[#comment + 1] = text
    else
      local name = line:match "^function ([%w_.:]+)%(" or line:match "^(neap[%w_.]+) = {}"
      if name then entries[name:gsub(":", ".")] = table.concat(comment, "\n") end
      comment = {}
    end
  end
end

-- The classes that the library makes only itself have no field in the module.
local hidden = { Timeout = true, Coroutine = true }

local function is_error(value) return value == neap.Error or (getmetatable(value) or {}).__index ~= nil end

describe("meta/", function()
  it("has every name of the module", function()
    assert.is_truthy(neap.uv and neap.wrap and neap.Process and neap.subprocess and neap.tls)
    for name, value in pairs(neap) do
      assert.is_string(entries["neap." .. name], "neap." .. name)
      if type(value) == "table" and name ~= "uv" and not is_error(value) then
        for method in pairs(value) do
          local found = entries["neap." .. name .. "." .. method]
          for base in pairs { Future = 1, Semaphore = 1, Queue = 1 } do
            found = found or entries["neap." .. base .. "." .. method]
          end
          assert.is_string(found, name .. ":" .. method)
        end
      end
    end
  end)

  it("has nothing else", function()
    for name in pairs(entries) do
      local class, method = name:match "^neap%.(%w+)%.([%w_]+)$"
      local field = name:match "^neap%.([%w_]+)$"
      if class then
        assert.is_truthy(neap[class][method], name)
      elseif field then
        assert.is_truthy(neap[field], name)
      else
        assert.is_true(hidden[name:match "^%w+"], name)
      end
    end
  end)

  it("says of each function whether it suspends", function()
    for name, comment in pairs(entries) do
      if not comment:find "@class" and not comment:find "@type" then
        assert.is_truthy(comment:find("Suspends:", 1, true), name)
      end
    end
  end)
end)

describe("docs/", function()
  it("names everything", function()
    local docs = read_all "docs/*.md"
    for name in pairs(entries) do
      local last = name:match "[%w_]+$"
      assert.is_truthy(docs:find("%f[%w_]" .. last .. "%f[^%w_]"), name)
    end
  end)
end)
