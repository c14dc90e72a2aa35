-- SPDX-License-Identifier: MIT
-- Addresses of the loopback on which connecting does not end: somebody listens, and the backlog is full.
local neap = require "neap"
local uv = require "luv"
local await = neap.await

local M = {}

local function connect(self, n)
  for _ = 1, n do
    local tcp = uv.new_tcp()
    tcp:connect(self.ip, self.port, function() end)
    self[#self + 1] = tcp
  end
end

local meta = { __index = M, __close = function(self) self:close() end }

-- hanging = open(ip, port): {ip =, port =}, for a <close> variable; port 0: any that is free
function M.open(ip, port)
  local self, taken = setmetatable({ ip = ip }, meta), neap.Event()
  self.listener = uv.new_tcp()
  assert(self.listener:bind(ip, port))
  -- libuv takes one connection, which nobody accepts, and then leaves the rest to the kernel
  assert(self.listener:listen(1, function() taken:set() end))
  self.port = self.listener:getsockname().port
  connect(self, 4)
  await(taken:wait())
  connect(self, 4) -- the room that the one has left
  await(neap.sleep(0))
  return self
end

function M:close()
  self.listener:close()
  for _, tcp in ipairs(self) do tcp:close() end
  await(neap.sleep(0))
end

return M
