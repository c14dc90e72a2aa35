-- What the specs of neap.watch share: events looked at, handles of libuv counted.
local assert = require "luassert"
local neap = require "neap"
local uv = require "luv"

local await = neap.await

local M = {}

function M.handles()
  local n = 0
  uv.walk(function(handle) if not handle:is_closing() then n = n + 1 end end)
  return n
end

do -- libuv opens its descriptor when it is first needed, and keeps it
  local watch = neap.watch "/tmp"
  watch:close()
  uv.run()
end

-- M.open_handles: how many there were before the test. They are as many after it.
function M.setup(files, before_each, after_each)
  files.setup {
    before_each = function(fn)
      before_each(function()
        fn()
        M.open_handles = M.handles()
      end)
    end,
    after_each = function(fn)
      after_each(function()
        uv.run() -- what was cancelled
        fn()
        assert.equal(M.open_handles, M.handles())
      end)
    end,
  }
  M.files = files
end

function M.next_event(watch) return await(neap.wait_for(function() return watch() end, 60)) end

-- The events up to the first one that fn is true for, as a list of "kind name".
function M.events_until(watch, fn)
  local seen = {}
  while true do
    local event = M.next_event(watch)
    if not event then return seen end
    if event.name ~= "" then assert.equal(event.name, event.path:sub(-#event.name)) end
    seen[#seen + 1] = event.kind .. " " .. event.name
    seen[event.kind .. " " .. event.name] = true
    if fn(event, seen) then return seen end
  end
end

function M.named(name, kind)
  return function(event) return event.name == name and (not kind or event.kind == kind) end
end

-- A function that runs fn(watch), of the folder or of what has the name in it.
function M.with(options, fn, name)
  return function()
    neap.run(function()
      local watch <close> = neap.watch(name and M.files.path(name) or M.files.folder, options)
      await(watch:ready())
      fn(watch)
    end)
  end
end

return M
