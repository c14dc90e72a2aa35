local neap = require "neap"
local uv = require "luv"
local child = require "spec.support.child"
local files = dofile "spec/support/files.lua"

local await = neap.await
local path, content, raises = files.path, files.content, files.raises
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

  it("raises EMFILE when that keeps it from being loaded, and can be loaded later", function()
    assert.equal("OSError: neap.fs.file: Too many open files (EMFILE)\nEMFILE\ntrue\n", child.output([[
      local neap = require "neap"
      neap.run(function()
        local taken = {}
        repeat taken[#taken + 1] = io.open "/dev/null" until not io.open "/dev/null"
        local _, problem = pcall(function() return neap.open end)
        print(problem)
        print(problem.code)
        taken = nil
        collectgarbage()
        print(neap.open ~= nil)
      end)
    ]], { limit = 30 }))
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
    said = said:gsub("profiling:[^\n]*\n", "") -- gcov's, which may not write either
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
