-- SPDX-License-Identifier: MIT
-- What every kind of stream must do. battery(name, kind): kind.open(options) gives two streams, of which the
-- first is read from and the second written to, and maybe a function that ends what stands between them.
--   duplex   both are read from and written to
--   half     write_eof ends one direction
--   fragile  the writer hears of a reader that is gone
local assert = require "luassert"
local neap = require "neap"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await = neap.await
local fails, raises, turn, started, fill = pair.fails, pair.raises, pair.turn, pair.started, pair.fill

-- A text of n bytes in lines.
local function text_of(n)
  local lines, size = {}, 0
  while size < n do
    lines[#lines + 1] = ("%d %s\n"):format(#lines, ("x"):rep(#lines % 61))
    size = size + #lines[#lines]
  end
  return table.concat(lines):sub(1, n)
end

-- Sends the end, in whatever way the kind has.
local function finish(w)
  if w:can_write_eof() then w:write_eof() else w:close() end
end

-- { name, the bytes that it takes, what it gives, the call }
local forms = {
  { "read(n)", "abcdef", "abcdef", function(r)
    local got = ""
    while #got < 6 do got = got .. await(r:read(6 - #got)) end
    return got
  end },
  { "readexactly", "abcdef", "abcdef", function(r) return await(r:readexactly(6)) end },
  { "readline", "abcde\n", "abcde\n", function(r) return await(r:readline()) end },
  { "read l", "abcde\n", "abcde", function(r) return await(r:read "l") end },
  { "readuntil", "ab--de-->", "ab--de-->", function(r) return await(r:readuntil "-->") end },
  { "readuntil of several", "ab\r\r\n", "ab\r\r\n", function(r) return await(r:readuntil { "\r\n", "!!!!" }) end },
  { "lines", "a\nb\nc\n", "a,b,c", function(r)
    local got = {}
    for line in r:lines() do
      got[#got + 1] = line
      if #got == 3 then break end
    end
    return table.concat(got, ",")
  end },
}

return function(name, kind)
  local function with(fn, options)
    return function()
      collectgarbage()
      collectgarbage()
      loop.run(function() -- libuv keeps a descriptor from its first stream on
        for _, s in ipairs { neap.pipe() } do s:close() end
        loop.ticks(3)
      end, { clock = "real" })
      local before = loop.descriptors()
      loop.run(function()
        local r, w, stop = kind.open(options)
        fn(r, w)
        r:abort()
        w:abort()
        pcall(await, r:wait_closed())
        pcall(await, w:wait_closed())
        if stop then stop() end
      end, { clock = "real" })
      assert.is_true(loop.closed(before))
    end
  end

  describe(name, function()
    it("is read in every way", with(function(r, w)
      w:write("0123456789", "line one\nline two\nthree--four\n", "the rest")
      assert.equal("0123", await(r:readexactly(4)))
      assert.equal("4567", await(r:readexactly(4)))
      assert.equal("89", await(r:readexactly(2)))
      assert.equal("line one", await(r:read "l"))
      assert.equal("line two\n", await(r:readline()))
      assert.equal("three--", await(r:readuntil "--"))
      assert.equal("four\n", await(r:read "L"))
      assert.equal("the ", await(r:readexactly(4)))
      finish(w)
      assert.equal("rest", await(r:read "a"))
      assert.is_nil(await(r:read(1)))
      assert.is_nil(await(r:read "l"))
      assert.equal("", await(r:read "a"))
      assert.is_true(r:at_eof())
      assert.equal("", fails(r:readexactly(1)).partial)
    end))

    it("gives the same wherever the bytes are parted", with(function(r, w)
      for _, form in ipairs(forms) do
        local what, sent, expected, call = table.unpack(form)
        for at = 0, #sent do
          w:write(sent:sub(1, at))
          local task = started(function() return call(r) end)
          turn(3)
          if at < #sent then assert.is_false(task:done(), what) end
          w:write(sent:sub(at + 1))
          assert.equal(expected, await(task), what)
        end
      end
    end))

    it("gives the same byte by byte", with(function(r, w)
      for _, form in ipairs(forms) do
        local task = started(function() return form[4](r) end)
        for at = 1, #form[2] do
          await(w:write(form[2]:sub(at, at)))
          turn(1)
        end
        assert.equal(form[3], await(task), form[1])
      end
    end))

    it("loses no byte of a read that is cancelled", with(function(r, w)
      for _, form in ipairs(forms) do
        local _, sent, expected, call = table.unpack(form)
        local task = started(function() return call(r) end)
        task:cancel()
        assert.is_true(neap.is(fails(task), neap.CancelledError))
        if form[1] ~= "read(n)" and form[1] ~= "lines" then -- these take what they get
          w:write(sent:sub(1, 3))
          task = started(function() return call(r) end)
          turn(2)
          task:cancel()
          assert.is_true(neap.is(fails(task), neap.CancelledError))
          w:write(sent:sub(4))
        else
          w:write(sent)
        end
        assert.equal(expected, call(r))
      end
    end))

    it("keeps its limit", with(function(r, w)
      w:write(("x"):rep(300), "\n", "next\n", ("y"):rep(300), "--", "after\n")
      local err = raises(neap.LimitOverrunError, r:readline())
      assert.is_true(err.consumed >= 100 and err.consumed <= 300)
      local ok, line
      repeat ok, line = pcall(await, r:read "l") until ok and line == "next" -- the rest of the long one may come later
      raises(neap.LimitOverrunError, r:readuntil "--")
      assert.equal(("y"):rep(300), await(r:readexactly(300)))
      assert.equal("--after\n", await(r:readline()))
    end, { limit = 100 }))

    it("carries much, in order", with(function(r, w)
      local text = text_of(kind.much or 1 << 20)
      local writer = neap.create_task(function()
        for at = 1, #text, 50000 do await(w:write(text:sub(at, at + 49999))) end
        await(w:drain())
        if kind.half then w:write_eof() end
      end)
      if kind.half then
        assert.is_true(await(r:read "a") == text)
      else
        assert.is_true(await(r:readexactly(#text)) == text)
      end
      await(writer)
    end))

    it("holds a writer back until it is read", with(function(r, w)
      fill(w)
      local drained = started(function() await(w:drain()) end)
      local cancelled = started(function() await(w:drain()) end)
      cancelled:cancel()
      assert.is_true(neap.is(fails(cancelled), neap.CancelledError))
      turn(20)
      assert.is_false(drained:done())
      assert.is_true(w:get_write_buffer_size() > 65536)
      while not drained:done() do await(r:read(65536)) end
      await(drained)
      assert.is_true(w:get_write_buffer_size() <= 16384)
    end))

    it("sends what was written before it closes", with(function(r, w)
      local text = text_of(kind.much or 300000)
      w:write(text)
      local writer = neap.create_task(function()
        if kind.half then w:close() end
        if kind.half then await(w:wait_closed()) end
      end)
      assert.is_true(await(kind.half and r:read "a" or r:readexactly(#text)) == text)
      await(writer)
    end))

    it("wakes its reader when it is closed", with(function(r, w)
      local reader = started(function() return await(r:read(10)) end)
      local closed = started(function() await(r:wait_closed()) end)
      r:close()
      raises(neap.ConnectionAbortedError, reader, "ECONNABORTED")
      raises(neap.ConnectionAbortedError, r:read(1))
      await(closed)
      assert.is_nil(r:get_extra_info "fd")
      assert.is_truthy(w)
    end))

    it("wakes its writers when it is closed", with(function(_, w)
      fill(w)
      local one = started(function() await(w:drain()) end)
      local other = started(function() await(w:write "x") end)
      w:close()
      raises(neap.ConnectionAbortedError, one)
      raises(neap.ConnectionAbortedError, other)
      local closed = started(function() await(w:wait_closed()) end)
      assert.is_false(closed:done())
      w:abort()
      await(closed)
    end))

    it("ends for its reader when the writer aborts", with(function(r, w)
      w:write "something"
      assert.equal("something", await(r:readexactly(9)))
      local reader = started(function() return await(r:read(10)) end)
      w:abort()
      local ok, err = pcall(await, reader)
      if ok then assert.is_nil(err) else assert.is_true(neap.is(err, neap.ConnectionResetError)) end
    end))

    if kind.fragile then
      it("tells its writer that the reader is gone", with(function(r, w)
        fill(w)
        local drained = started(function() await(w:drain()) end)
        r:close()
        local err = fails(drained)
        assert.is_true(neap.is(err, neap.ConnectionError), tostring(err))
        assert.is_true(neap.is(fails(w:write "x"), neap.ConnectionError))
      end))
    end

    it("has one reader at a time", with(function(r, w)
      local reader = started(function() return await(r:read(10)) end)
      raises(neap.RuntimeError, r:read(1))
      raises(neap.RuntimeError, r:readline())
      w:write "x"
      assert.equal("x", await(reader))
    end))

    it("has no bytes after the end was written", with(function(r, w)
      if not w:can_write_eof() then
        assert.is_true(neap.is(loop.failure(w.write_eof, w), neap.RuntimeError))
        return
      end
      fill(w)
      local drained = started(function() await(w:drain()) end)
      w:write_eof()
      w:write_eof()
      assert.is_true(neap.is(loop.failure(w.write, w, "x"), neap.RuntimeError))
      while await(r:read(65536)) do end
      await(drained)
      await(w:drain())
    end))

    it("tells about itself", with(function(r, w)
      local fd = r:get_extra_info "fd"
      assert.equal("integer", math.type(fd))
      assert.equal(fd, r:get_extra_info "socket" or r:get_extra_info "pipe")
      assert.is_nil(r:get_extra_info "nothing")
      assert.equal(1, r:get_extra_info("nothing", 1))
      assert.matches("^neap.Stream %(open, .+%)$", tostring(r))
      assert.matches("^neap.Stream %(open, .+%)$", tostring(w))
      assert.is_false(r:is_closing())
      r:close()
      assert.matches("^neap.Stream %(clos%a+, .+%)$", tostring(r))
      assert.is_true(r:is_closing())
      await(r:wait_closed())
      assert.matches("^neap.Stream %(closed, .+%)$", tostring(r))
    end))

    if kind.duplex then
      it("goes both ways at once", with(function(r, w)
        local text = text_of(kind.much or 200000)
        local tasks = {}
        for i, s in ipairs { r, w } do
          tasks[i] = neap.create_task(function() return await(s:readexactly(#text)) end)
          neap.create_task(function() await(s:write(text)) end)
        end
        assert.is_true(await(tasks[1]) == text)
        assert.is_true(await(tasks[2]) == text)
      end))

      if kind.half then
        it("goes on in one direction when the other has ended", with(function(r, w)
          w:write "question"
          w:write_eof()
          assert.equal("question", await(r:read "a"))
          for _ = 1, 3 do
            r:write "answer\n"
            assert.equal("answer", await(w:read "l"))
          end
          r:write_eof()
          assert.is_nil(await(w:read(1)))
        end))
      end
    else
      it("goes one way only", with(function(r, w)
        for _, method in ipairs { "write", "writelines", "drain", "write_eof" } do
          assert.is_true(neap.is(loop.failure(r[method], r, {}), neap.RuntimeError), method)
        end
        for _, method in ipairs { "read", "readline", "readexactly", "readuntil", "lines" } do
          assert.is_true(neap.is(loop.failure(w[method], w), neap.RuntimeError), method)
        end
        assert.is_false(r:can_write_eof())
        assert.is_true(w:can_write_eof())
        finish(w)
        assert.is_nil(await(r:read(1)))
        await(r:wait_closed())
        await(w:wait_closed())
      end))
    end
  end)
end
