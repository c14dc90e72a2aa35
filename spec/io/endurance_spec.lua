-- SPDX-License-Identifier: MIT
-- A server that many come to and leave: nothing is left of them.
local loop = require "spec.support.loop"
local neap = require "neap"
local await = neap.await

local function memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count"
end

-- n times client(port), 50 at once.
local function storm(n, port, client)
  local left = n
  neap.task_group(function(group)
    for _ = 1, 50 do
      group:create_task(function()
        while left > 0 do
          left = left - 1
          client(port)
        end
      end)
    end
  end)
end

-- Aborted by the client, so that no port stays in TIME_WAIT.
local clients = {
  ["that are dropped at once"] = function(port) await(neap.open_connection("127.0.0.1", port)):abort() end,
  ["that leave in the middle of a line"] = function(port)
    local stream = await(neap.open_connection("127.0.0.1", port))
    await(stream:write "half a li")
    stream:abort()
  end,
  ["that never read"] = function(port)
    local stream = await(neap.open_connection("127.0.0.1", port))
    await(stream:write "line\n")
    await(neap.sleep(0))
    stream:abort()
  end,
  ["that are answered"] = function(port)
    local stream = await(neap.open_connection("127.0.0.1", port))
    await(stream:write "line\n")
    assert(await(stream:read "L") == "line\n")
    stream:abort()
  end,
}

describe("A server", function()
  local function number_of(name) return loop.size(name:find "dropped" and 10000 or 2000, 500) end

  setup(function() -- libuv keeps a descriptor in reserve from the first stream on
    neap.run(function() pcall(await, neap.open_connection("127.0.0.1", 1)) end)
  end)

  for name, client in pairs(clients) do
    local n = number_of(name)
    it(("outlives %d connections %s"):format(n, name), function()
      neap.run(function()
        local before = loop.lasting_descriptors()
        local server = await(neap.start_server(function(stream)
          pcall(function()
            for line in stream:lines "L" do await(stream:write(line)) end
          end)
        end, "127.0.0.1", 0, { backlog = 1024 }))
        local port = server:getsockname().port
        storm(100, port, client)
        local first = memory()
        storm(n, port, client)
        local stream = await(neap.open_connection("127.0.0.1", port))
        await(stream:write "still here\n")
        assert.equal("still here\n", await(stream:read "L"))
        stream:abort()
        server:close()
        await(server:wait_closed())
        assert.is_true(loop.closed(before))
        assert.is_true(memory() < first + 200, "kilobytes stay: " .. memory() - first)
      end)
    end)
  end
end)
