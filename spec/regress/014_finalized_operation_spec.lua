-- An operation that a finalizer brought back after its stream or server was collected with it.
local neap = require "neap"
local loop = require "spec.support.loop"
local await = neap.await

describe("An operation that outlives its stream", function()
  it("014 fails when it is awaited", function()
    loop.run(function()
      local server <close> = await(neap.start_server(function(stream) await(stream:read "a") end, "127.0.0.1", 0))
      local port, kept = server:getsockname().port, {}
      for _, method in ipairs { "read", "drain", "wait_closed" } do
        local function open()
          local stream = await(neap.open_connection("127.0.0.1", port))
          setmetatable({ operation = stream[method](stream) }, { __gc = function(o) kept[#kept + 1] = o.operation end })
        end
        open()
        collectgarbage()
        collectgarbage()
      end
      for _, operation in ipairs(kept) do loop.raises(neap.ConnectionAbortedError, await, operation) end
      server:close()
      await(server:wait_closed())
    end, { clock = "real" })
  end)
end)
