-- SPDX-License-Identifier: MIT
-- A task that waits in read(n) for large messages receives them by itself, through TLS.
local neap = require "neap"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await, fails, started = neap.await, pair.fails, pair.started

local message = ("0123456789abcdef"):rep(1024) -- one record

-- Awaits read(n) of all of it.
local function take(stream)
  local got = ""
  while #got < #message do got = got .. await(stream:read(65536)) end
  return got
end

describe_tls("A reader of large messages over TLS", function()
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it(("loses no byte when it is cancelled, and sees the end (%s)"):format(version), pair.with_tls(function(a, b)
      a:write(message)
      assert.equal(message, take(b))
      for steps = 0, 6 do
        local reader = started(function() return await(b:read(65536)) end)
        a:write(message)
        pair.turn(steps)
        reader:cancel()
        local ok, data = pcall(await, reader)
        local got = ok and data or ""
        assert.equal(message, got .. await(b:readexactly(#message - #got)))
      end
      local reader = started(function() return await(b:read(10)), await(b:read(65536)), await(b:read(65536)) end)
      a:write(("n"):rep(50))
      a:write_eof()
      assert.same({ ("n"):rep(10), ("n"):rep(40) }, { await(reader) })
    end, { client = { maximum_version = version } }))
  end

  it("keeps what it did not take for other reads", pair.with_tls(function(a, b)
    for _ = 1, 3 do
      local reader = started(function() return await(b:read(65536)) end)
      a:write(message)
      await(reader)
      if #await(reader) < #message then await(b:readexactly(#message - #await(reader))) end
    end
    local reader = started(function() return await(b:read(6)) end)
    a:write(message)
    assert.equal("012345", await(reader))
    assert.equal(message:sub(7), await(b:readexactly(#message - 6)))
  end))

  it("hears that the connection was cut, or a record spoilt", function()
    for how, class in pairs { cut = neap.TLSEOFError, spoil = neap.TLSError } do
      local change, changed = false, false
      pair.with_middle(function(a, b)
        for _ = 1, 3 do
          local reader = started(function() return take(b) end)
          a:write(message)
          assert.equal(message, await(reader))
        end
        local reader = started(function() return await(b:read(65536)) end)
        change = true
        a:write(message)
        pair.is_a(class, fails(reader))
        pair.is_a(class, fails(b:read(65536)))
      end, { up = function(data, to)
        if not change then
          await(to:write(data))
        elseif how == "spoil" then
          await(to:write(data:sub(1, -2) .. string.char(data:byte(-1) ~ 1)))
        elseif not changed then
          changed = true
          to:write(data:sub(1, -2))
          to:write_eof()
        end
      end })()
    end
  end)
end)
