-- luacheck: ignore 211 512
-- SPDX-License-Identifier: MIT
-- Sections of spec/c/oom.lua: what waits for several things, or for so long.
local M = dofile "spec/c/oom_part.lua"
local virtual, same, is, tells = M.virtual, M.same, M.is, M.tells

virtual("gather", function(neap, await, create_task)
  local function give(x) return function() await(neap.sleep(x)) return x end end
  local r = await(neap.gather(give(2), give(1), neap.sleep(1, "s")))
  same(r.n, 3)
  same(r[1], 2)
  same(r[3], "s")
  r = await(neap.gather{give(1), function() error({}) end, return_exceptions = true})
  if type(r[2]) ~= "table" then error(r[2], 0) end
  local ok, err = pcall(await, neap.gather(give(1), function() await(neap.sleep(0)) error("bad") end))
  same(ok, false)
  tells(err, "bad")
  local g = neap.gather(give(5), give(6))
  neap.call_later(1, g.cancel, g, "enough")
  ok, err = pcall(await, g)
  same(ok, false)
  is(err, neap.CancelledError)
  local done = create_task(give(0))
  await(done)
  same(await(neap.gather(done, done))[2], 0)
  same(await(neap.gather()).n, 0)
end)

virtual("wait", function(neap, await, create_task)
  local a = create_task(function() await(neap.sleep(1)) end)
  local b = create_task(function() await(neap.sleep(2)) end)
  local c = create_task(function() await(neap.sleep(3)) error("c") end)
  local done, pending = await(neap.wait({a, b, c}, {return_when = "FIRST_COMPLETED"}))
  same(done.n, 1)
  same(pending.n, 2)
  done = await(neap.wait({a, b}, {timeout = 0.5}))
  same(done.n, 1)
  done = await(neap.wait({a, b, c}, {return_when = "FIRST_EXCEPTION", timeout = 10}))
  same(done.n, 3)
end)

virtual("wait_for", function(neap, await)
  same(await(neap.wait_for(neap.sleep(1, "in time"), 2)), "in time")
  local ok, err = pcall(await, neap.wait_for(neap.sleep(2), 1))
  same(ok, false)
  is(err, neap.TimeoutError)
  ok, err = pcall(await, neap.wait_for(neap.Future(), 0))
  same(ok, false)
  is(err, neap.TimeoutError)
  same(await(neap.wait_for(function() return 5 end, nil)), 5)
end)

virtual("as_completed", function(neap, await, create_task)
  local order = ""
  local function give(x) return create_task(function() return await(neap.sleep(x, x)) end) end
  for f in neap.as_completed({give(3), give(1), give(2)}) do order = order .. f:result() end
  same(order, "123")
  local late = 0
  for f in neap.as_completed({give(1), give(9)}, {timeout = 5}) do
    local ok, err = pcall(f.result, f)
    if not ok then
      is(err, neap.TimeoutError)
      late = late + 1
    end
  end
  same(late, 1)
  for _ in neap.as_completed({give(1), give(2)}) do break end
end)

virtual("shield", function(neap, await, create_task)
  local inner = create_task(function() return await(neap.sleep(2, "kept")) end)
  local outer = neap.shield(inner)
  neap.call_later(1, outer.cancel, outer)
  local ok, err = pcall(await, outer)
  same(ok, false)
  is(err, neap.CancelledError)
  same(await(neap.shield(inner)), "kept")
  ok, err = pcall(await, neap.shield(function() await(neap.sleep(1)) error("inside") end))
  same(ok, false)
  tells(err, "inside")
end)

virtual("timeout", function(neap, await)
  local ok, err = pcall(function()
    local scope <close> = neap.timeout(1)
    same(scope:expired(), false)
    await(neap.sleep(5))
  end)
  same(ok, false)
  is(err, neap.TimeoutError)
  same(neap.timeout(5, function() return await(neap.sleep(1, "x")) end), "x")
  same(select("#", neap.move_on_after(1, function() await(neap.Future()) end)), 0)
  neap.timeout_at(neap.time() + 1, function(scope)
    scope:reschedule(neap.time() + 5)
    await(neap.sleep(2))
  end)
  ok, err = pcall(neap.timeout, 3, function() neap.timeout(1, function() await(neap.sleep(9)) end) end)
  same(ok, false)
  is(err, neap.TimeoutError)
end)

virtual("task groups", function(neap, await)
  local sum = 0
  do
    local tg <close> = neap.TaskGroup()
    for i = 1, 3 do tg:create_task(function() await(neap.sleep(i)) sum = sum + i end, {name = "member"}) end
  end
  same(sum, 6)
  local ok, err = pcall(neap.task_group, function(tg)
    tg:create_task(function() await(neap.sleep(1)) error("one") end)
    tg:create_task(function()
      pcall(await, neap.sleep(9))
      error("two")
    end)
    await(neap.sleep(9))
  end)
  same(ok, false)
  is(err, neap.ExceptionGroup)
  if #err.errors ~= 2 then error(err, 0) end
  same(neap.task_group(function(tg)
    tg:create_task(neap.sleep(9))
    tg:cancel()
    return "left"
  end), "left")
end)

return M
