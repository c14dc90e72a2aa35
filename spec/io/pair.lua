-- SPDX-License-Identifier: MIT
-- What the specs of streams share: two ends of a connection, and errors looked at.
local assert = require "luassert"
local neap = require "neap"
local await = neap.await

local M = {}

-- A function that runs fn(a, b) in the loop with the two ends of a connection; closes them after.
function M.with_pair(fn, options)
  return function()
    neap.run(function()
      local accepted = neap.Future()
      local done = neap.Future()
      local server <close> = await(neap.start_server(function(stream)
        accepted:set_result(stream)
        await(done)
      end, "127.0.0.1", 0, options))
      local a <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port, options))
      local b <close> = await(accepted)
      fn(a, b)
      done:set_result()
    end)
  end
end

function M.fails(awaitable)
  local ok, err = pcall(await, awaitable)
  assert.is_false(ok)
  return err
end

function M.raises(class, awaitable, code)
  local err = M.fails(awaitable)
  assert.is_true(neap.is(err, class), tostring(err))
  if code then assert.equal(code, err.code) end
  return err
end

-- Lets everything that is ready run.
function M.turn(n)
  for _ = 1, n or 5 do await(neap.sleep(0)) end
end

-- Starts a task and lets it come to its first await.
function M.started(fn)
  local task = neap.create_task(fn)
  M.turn(2)
  return task
end

-- Writes until the kernel takes no more.
function M.fill(stream)
  local chunk = ("x"):rep(65536)
  repeat stream:write(chunk) until stream:get_write_buffer_size() > 4 * 65536
end

return M
