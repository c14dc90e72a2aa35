local neap = require "neap"
local files = dofile "spec/support/files.lua"

local await = neap.await
local path, content, failure, raises = files.path, files.content, files.failure, files.raises
local started = files.started

local function with(mode, text, fn, options)
  return function()
    if text then files.write("f", text) end
    return neap.run(function()
      local file <close> = await(neap.open(path "f", mode, options))
      fn(file)
    end)
  end
end

files.setup { before_each = before_each, after_each = after_each }

describe("File, writing", function()
  it("writes strings and numbers, also if nobody awaits", function()
    neap.run(function()
      local file = await(neap.open(path "f", "w"))
      file:write("one ", 2, " ", 2.5, "\n")
      file:write()
      file:write ""
      file:writelines { "three ", 4, "\n" }
      file:close()
      files.eventually(function() return not file:fileno() end)
      await(file:close())
    end)
    assert.equal("one 2 2.5\nthree 4\n", content "f")
  end)

  it("checks its arguments before it writes", with("w", nil, function(file)
    local ok, problem = pcall(function() file:write("x", {}) end)
    assert.is_false(ok)
    assert.matches("file_write_spec.lua:%d+: bad argument #2 to 'write' %(string expected, got table%)", problem)
    ok, problem = pcall(function() file:writelines { "x", 1, {} } end)
    assert.is_false(ok)
    assert.matches("bad argument #1 to 'writelines' %(string expected as element 3, got table%)", problem)
    assert.has_error(function() file:writelines "x" end)
    assert.has_error(function() file:truncate(-1) end)
    assert.is_true(neap.is(select(2, pcall(file.read, file)), neap.ValueError))
    await(file:flush())
    assert.equal("", content "f")
  end))

  it("leaves a list that it was given as it is", with("w", nil, function(file)
    local list = { "a", 1, "b" }
    await(file:writelines(list))
    assert.same({ "a", 1, "b" }, list)
  end))

  it("waits for room above the buffer's size", with("w", nil, function(file)
    local free = files.occupy()
    await(file:write(("x"):rep(10)))
    local task = started(function() await(file:write "y") end)
    assert.is_false(task:done())
    local other = started(function() await(file:write "z") end)
    free()
    await(task)
    await(other)
    await(file:flush())
    assert.equal("xxxxxxxxxxyz", content "f")
  end, { buffer = 10 }))

  it("waits until all is written without a buffer", with("w", nil, function(file)
    await(file:write "at once")
    assert.equal("at once", content "f")
  end, { buffer = 0 }))

  it("keeps writes whole and in order", with("w", nil, function(file)
    local tasks, expected = {}, {}
    for i = 1, 50 do
      local line = ("%d"):format(i):rep(20) .. "\n"
      expected[i] = line
      tasks[i] = function()
        for j = 1, #line do file:write(line:sub(j, j)) end
        await(file:flush())
      end
    end
    await(neap.gather(tasks))
    assert.equal(table.concat(expected), content "f")
  end))

  it("writes where reading stopped, not where it read ahead", with("r+", "0123456789", function(file)
    assert.equal("01", await(file:read(2)))
    await(file:write "ab")
    assert.equal(4, await(file:tell()))
    assert.equal("45", await(file:read(2)))
    await(file:write "c")
    assert.equal("789", await(file:read "a"))
    assert.equal("01ab45c789", content "f")
  end))

  it("appends at the end, wherever others wrote", with("a+", "0123", function(file)
    assert.equal("01", await(file:read(2)))
    await(file:write "4")
    await(file:flush())
    local other = io.open(path "f", "a")
    other:write "5"
    other:close()
    await(file:write "6")
    assert.equal(7, await(file:tell()))
    assert.is_nil(await(file:read(1)))
    assert.equal(1, await(file:seek("cur", -6)))
    assert.equal("123456", await(file:read "a"))
  end))

  it("stands at the end when it only appends", with("a", "0123", function(file)
    assert.equal(4, await(file:tell()))
  end))

  it("writes zeros and all other bytes", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local text = table.concat(bytes):rep(1000)
    neap.run(function()
      local file <close> = await(neap.open(path "f", "w+"))
      await(file:write(text))
      await(file:seek "set")
      assert.is_true(await(file:read "a") == text)
    end)
    assert.is_true(content "f" == text)
  end)

  it("truncates", with("r+", "0123456789", function(file)
    assert.equal("01", await(file:read(2)))
    assert.equal(2, await(file:truncate()))
    assert.is_nil(await(file:read(1)))
    assert.equal(4, await(file:truncate(4)))
    assert.equal("\0\0", await(file:read "a"))
    assert.equal("01\0\0", content "f")
  end))

  it("synchronises", with("w", nil, function(file)
    file:write "x"
    await(file:sync())
    assert.equal("x", content "f")
    file:write "y"
    await(file:datasync())
    assert.equal("xy", content "f")
    assert.equal(2, await(file:stat()).size)
  end))

  it("goes far", with("w+", nil, function(file)
    local far = 1 << 40
    assert.equal(far, await(file:seek("set", far)))
    await(file:write "x")
    assert.equal(far + 1, await(file:tell()))
    assert.equal(far + 1, await(file:stat()).size)
    assert.equal(far - 1, await(file:seek("end", -2)))
    assert.equal("\0x", await(file:read(10)))
    assert.equal(math.maxinteger, await(file:seek("set", math.maxinteger)))
    raises(neap.OSError, file:seek("cur", 1), "EINVAL")
    raises(neap.OSError, file:seek("set", -1), "EINVAL")
    raises(neap.OSError, file:seek("end", math.mininteger), "EINVAL")
    await(file:write "x")
    local problem = raises(neap.OSError, file:flush())
    assert.is_truthy(({ EINVAL = 1, EFBIG = 1, EOVERFLOW = 1 })[problem.code], problem.code)
    await(file:seek "set")
    assert.equal(1, await(file:truncate(1)))
  end))

  it("compares with Lua's io", function()
    local seed = 7
    local function random(n)
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return (seed >> 8) % n
    end
    local function text(n)
      local made = {}
      for i = 1, random(n) do made[i] = ("ab\n 12.e-x\0"):sub(random(10) + 1):sub(1, 1) end
      return table.concat(made)
    end
    for round = 1, 40 do
      local start = text(60)
      files.write("mine", start)
      files.write("his", start)
      local his = io.open(path "his", "r+b")
      neap.run(function()
        local mine <close> = await(neap.open(path "mine", "r+b", { buffer = ({ 0, 1, 3, 16, 65536 })[random(5) + 1] }))
        local log = {}
        for _ = 1, 30 do
          local what, expected, got = random(5), nil, nil
          if what == 0 then
            local piece = text(8)
            his:seek "cur"
            his:write(piece)
            his:seek "cur"
            mine:write(piece)
          elseif what == 1 then
            local whence, offset = ({ "set", "cur", "end" })[random(3) + 1], random(12) - 6
            expected, got = (his:seek(whence, offset)), select(2, pcall(await, mine:seek(whence, offset)))
            if not expected then
              assert.equal("EINVAL", got.code)
              expected, got = nil, nil
            end
          else
            local format = ({ "l", "L", "n", "a", 0, 1, 5, 100 })[random(8) + 1]
            expected, got = his:read(format), await(mine:read(format))
            log[#log + 1] = tostring(format)
          end
          assert.equal(expected, got, ("round %d after %s"):format(round, table.concat(log, " ")))
          assert.equal(his:seek "cur", await(mine:tell()), ("round %d after %s"):format(round, table.concat(log, " ")))
        end
      end)
      his:close()
      assert.equal(content "his", content "mine")
    end
  end)
end)

describe("File, when the disk is full", function()
  local function full(fn, options)
    return function()
      neap.run(function()
        local file = await(neap.open("/dev/full", "w", options))
        fn(file)
        pcall(await, file:close())
      end)
    end
  end

  it("raises in whoever waits for the write", full(function(file)
    local problem = raises(neap.OSError, file:write "x", "ENOSPC")
    assert.equal("fs_write: no space left on device: /dev/full (ENOSPC)", problem.message)
    await(file:flush())
    await(file:close())
  end, { buffer = 0 }))

  it("raises in all who wait for room", full(function(file)
    local tasks = { return_exceptions = true }
    for i = 1, 3 do tasks[i] = neap.create_task(function() await(file:write "12345") end) end
    for _, problem in ipairs(await(neap.gather(tasks))) do assert.equal("ENOSPC", problem.code) end
    await(file:flush())
  end, { buffer = 4 }))

  for _, name in ipairs { "flush", "sync", "datasync", "stat", "tell", "truncate" } do
    it("raises, once, in a later " .. name, full(function(file)
      await(file:write "x")
      raises(neap.OSError, file[name](file), "ENOSPC")
      await(file:flush())
    end))
  end

  it("raises in a later write", full(function(file)
    await(file:write "x")
    files.eventually(function() return file.failure end)
    raises(neap.OSError, file:write "y", "ENOSPC")
    await(file:flush())
  end))

  it("raises in close, and closes", full(function(file)
    await(file:write "x")
    raises(neap.OSError, file:close(), "ENOSPC")
    assert.equal("neap.File (closed, /dev/full)", tostring(file))
    await(file:close())
  end))

  it("raises at the end of a scope, but replaces no error", function()
    neap.run(function()
      local function body(problem)
        local file <close> = await(neap.open("/dev/full", "w"))
        file:write "x"
        if problem then error(problem, 0) end
      end
      raises(neap.OSError, neap.create_task(function() body() end), "ENOSPC")
      assert.equal("mine", failure(neap.create_task(function() body "mine" end)))
    end)
  end)

  it("reports what nobody was told", function()
    local reports = {}
    neap.run(function()
      neap.set_exception_handler(function(context) reports[#reports + 1] = context end)
      do
        local file = await(neap.open("/dev/full", "w"))
        file:write "x"
        files.eventually(function() return file.failure end)
      end
      files.eventually(function()
        collectgarbage()
        return #reports > 0
      end)
    end)
    assert.equal(1, #reports)
    assert.equal("the error of a write to /dev/full was never retrieved", reports[1].message)
    assert.equal("ENOSPC", reports[1].exception.code)
  end)

  it("writes nothing behind a gap until somebody was told", with("w", nil, function(file)
    await(file:seek("set", math.maxinteger))
    file:write "x"
    files.eventually(function() return file.failure end)
    file:write "lost with it"
    raises(neap.OSError, file:flush())
    await(file:seek "set")
    await(file:write "new")
    await(file:flush())
    assert.equal("new", content "f")
  end))
end)
