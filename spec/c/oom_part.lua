-- SPDX-License-Identifier: MIT
-- What a part of spec/c/oom.lua begins with: a list of sections, and words to say what must be. Each loads its own.
local M = {}

function M.open()
  local neap = require "neap"
  return neap, neap.await, neap.create_task
end

function M.same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

-- The error must be of the class, or tell it (refused memory comes in its place, and goes on).
function M.is(err, class)
  if not require "neap".is(err, class) then error(err, 0) end
end

function M.tells(err, text)
  if not tostring(err):find(text, 1, true) then error(err, 0) end
end

local own = {}

function M.section(name, fn) own[#own + 1] = { name, fn } end

-- The section's body as the main task, on the virtual clock.
function M.virtual(name, main)
  M.section(name, function()
    local neap, await, create_task = M.open()
    neap.run(function() return main(neap, await, create_task) end, { clock = "virtual" })
  end)
end

-- The sections, appended to a list of them
function M.add(sections) table.move(own, 1, #own, #sections + 1, sections) end

return M
