local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"

local await = neap.await
local path, content, raises = files.path, files.content, files.raises
local turn, started = files.turn, files.started

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

describe("File, cancelled", function()
  it("loses no byte of a read that has not begun", with("r", "0123456789", function(file)
    for _, operation in ipairs { file:read(4), file:read "a", file:read "l", file:readexactly(5), file:readuntil "7",
      file:read("n", "l") } do
      local free = files.occupy()
      local task = started(operation)
      task:cancel()
      raises(neap.CancelledError, task)
      free()
      assert.equal(0, await(file:tell()))
    end
    assert.equal("0123456789", await(file:read "a"))
  end))

  it("loses no byte of a read that runs", function()
    local name, feed = files.fifo "p"
    neap.run(function()
      local file <close> = await(neap.open(name, "r+"))
      feed "12"
      assert.equal("1", await(file:read(1)))
      for _, operation in ipairs { file:read "l", file:readexactly(9), file:readuntil "x", file:read "a" } do
        local task = started(operation)
        await(neap.sleep(0.001))
        task:cancel()
        raises(neap.CancelledError, task)
      end
      feed "345"
      assert.equal("2345", await(file:readexactly(4)))
    end)
  end)

  it("loses no byte that came while it was being cancelled", with("r", "0123456789", function(file)
    for turns = 0, 12 do
      local task = started(file:readexactly(5))
      files.requests(turns)
      task:cancel()
      if pcall(await, task) then await(file:seek "set") end
      assert.equal(0, await(file:tell()))
    end
    assert.equal("0123456789", await(file:read "a"))
  end, { buffer = 2 }))

  it("writes what was written", with("w", nil, function(file)
    local free = files.occupy()
    local task = started(function() await(file:write "0123456789") end)
    task:cancel()
    raises(neap.CancelledError, task)
    free()
    await(file:flush())
    assert.equal("0123456789", content "f")
  end, { buffer = 0 }))

  it("withdraws what has not begun, and goes on", with("r+", "0123456789", function(file)
    for _, operation in ipairs { file:truncate(1), file:sync(), file:datasync(), file:stat(), file:seek("end", -1),
      file:tell(), file:flush() } do
      local free = files.occupy()
      local task = started(operation)
      task:cancel()
      pcall(await, task)
      free()
    end
    assert.equal("0123456789", content "f")
    await(file:seek "set")
    assert.equal("0123456789", await(file:read "a"))
  end))

  it("gives the turn on when it is cancelled in the line", with("r", "0123456789", function(file)
    for turns = 0, 8 do
      local tasks = {}
      for i = 1, 5 do tasks[i] = neap.create_task(file:read(1)) end
      turn(turns)
      for i = 1, 5, 2 do tasks[i]:cancel() end
      for i = 1, 5 do pcall(await, tasks[i]) end
      await(file:seek "set")
    end
    assert.equal("0123456789", await(file:read "a"))
  end, { buffer = 1 }))

  it("closes all the same", with("w", nil, function(file)
    local free = files.occupy()
    file:write "x"
    local task = started(function() await(file:close()) end)
    task:cancel()
    raises(neap.CancelledError, task)
    free()
    await(file:close())
    assert.equal("x", content "f")
    assert.equal(("neap.File (closed, %s)"):format(path "f"), tostring(file))
  end))

  it("works with a time limit", function()
    local name, feed = files.fifo "p"
    neap.run(function()
      local file <close> = await(neap.open(name, "r+"))
      raises(neap.TimeoutError, neap.wait_for(file:read(1), 0.005))
      feed "x"
      assert.equal("x", await(neap.wait_for(file:read(1), 10)))
    end)
  end)
end)

