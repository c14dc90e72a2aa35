-- SPDX-License-Identifier: MIT
-- Records cut anywhere, garbage, and ends in the middle: through a man in the middle who knows no TLS.
local neap = require "neap"
local loop = require "spec.support.loop"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await, with_middle = neap.await, pair.with_middle

local versions = { "TLSv1.2", "TLSv1.3" }

-- Passes bytes on in pieces of the sizes that size() gives.
local function pieces(size)
  return function(data, to)
    local at = 1
    while at <= #data do
      local n = size()
      await(to:write(data:sub(at, at + n - 1)))
      at = at + n
      await(neap.sleep(0))
    end
  end
end

local function talk(a, b, sizes)
  for _, size in ipairs(sizes) do
    local text = ("0123456789abcdefg"):rep(size // 17 + 1):sub(1, size)
    for from, to in pairs { [a] = b, [b] = a } do
      local reader = neap.create_task(to:readexactly(size))
      await(from:write(text))
      assert.equal(text, await(reader))
    end
  end
  a:write_eof()
  assert.equal("", await(b:read "a"))
  b:write_eof()
  assert.equal("", await(a:read "a"))
end

describe_tls("Records", function()
  for _, version in ipairs(versions) do
    it(("may come byte by byte (%s)"):format(version), function()
      local pass = pieces(function() return 1 end)
      with_middle(function(a, b) talk(a, b, { 1, 100, 1000 }) end,
        { up = pass, down = pass, client = { maximum_version = version } })()
    end)

    it(("may be cut anywhere (%s)"):format(version), function()
      for seed = 1, loop.size(20, 4) do
        local state = seed
        local pass = pieces(function()
          state = (state * 1103515245 + 12345) & 0x7fffffff
          return state % 7 == 0 and 1 + state % 40000 or 1 + state % 700
        end)
        with_middle(function(a, b) talk(a, b, { 1, 5000, 16384, 50000 }) end,
          { up = pass, down = pass, client = { maximum_version = version } })()
      end
    end)
  end
end)

describe_tls("A connection that ends in the middle", function()
  -- Passes on so many bytes in a direction, then ends both, in order or not.
  local function cut(after, direction, how, version)
    local left = after
    local ended = false
    local function pass(data, to)
      if ended then return end
      local part = data:sub(1, left)
      left = left - #part
      if #part > 0 then await(to:write(part)) end
      if left == 0 then
        ended = true
        if how == "abort" then to:abort() else to:write_eof() end
      end
    end
    local outcome
    with_middle(function(connect)
      local ok, stream = pcall(await, neap.wait_for(connect(), 10))
      if ok then
        local fine, err = pcall(function()
          stream:write "hello"
          return await(neap.wait_for(stream:read "a", 10))
        end)
        stream:abort()
        ok, stream = fine, err
      end
      outcome = ok and "ok" or stream
    end, { blind = true, [direction] = pass, client = { maximum_version = version }, handler = function() end,
      serve = function(stream)
        await(stream:read(5))
        await(stream:write "hello")
      end })()
    return outcome, ended
  end

  for _, version in ipairs(versions) do
    for _, how in ipairs { "write_eof", "abort" } do
      it(("gives an error wherever it is (%s, %s)"):format(version, how), function()
        for _, direction in ipairs { "up", "down" } do
          for after = 1, 900, loop.size(19, 113) do
            local outcome, ended = cut(after, direction, how, version)
            local fine = neap.is(outcome, neap.OSError) or outcome == "ok" and (direction == "up" or not ended)
            assert.is_true(fine, ("%s %d: %s"):format(direction, after, tostring(outcome)))
            assert.is_false(neap.is(outcome, neap.TimeoutError), tostring(outcome))
          end
        end
      end)
    end
  end
end)

describe_tls("Garbage", function()
  local function random(seed, n)
    local bytes, state = {}, seed
    for i = 1, n do
      state = (state * 1103515245 + 12345) & 0x7fffffff
      bytes[i] = string.char(state >> 16 & 255)
    end
    return table.concat(bytes)
  end

  it("in the place of a client is an error of its connection only", function()
    pair.with_server(pair.echo, { tls = pair.server_context() }, function(port, reports)
      for seed = 1, loop.size(100, 20) do
        local stream <close> = await(neap.open_connection("127.0.0.1", port))
        local head = ({ "", "\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
          "\x80\x2e\x01" })[seed % 4 + 1]
        stream:write(head, random(seed, seed * 13))
        stream:write_eof()
        pcall(await, neap.wait_for(stream:read "a", 10))
      end
      pair.until_(function() return #reports == loop.size(100, 20) end)
      for _, report in ipairs(reports) do pair.is_a(neap.TLSError, report.exception) end
    end)
  end)

  it("in the place of a server is an error", function()
    local seed = 0
    pair.with_server(function(stream)
      await(stream:read(10000))
      seed = seed + 1
      local head = ({ "", "\x16\x03\x03", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
        "\x15\x03\x03\x00\x02" })[seed % 4 + 1]
      await(stream:write(head, random(seed, seed * 13)))
    end, {}, function(port)
      for _ = 1, loop.size(100, 20) do
        local err = pair.refused(port, { tls = pair.client_context(), server_hostname = "localhost" })
        pair.is_a(neap.OSError, err)
      end
    end)
  end)

  it("anywhere in the stream is an error, and never text", function()
    for at = 1, 1500, loop.size(61, 307) do
      local left = at
      local function spoil(data, to)
        if left > 0 and left <= #data then
          data = data:sub(1, left - 1) .. string.char(data:byte(left) ~ 0x55) .. data:sub(left + 1)
        end
        left = left - #data
        await(to:write(data))
      end
      local text = ("x"):rep(300)
      with_middle(function(connect)
        local ok, stream = pcall(await, neap.wait_for(connect(), 10))
        if not ok then return pair.is_a(neap.OSError, stream) end
        local fine, got = pcall(function()
          stream:write(text)
          return await(neap.wait_for(stream:read "a", 10))
        end)
        assert.is_true(not fine or left > 0, "nobody noticed")
        assert.is_true(fine and got == text or neap.is(got, neap.OSError), tostring(got))
        stream:abort()
      end, { blind = true, down = spoil, handler = function() end, serve = function(stream)
        await(stream:write(await(stream:readexactly(#text))))
      end })()
    end
  end)
end)

describe_tls("A client that is not answered yet", function()
  it("is lost when it goes on sending", pair.with_middle(function(connect, _, middle)
    local client = neap.create_task(connect())
    pair.until_(function() return middle.server end)
    pcall(function()
      for _ = 1, 64 do await(middle.server:write(("x"):rep(65536))) end
    end)
    local _, err = pcall(await, neap.wait_for(client, 20))
    pair.is_a(neap.OSError, err)
    assert.is_false(neap.is(err, neap.TimeoutError))
  end, { blind = true, handler = function() end, serve = function() error "nobody gets so far" end,
    server = { sni = function() await(neap.Future()) end } }))
end)
