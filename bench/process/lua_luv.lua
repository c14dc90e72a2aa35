-- Callbacks straight on luv.
local uv, B = require "luv", require "bench"
local total, width = B.args.total, B.args.width

local t0, check, left = B.start(), 0, total

local function work()
  if left == 0 then return end
  left = left - 1
  local handle
  handle = uv.spawn("true", { stdio = { 0, 1, 2 } }, function(code)
    if code == 0 then check = check + 1 end
    handle:close()
    work()
  end)
end

for _ = 1, width do work() end
uv.run()
B.report(t0, total, check)