describe("File, closing", function()
  it("raises ValueError at once afterwards", with("r+", "x", function(file)
    await(file:close())
    assert.is_true(file:is_closing())
    assert.is_nil(file:fileno())
    for _, name in ipairs { "read", "readline", "readuntil", "lines", "write", "flush", "seek", "tell", "truncate",
      "sync", "datasync", "stat" } do
      local ok, problem = pcall(file[name], file)
      assert.is_false(ok)
      assert.is_true(neap.is(problem, neap.ValueError), name)
      assert.equal("the file is closed: " .. path "f", problem.message)
    end
    await(file:close())
  end))

  it("makes what was called before and is awaited after fail", with("r", "x", function(file)
    local operations = { file:read(1), file:stat(), file:tell(), file:readline() }
    local line = file:lines()
    await(file:close())
    for _, operation in ipairs(operations) do raises(neap.ValueError, operation) end
    assert.is_false(pcall(line))
  end))

  it("wakes whoever waits, and closes when the request has ended", function()
    local name, feed = files.fifo "p"
    neap.run(function()
      local file = await(neap.open(name, "r+"))
      local fd = file:fileno()
      local first = started(file:read(1))
      local second = started(file:read(1))
      local third = started(file:stat())
      await(neap.sleep(0.001))
      file:close()
      for _, task in ipairs { first, second, third } do raises(neap.ValueError, task) end
      assert.equal(("neap.File (closing, %s)"):format(name), tostring(file))
      assert.is_truthy(uv.fs_fstat(fd)) -- libuv reads from it: another file must not get the number
      local closer = started(function() await(file:close()) end)
      assert.is_false(closer:done())
      feed "x"
      await(closer)
      assert.is_nil(uv.fs_fstat(fd))
    end)
  end)

  it("writes what was written before", function()
    neap.run(function()
      local file = await(neap.open(path "f", "w"))
      local free = files.occupy()
      for i = 1, 100 do file:write(i, "\n") end
      local waiting = started(function() await(file:tell()) end)
      file:close()
      raises(neap.ValueError, waiting)
      free()
      await(file:close())
    end)
    assert.equal(292, #content "f")
  end)

  it("is done by a scope, also one that is cancelled", function()
    neap.run(function()
      local file
      local task = started(function()
        local scoped <close> = await(neap.open(path "f", "w"))
        file = scoped
        scoped:write "x"
        await(neap.sleep(3600))
      end)
      files.eventually(function() return file end)
      task:cancel()
      raises(neap.CancelledError, task)
      assert.is_nil(file:fileno())
    end)
    assert.equal("x", content "f")
  end)

  it("is done when nobody refers to it", function()
    files.write("f", "x")
    local before = files.descriptors()
    neap.run(function()
      local function lose() await(await(neap.open(path "f")):read(1)) end
      await(neap.create_task(lose))
      files.eventually(function()
        collectgarbage()
        return files.descriptors() == before
      end)
    end)
  end)

  it("is done when nobody refers to it and all is written", function()
    local before = files.descriptors()
    neap.run(function()
      local function write() await(neap.open(path "f", "w")):write(("x"):rep(1000000)) end
      await(neap.create_task(write))
      files.eventually(function()
        collectgarbage()
        return files.descriptors() == before
      end)
    end)
    assert.equal(1000000, #content "f")
  end)

  it("is missed in debug mode", function()
    files.write("f", "x")
    local reports = {}
    neap.run(function()
      neap.set_exception_handler(function(context)
        if context.message:find "never closed" then reports[#reports + 1] = context.message end
      end)
      local function lose() await(neap.open(path "f")) end
      await(neap.create_task(lose))
      files.eventually(function()
        collectgarbage()
        return #reports > 0
      end)
    end, { debug = true })
    assert.equal(1, #reports)
    assert.matches("^neap.File %(open, .*%) was never closed %(made at .*file_cancel_spec.lua:%d+%)$", reports[1])
  end)

  it("is done when the Lua state ends in the middle", function()
    local child = dofile "spec/support/child.lua"
    local said = child.output(([[
      local neap = require "neap"
      local await = neap.await
      KEEP = {}
      neap.run(function()
        for i = 1, 5 do
          local file = await(neap.open("%s" .. i, "w+"))
          KEEP[i] = file
          file:write(("x"):rep(100000))
          if i > 3 then neap.create_task(file:sync()) neap.create_task(file:read(1)) end
        end
        print "end"
      end)]]):format(path "f"))
    assert.equal("end\n", said)
    for i = 1, 5 do assert.equal(100000, #content("f" .. i)) end
  end)
end)
