-- luacheck: ignore 211 512
-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua: ways to run, and to end.
local M = dofile "spec/c/oom_part.lua"
local open, section, same, is, tells = M.open, M.section, M.same, M.is, M.tells

section("watched steps", function()
  local neap, await, create_task = open()
  neap.run(function()
    same(neap.timeout(60, function() return await(neap.sleep(0, "x")) end), "x") -- goes on unwatched
    local task = create_task(function()
      string.gsub("a", "a", function() await(neap.sleep(0)) end)
      return 1
    end, { slice = 10 })
    same((await(task)), 1)
    same(await(neap.wait_for(neap.sleep(0, "y"), 60)), "y")
  end, { step_limit = 60 })
end)

section("real clock", function()
  local neap, await, create_task = open()
  same(neap.run(neap.async(function(a)
    local t = create_task(neap.sleep(0.002, "slept"))
    same(await(t), "slept")
    return a
  end)("value")), "value")
end)

section("top-level await", function()
  local neap, await, create_task = open()
  local t = create_task(function() return await(neap.sleep(0.001, "t")) end)
  same(await(t), "t")
  same(await(neap.sleep(0, "u")), "u")
end)

section("plain uv.run", function()
  local neap, await, create_task = open()
  local value
  local t = create_task(function() value = await(neap.sleep(0.001, "w")) end)
  require("luv").run()
  await(t)
  same(value, "w")
end)

section("a whole file", function()
  local neap, await = open()
  neap.run(function()
    same(#await(neap.fs.read_file "/proc/self/statm") > 0, true)
    local ok, err = pcall(await, neap.fs.read_file "/no/such/file")
    same(ok, false)
    tells(err, "/no/such/file (ENOENT)")
  end)
end)

section("runner", function()
  local neap, await, create_task = open()
  local runner <close> = neap.Runner({clock = "virtual"})
  local t = runner:run(function() return create_task(neap.sleep(5, "later")) end)
  same(runner:run(function() return await(t) end), "later")
end)

section("error out of run", function()
  local neap, await, create_task = open()
  local ok, err = pcall(neap.run, function()
    create_task(function() await(neap.sleep(9)) end)
    create_task(function() error("lost") end)
    neap.set_exception_handler(function() end)
    await(neap.sleep(1))
    error("out")
  end, {clock = "virtual"})
  same(ok, false)
  tells(err, "out")
end)

section("tasks left behind", function()
  local neap, await, create_task = open()
  local ended = 0
  neap.run(function()
    for _ = 1, 3 do
      create_task(function()
        local mark <close> = setmetatable({}, {__close = function() ended = ended + 1 end})
        await(neap.Future())
      end)
    end
    await(neap.sleep(0))
  end, {clock = "virtual"})
  same(ended, 3)
  local ok, err = pcall(neap.run, function() await(neap.Future()) end)
  same(ok, false)
  is(err, neap.DeadlockError)
end)

section("debug mode", function()
  local neap, await, create_task = open()
  local said = 0
  neap.run(function()
    neap.set_exception_handler(function() said = said + 1 end)
    neap.async(function() end)()
    collectgarbage()
    collectgarbage()
    local t = create_task(function()
      local _, err = pcall(await, neap.sleep(5))
      is(err, neap.CancelledError)
    end)
    await(neap.sleep(0))
    t:cancel()
    await(t)
  end, {clock = "virtual", debug = true})
  same(said >= 1, true) -- what a finalizer has no memory to say is lost
end)

return M
