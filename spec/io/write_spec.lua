-- SPDX-License-Identifier: MIT
local neap = require "neap"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local with_pair, fails, turn, started, fill = pair.with_pair, pair.fails, pair.turn, pair.started, pair.fill

describe("Stream", function()
  describe("writing", function()
    it("takes strings and numbers, any number of them", with_pair(function(a, b)
      a:write()
      a:write("")
      a:write("a", 1, 2.5, "b")
      a:write(table.unpack((function()
        local t = {}
        for i = 1, 40 do t[i] = i % 10 end
        return t
      end)()))
      a:writelines { "x", 7, "y" }
      a:writelines {}
      a:write_eof()
      assert.equal("a12.5b" .. ("1234567890"):rep(4) .. "x7y", await(b:read("a")))
    end))

    it("returns one awaitable that is ready while little is buffered", with_pair(function(a)
      local ran = false
      neap.call_soon(function() ran = true end)
      local first = a:write("x")
      assert.equal(first, a:write("y"))
      assert.equal(first, a:drain())
      await(first)
      assert.is_false(ran)
    end))

    it("waits above the high-water mark until the peer reads", with_pair(function(a, b)
      fill(a)
      local drained = started(function() await(a:drain()) end)
      local also = started(function() await(a:write("!")) end)
      turn(20)
      assert.is_false(drained:done())
      assert.is_false(also:done())
      local reader = neap.create_task(function()
        local last
        repeat
          local data = await(b:read(1 << 20))
          last = data or last
        until not data
        return last:sub(-1)
      end)
      await(drained)
      await(also)
      assert.is_true(a:get_write_buffer_size() <= 16384)
      a:write_eof()
      assert.equal("!", await(reader))
    end))

    it("can set the marks", with_pair(function(a, b)
      fill(a)
      a:set_write_buffer_limits { high = 1 << 30 }
      await(a:drain())
      a:set_write_buffer_limits { high = 0 }
      local drained = started(function() await(a:drain()) end)
      assert.is_false(drained:done())
      local reader = neap.create_task(function() while await(b:read(1 << 20)) do end end)
      await(drained)
      assert.equal(0, a:get_write_buffer_size())
      a:close()
      await(reader)
      assert.has_error(function() a:set_write_buffer_limits { high = 1, low = 2 } end)
      assert.has_error(function() a:set_write_buffer_limits { high = -1 } end)
    end))

    it("keeps the order of what the kernel did not take at once", with_pair(function(a, b)
      local pieces, n = {}, 300
      for i = 1, n do pieces[i] = ("%08d"):format(i):rep(1000) end
      local writer = neap.create_task(function()
        for i = 1, n do
          if i % 7 == 0 then await(a:write(pieces[i])) else a:write(pieces[i]) end
        end
        a:write_eof()
      end)
      assert.is_true(table.concat(pieces) == await(b:read("a")))
      await(writer)
    end))

    it("goes on in both directions at once", with_pair(function(a, b)
      local text = ("abcdefghij"):rep(200000)
      local function both(stream)
        return neap.create_task(function()
          local writer = neap.create_task(function()
            await(stream:write(text))
            await(stream:drain())
            stream:write_eof()
          end)
          local got = await(stream:read("a"))
          await(writer)
          return got == text
        end)
      end
      local one, other = both(a), both(b)
      assert.is_true(await(one))
      assert.is_true(await(other))
    end))

    it("survives the cancellation of a drain", with_pair(function(a, b)
      fill(a)
      local one = started(function() await(a:drain()) end)
      local other = started(function() await(a:drain()) end)
      one:cancel()
      assert.is_true(neap.is(fails(one), neap.CancelledError))
      local reader = neap.create_task(function() while await(b:read(1 << 20)) do end end)
      await(other)
      a:close()
      await(reader)
    end))

    it("ends its side with write_eof and still reads", with_pair(function(a, b)
      assert.is_true(a:can_write_eof())
      a:write("question")
      a:write_eof()
      a:write_eof()
      assert.equal("question", await(b:read("a")))
      local ok, err = pcall(a.write, a, "more")
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.RuntimeError))
      await(a:drain())
      await(b:write("answer"))
      b:close()
      assert.equal("answer", await(a:read("a")))
    end))

    it("sends the end after what is buffered", with_pair(function(a, b)
      fill(a)
      local size = 0
      a:write("last")
      a:write_eof()
      local tail
      while true do
        local data = await(b:read(1 << 20))
        if not data then break end
        size, tail = size + #data, data
      end
      assert.equal("last", tail:sub(-4))
    end))
  end)
end)
