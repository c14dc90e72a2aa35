local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"

local await = neap.await
local path, content, failure, raises = files.path, files.content, files.failure, files.raises
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

describe("neap.open", function()
  local wrong = {
    { "path, a string, expected, got nil", 1 },
    { "path, a string, expected, got number", 1, 7 },
    { "the path is empty", 1, "" },
    { "the path contains a zero byte", 1, "a\0b" },
    { "string expected, got number", 2, "x", 1 },
    { 'invalid mode: "r", "w", "a" or "x" expected, with "+" or "b"', 2, "x", "rx" },
    { 'invalid mode: "r", "w", "a" or "x" expected, with "+" or "b"', 2, "x", "w++" },
    { 'invalid mode: "r", "w", "a" or "x" expected, with "+" or "b"', 2, "x", "" },
    { "table expected, got number", 3, "x", "r", 1 },
    { "field 'buffer': an integer of at least 0 expected", 3, "x", "r", { buffer = -1 } },
    { "field 'buffer': an integer of at least 0 expected", 3, "x", "r", { buffer = 0 / 0 } },
    { [[field 'permissions': permissions expected: "rw-r--r--", "644" or 420]], 3, "x", "w", { permissions = "888" } },
    { [[field 'permissions': permissions expected: "rw-r--r--", "644" or 420]], 3, "x", "w", { permissions = -1 } },
  }

  for _, case in ipairs(wrong) do
    it("says what it expected: " .. case[1], function()
      local ok, problem = pcall(function() neap.open(case[3], case[4], case[5]) end)
      assert.is_false(ok)
      assert.matches("file_spec.lua:%d+: bad argument #" .. case[2] .. " to 'open' ", problem)
      assert.is_truthy(problem:find("(" .. case[1] .. ")", 1, true), problem)
    end)
  end

  it("gives a File", with("r", "", function(file)
    assert.is_true(neap.is(file, neap.File))
    assert.equal(("neap.File (open, %s)"):format(path "f"), tostring(file))
    assert.equal(path "f", file.path)
    assert.equal("integer", math.type(file:fileno()))
  end))

  it("raises what the system says, with the path", function()
    neap.run(function()
      local problem = raises(neap.OSError, neap.open(path "none"), "ENOENT")
      assert.equal(("fs_open: no such file or directory: %s (ENOENT)"):format(path "none"), problem.message)
      raises(neap.OSError, neap.open(path "none/x", "w"), "ENOENT")
      raises(neap.OSError, neap.open(files.folder, "w"), "EISDIR")
      raises(neap.OSError, neap.open(files.write("f", "") .. "/x"), "ENOTDIR")
      raises(neap.OSError, neap.open("/" .. ("x"):rep(300)), "ENAMETOOLONG")
    end)
  end)

  it("knows the modes of io.open", function()
    local expected = { -- what is in the file after "new" was written into "old text", and what can be read first
      r = { nil, "old text" }, ["r+"] = { "new text", "" }, w = { "new" }, ["w+"] = { "new", "" },
      a = { "old textnew" }, ["a+"] = { "old textnew", "" }, rb = { nil, "old text" }, ["r+b"] = { "new text", "" },
      ["rb+"] = { "new text", "" }, wb = { "new" },
    }
    neap.run(function()
      for mode, case in pairs(expected) do
        files.write("f", "old text")
        local file <close> = await(neap.open(path "f", mode))
        if case[1] then
          await(file:write "new")
          await(file:flush())
          assert.equal(case[1], content "f")
        else
          assert.has_error(function() file:write "new" end)
        end
        if case[2] == "old text" then
          assert.equal(case[2], await(file:read "a"))
        elseif not case[2] then
          assert.has_error(function() file:read "a" end)
        end
      end
    end)
  end)

  it("makes a file that is not there, exclusively if asked to", function()
    neap.run(function()
      for _, mode in ipairs { "w", "a", "w+", "a+", "x", "wx", "ax", "w+x", "x+", "xb" } do
        os.remove(path "f")
        local file <close> = await(neap.open(path "f", mode))
        await(file:write "1")
        await(file:close())
        if mode:find "x" then
          raises(neap.OSError, neap.open(path "f", mode), "EEXIST")
        else
          await(await(neap.open(path "f", mode)):close())
        end
      end
    end)
  end)

  it("sets permissions, less the umask", function()
    neap.run(function()
      for i, permissions in ipairs { 384, "600", "0600", "rw-------" } do
        local file <close> = await(neap.open(path("f" .. i), "w", { permissions = permissions }))
        assert.equal(384, await(file:stat()).mode & 511)
      end
    end)
  end)

  it("can be awaited outside tasks", function()
    files.write("f", "text")
    local file <close> = await(neap.open(path "f"))
    assert.equal("text", await(file:read()))
  end)

  it("closes a file that was opened too late", function()
    files.write("f", "")
    neap.run(function()
      for turns = 0, 6 do -- before it begins, while it runs, answered but not taken
        local task = neap.create_task(neap.open(path "f"))
        for _ = 1, turns do
          await(neap.sleep(0))
          uv.sleep(turns)
        end
        task:cancel()
        local ok, file = pcall(await, task)
        if ok then await(file:close()) end
      end
      for _ = 1, 4 do await(neap.fs.stat(path "f")) end
    end)
    uv.run()
  end)

  it("withdraws a request that has not begun", function()
    neap.run(function()
      local free = files.occupy()
      local task = started(neap.open(path "f", "w"))
      task:cancel()
      raises(neap.CancelledError, task)
      free()
      await(neap.fs.stat(files.folder))
      assert.is_nil(uv.fs_stat(path "f"))
    end)
    uv.run()
  end)

  it("raises when descriptors run out, and goes on", function()
    local script = [[
      local neap = require "neap"
      local await = neap.await
      neap.run(function()
        local open, problem = {}, nil
        repeat
          local ok, file = pcall(await, neap.open "/dev/null")
          if ok then open[#open + 1] = file else problem = file end
        until problem
        print(problem.code)
        for _, file in ipairs(open) do await(file:close()) end
        local file <close> = await(neap.open "/dev/null")
        print(await(file:read "a") == "")
      end)]]
    local name = files.write("script.lua", script)
    local pipe = io.popen(("ulimit -n 30; exec %s %s 2>&1"):format(os.getenv "LUA" or "lua5.4", name))
    local said = pipe:read "a"
    pipe:close()
    assert.equal("EMFILE\ntrue\n", said)
  end)

  it("raises EACCES for who may not", function()
    local script = ([[
      local neap = require "neap"
      neap.run(function()
        for _, mode in ipairs { "r", "w", "a", "r+" } do
          local ok, problem = pcall(neap.await, neap.open("%s", mode))
          print(problem.code, problem.message:find("/secret", 1, true) ~= nil)
        end
        print(neap.await(neap.fs.access("%s", "r")))
      end)]]):format(files.write("secret", "x"), path "secret")
    os.execute(("chmod 755 %s; chmod 600 %s"):format(files.folder, path "secret"))
    local command = ("%s %s 2>&1"):format(os.getenv "LUA" or "lua5.4", files.write("script.lua", script))
    if uv.getuid() == 0 then -- whom nothing is denied
      local probe, build = "setpriv --reuid 65534 --clear-groups ", os.getenv "NEAP_BUILD" or "build"
      local can = os.execute(probe .. ("test -r '%s/neap/init.lua' 2>/dev/null"):format(build))
      if not can then return pending "nobody else can read the build" end
      command = probe .. command
    else
      os.execute("chmod 000 " .. path "secret")
    end
    local pipe = io.popen(command)
    local said = pipe:read "a"
    pipe:close()
    assert.equal(("EACCES\ttrue\n"):rep(4) .. "false\n", said)
  end)
end)

describe("File, reading", function()
  it("checks its arguments at once", with("r", "", function(file)
    local function fails(expected, fn)
      local ok, problem = pcall(fn)
      assert.is_false(ok)
      assert.is_truthy(problem:find(expected, 1, true), problem)
      assert.matches("file_spec.lua:%d+: ", problem)
    end
    local formats = 'invalid format: a number of bytes, "l", "L", "n" or "a" expected'
    fails("bad argument #1 to 'read' (" .. formats, function() file:read "x" end)
    fails("bad argument #2 to 'read' (" .. formats, function() file:read("l", {}) end)
    fails("bad argument #1 to 'read' (number of bytes is negative)", function() file:read(-2) end)
    fails("bad argument #1 to 'read' (number of bytes has no integer", function() file:read(0 / 0) end)
    fails("bad argument #1 to 'readexactly' (number of bytes expected, got nil)", function() file:readexactly() end)
    fails("bad argument #1 to 'readuntil' (the separator is empty)", function() file:readuntil "" end)
    fails("bad argument #1 to 'readuntil' (the list of separators is empty)", function() file:readuntil {} end)
    fails("bad argument #1 to 'lines' (invalid format", function() file:lines "a" end)
    fails("bad argument #1 to 'seek' (invalid option", function() file:seek "there" end)
    fails("bad argument #2 to 'seek' (offset has no integer", function() file:seek("set", 1.5) end)
    fails("calling 'read' on bad self (neap.File expected, got string)", function() file.read "x" end)
    assert.is_true(neap.is(select(2, pcall(file.write, file, "x")), neap.ValueError))
  end))

  it("reads in all formats", with("r", "one\ntwo\r\n\n 12 0x1p4 -.5e1x\nrest\0more", function(file)
    assert.equal("one", await(file:read "l"))
    assert.equal("two\r\n", await(file:read "L"))
    assert.equal("", await(file:read "*l"))
    local a, b, c, d = await(file:read("n", "n", "n", "l"))
    assert.same({ 12, 16.0, -5.0, "x" }, { a, b, c, d })
    assert.equal("re", await(file:read(2)))
    assert.equal("", await(file:read(0)))
    assert.equal("st\0more", await(file:read()))
    assert.equal("", await(file:read "a"))
    assert.is_nil(await(file:read(1)))
    assert.is_nil(await(file:read(0)))
    assert.is_nil(await(file:read "l"))
    assert.is_nil(await(file:read "n"))
    assert.is_nil(await(file:readline()))
    assert.equal("", await(file:read(-1)))
  end))

  it("stops at the first format that gives nil", with("r", "1 x", function(file)
    local results = table.pack(await(file:read("n", "n", "l")))
    assert.same({ 1, n = 2 }, results)
    assert.equal("x", await(file:read "a"))
  end))

  it("reads exactly so many bytes", with("r", "12345", function(file)
    assert.equal("", await(file:readexactly(0)))
    assert.equal("123", await(file:readexactly(3)))
    local problem = raises(neap.IncompleteReadError, file:readexactly(3))
    assert.equal("45", problem.partial)
    assert.equal(3, problem.expected)
    assert.equal("the file ended after 2 bytes, 3 expected", problem.message)
  end))

  for _, size in ipairs { 1, 2, 3, 7, 65536 } do
    it("finds separators across reads of " .. size, with("r", "a--b-;c<end>\nlast", function(file)
      assert.equal("a--", await(file:readuntil "--"))
      assert.equal("b-;", await(file:readuntil { "-;", "<end>" }))
      assert.equal("c<end>", await(file:readuntil { "nothing like it", "<end>" }))
      assert.equal("\n", await(file:readuntil()))
      local problem = raises(neap.IncompleteReadError, file:readuntil "x")
      assert.equal("last", problem.partial)
    end, { buffer = size }))

    it("gives the lines with a buffer of " .. size, with("r", "one\n\ntwo\nthree", function(file)
      local all = {}
      for line in file:lines() do all[#all + 1] = line end
      assert.same({ "one", "", "two", "three" }, all)
      await(file:seek "set")
      all = {}
      for line in file:lines "L" do all[#all + 1] = line end
      assert.same({ "one\n", "\n", "two\n", "three" }, all)
      await(file:seek "set")
      all = {}
      for piece in file:lines(4) do all[#all + 1] = piece end
      assert.same({ "one\n", "\ntwo", "\nthr", "ee" }, all)
    end, { buffer = size }))
  end

  it("reads what is longer than the buffer", with("r", ("x"):rep(3000000) .. "\n" .. ("y"):rep(100), function(file)
    assert.equal(3000000, #await(file:read "l"))
    assert.equal(("y"):rep(100), await(file:read "a"))
    await(file:seek "set")
    assert.equal(3000101, #await(file:read "a"))
    await(file:seek("set", 1))
    assert.equal(2500000, #await(file:read(2500000)))
    assert.equal(2500001, await(file:tell()))
    assert.equal(500100, #await(file:read(1 << 50)))
  end))

  it("goes on at the end when the file grows", with("r", "one\n", function(file)
    assert.equal("one", await(file:read "l"))
    assert.is_nil(await(file:read "l"))
    files.write("f", "one\ntwo\n")
    assert.equal("two", await(file:read "l"))
  end))

  it("keeps nothing that is old without a buffer", with("r", "one two", function(file)
    assert.equal("one", await(file:read(3)))
    local other = io.open(path "f", "r+")
    other:seek("set", 3)
    other:write "!!!!"
    other:close()
    assert.equal("!!!!", await(file:read(4)))
  end, { buffer = 0 }))

  it("reads files that tell no size", function()
    neap.run(function()
      local file <close> = await(neap.open "/proc/self/status")
      assert.matches("^Name:.*\n$", await(file:read "a"))
      assert.is_true(0 == await(file:stat()).size)
    end)
  end)

  it("raises EISDIR for a directory", function()
    neap.run(function()
      local file <close> = await(neap.open(files.folder))
      local problem = raises(neap.OSError, file:read "a", "EISDIR")
      assert.equal(("fs_read: illegal operation on a directory: %s (EISDIR)"):format(files.folder), problem.message)
      raises(neap.OSError, file:read(1), "EISDIR")
    end)
  end)

  it("gives what a pipe has", function()
    local name, feed = files.fifo "p"
    neap.run(function()
      local file <close> = await(neap.open(name, "r+"))
      feed "12 and\nmore"
      assert.equal(12, await(file:read "n"))
      assert.equal(" and", await(file:read "l"))
      assert.equal("more", await(file:read(100)))
      for _, operation in ipairs { file:tell(), file:seek "set" } do raises(neap.OSError, operation, "ESPIPE") end
      await(file:write("to myself", "\n"))
      assert.equal("to myself", await(file:read "l"))
    end)
  end)

  it("takes turns", with("r", "1\n2\n3\n4\n5\n6\n", function(file)
    local seen = {}
    local function reader()
      for line in file:lines() do
        seen[#seen + 1] = line
        await(neap.sleep(0))
      end
    end
    await(neap.gather(reader, reader, reader))
    table.sort(seen)
    assert.same({ "1", "2", "3", "4", "5", "6" }, seen)
    await(file:seek "set")
    local results = await(neap.gather(file:read(4), file:read(4), file:tell(), file:read(4)))
    assert.same({ "1\n2\n", "3\n4\n", 8, "5\n6\n", n = 4 }, results)
  end, { buffer = 2 }))
end)

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
    assert.matches("file_spec.lua:%d+: bad argument #2 to 'write' %(string expected, got table%)", problem)
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
      neap.set_exception_handler(function(context) reports[#reports + 1] = context.message end)
      local function lose() await(neap.open(path "f")) end
      await(neap.create_task(lose))
      files.eventually(function()
        collectgarbage()
        return #reports > 0
      end)
    end, { debug = true })
    assert.equal(1, #reports)
    assert.matches("^neap.File %(open, .*%) was never closed %(made at .*file_spec.lua:%d+%)$", reports[1])
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
