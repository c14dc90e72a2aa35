-- What the specs share in which the system refuses something, by spec/c/preload_fail.c in a process of its own, where
-- fail(WHAT), refused(WHAT, fn, ...) and refused_clean(WHAT, fn, ...) are; WHAT follows the tag in NEAP_FAIL.
local assert = require "luassert"
local busted = require "busted"
local child = require "spec.support.child"

local M = {}

M.prelude = [[
local neap, uv, probe = require "neap", require "luv", require "spec.probe"
local await = neap.await
local turns = 0

-- From now on; nil: nothing fails any more.
local function fail(what)
  turns = turns + 1
  uv.os_setenv("NEAP_FAIL", what and turns .. " " .. what or "")
end

local function descriptors()
  collectgarbage() collectgarbage()
  for _ = 1, 5 do await(neap.sleep(0)) end
  local n = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir "/proc/self/fd") do n = n + 1 end
  return n
end

-- Prints the code of the error that fn raises meanwhile.
local function refused(what, fn, ...)
  fail(what)
  local ok, problem = pcall(fn, ...)
  fail()
  print(ok and "not refused" or problem.code or tostring(problem))
end

-- The same, and nothing is left of it; fn works before and after. It closes what it makes.
local function refused_clean(what, fn, ...)
  fn(...)
  local before = descriptors()
  refused(what, fn, ...)
  local after = descriptors()
  if after ~= before then print(what, after - before .. " descriptors more") end
  fn(...)
end

local function main()
]]

-- Nothing is to hang.
M.finish = "\nend\nneap.run(function() await(neap.wait_for(main, 60)) end)"

-- A body, and what it prints.
function M.it_prints(name, source, expected)
  busted.it(name, function()
    assert.equal(expected, child.output(M.prelude .. source .. M.finish, { preload = "fail" }))
  end)
end

return M
