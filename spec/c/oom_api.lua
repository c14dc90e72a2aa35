-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua for the C interface, by way of spec.probe.
local M = {}

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

-- body(neap, await, probe, held) in the loop; what is put in `held` is let go afterwards, come what may:
-- the sides of futures that are not completed (1 to 3), a loop (4).
local function in_loop(body)
  return function()
    local neap = require "neap"
    local probe = require "spec.probe"
    local held = { false, false, false, false }
    local ok, err = pcall(neap.run, function() body(neap, neap.await, probe, held) end)
    for i = 1, 3 do
      if held[i] then probe.complete(held[i]) end
    end
    if held[4] then probe.release(held[4]) end
    if not ok then error(err, 0) end
  end
end

local function complete(probe, held, i, ...)
  probe.complete(held[i], ...) -- if there is no memory for the call, it is still held
  held[i] = false
end

local function futures(neap, await, probe, held)
  local f, g, h
  f, held[1] = probe.future()
  g, held[2] = probe.future()
  h, held[3] = probe.future()
  probe.on_cancel(held[3])
  local waiter = neap.create_task(function() return await(f) end)
  await(neap.sleep(0))
  complete(probe, held, 1, "values", 3)
  same(select("#", await(waiter)), 3)
  complete(probe, held, 2, "memory")
  local ok, err = pcall(await, g)
  same(ok, false)
  if not tostring(err):find "memory" then error(err, 0) end
  h:cancel()
  await(neap.sleep(0))
  same(probe.is_cancelled(held[3]), true)
  complete(probe, held, 3, "values", 1)
  await(neap.sleep(0))
end

local function work(neap, await, probe)
  same(await(probe.work("values", 1)), 1)
  local unwanted = probe.work("values", 1)
  unwanted:cancel()
  same((pcall(await, unwanted)), false)
end

local function posts(neap, await, probe, held)
  local before = probe.count "pushed" + probe.count "dropped"
  held[4] = probe.loop()
  if not (probe.post(held[4], "values", 1) and probe.post(held[4], "none")) then error "not enough memory" end
  while probe.count "pushed" + probe.count "dropped" < before + 2 do await(neap.sleep(0)) end
  probe.release(held[4])
  held[4] = false
end

local function parking(neap, await, probe)
  local wait = probe.wait(true)
  local task = neap.create_task(function() return probe.park(wait, 1, 2) end)
  await(neap.sleep(0))
  probe.wake(wait)
  same(select("#", await(task)), 2)
  task = neap.create_task(probe.async(wait)("x"))
  await(neap.sleep(0))
  task:cancel "enough"
  same((pcall(await, task)), false)
  same(probe.parked(wait), false)
  local status, spawned = probe.spawn("spawned", function() return 5 end)
  if status ~= 0 then error(spawned, 0) end
  same(await(spawned), 5)
  same(select(2, probe.result(spawned)), 5)
end

local function descriptors(neap, await, probe)
  local r, w = probe.pipe()
  local task = neap.create_task(function() return probe.wait_fd(r, 1) end)
  local other = neap.create_task(function() return probe.wait_fd(r, 1) end)
  await(neap.sleep(0))
  other:cancel()
  probe.write(w, "x")
  same(await(task), 1)
  same(await(neap.wait_fd(w, "w")), "w")
  neap.wait_fd(r, "r")
end

local text = ("0123456789"):rep(4000) -- made before memory is refused: Lua's own buffers do not recover

local function filters(neap, await, probe)
  local server <close> = await(neap.start_server(function(stream)
    probe.filter_set(stream, "frames")
    await(stream:write(await(stream:read "a")))
    stream:close()
  end, "127.0.0.1", 0))
  local stream <close> = await(neap.wait_for(neap.open_connection("127.0.0.1", server:getsockname().port), 5))
  probe.filter_set(stream, "frames")
  neap.timeout(5, function()
    await(stream:write(text))
    stream:write_eof()
    local got = await(stream:read "a")
    if got ~= text then error("not enough memory: " .. #got .. " bytes of it") end -- the handler failed, and told
  end)
end

local bodies = {
  { "C futures", futures }, { "C work", work }, { "C posts", posts }, { "C parking", parking },
  { "C descriptors", descriptors }, { "C filters", filters },
}

-- The sections, appended to a list of them
function M.add(sections)
  for _, it in ipairs(bodies) do sections[#sections + 1] = { it[1], in_loop(it[2]) } end
end

return M
