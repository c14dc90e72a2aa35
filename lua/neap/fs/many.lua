-- SPDX-License-Identifier: MIT
-- Requests by the dozen, without a task for each.
local core = require "neap.core"

local await, Future = core.await, core.Future

-- many(n, limit, start): calls start(i, done) for each i from 1 to n, at most `limit` at a time; it starts
-- a request of luv's whose callback calls done(error or nil). Waits for all. After an error, which is
-- raised in the end, or a cancellation no more are started; what has begun goes on.
return function(n, limit, start)
  local next, running, problem, waiter = 1, 0, nil, nil
  local done

  local function begin()
    while next <= n and running < limit and problem == nil do
      local i = next
      next, running = next + 1, running + 1
      local ok, request, reason = pcall(start, i, done)
      if not ok or not request then
        running = running - 1
        problem = ok and reason or request
      end
    end
  end

  function done(reason)
    running = running - 1
    if problem == nil then problem = reason end
    begin()
    if running == 0 and waiter and not waiter:done() then waiter:set_result() end
  end

  begin()
  if running > 0 then
    waiter = Future()
    local ok, cancelled = pcall(await, waiter)
    if not ok then
      next = n + 1
      error(cancelled, 0)
    end
  end
  if problem ~= nil then error(problem, 0) end
end
