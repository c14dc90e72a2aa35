local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"

local await, fs = neap.await, neap.fs
local path, content, failure, raises = files.path, files.content, files.failure, files.raises

files.setup { before_each = before_each, after_each = after_each }

-- Makes the files and, where the name ends in "/", directories.
local function tree(...)
  for _, name in ipairs { ... } do
    if name:sub(-1) == "/" then
      assert(uv.fs_mkdir(path(name), 493))
    else
      files.write(name, name)
    end
  end
end

local function in_run(fn) return function() neap.run(fn) end end

describe("neap.fs", function()
  it("checks its arguments at once", function()
    local function fails(expected, fn)
      local ok, problem = pcall(fn)
      assert.is_false(ok)
      assert.is_truthy(problem:find(expected, 1, true), problem)
      assert.matches("fs_spec.lua:%d+: ", problem)
    end
    for _, name in ipairs { "read_file", "write_file", "append_file", "lines", "stat", "lstat", "exists", "access",
      "statfs", "listdir", "scandir", "walk", "mkdir", "makedirs", "rename", "remove", "rmdir", "rmtree", "copy",
      "link", "symlink", "readlink", "realpath", "chmod", "chown", "utime", "mkstemp", "mkdtemp" } do
      local prefix = ("bad argument #1 to '%s' "):format(name)
      local function call(value) local _ = fs[name](value) end
      fails(prefix .. "(path, a string, expected, got nil)", call)
      fails(prefix .. "(the path is empty)", function() call "" end)
      fails(prefix .. "(the path contains a zero byte)", function() call "a\0" end)
    end
    for _, name in ipairs { "rename", "copy", "link", "symlink" } do
      fails(("bad argument #2 to '%s' (path, a string, expected, got table)"):format(name),
        function() local _ = fs[name]("x", {}) end)
    end
    fails("bad argument #2 to 'chmod' (permissions expected", function() fs.chmod("x", "rwz") end)
    fails("bad argument #2 to 'chmod' (permissions expected", function() fs.chmod("x", 0 / 0) end)
    fails("bad argument #3 to 'chown' (group id expected, got nil)", function() fs.chown("x", 1) end)
    fails("bad argument #2 to 'chown' (user id is more than 4294967294)", function() fs.chown("x", 1 << 32, 0) end)
    fails("bad argument #2 to 'utime' (number of seconds is not finite)", function() fs.utime("x", 0 / 0) end)
    fails("bad argument #3 to 'utime' (number of seconds expected", function() fs.utime("x", 1, "y") end)
    fails("bad argument #2 to 'access' (invalid mode", function() fs.access("x", "rz") end)
    fails("(string or list of strings expected", function() fs.write_file("x") end)
    fails("bad argument #2 to 'write_file' (string expected as element 2", function() fs.write_file("x", { 1, {} }) end)
    fails("field 'atomic': boolean expected, got number", function() fs.write_file("x", "", { atomic = 1 }) end)
    fails("bad argument #2 to 'lines' (invalid format", function() fs.lines("x", "a") end)
    fails("bad argument #2 to 'walk' (table expected", function() fs.walk("x", 1) end)
    fails("bad argument #1 to 'mkstemp' (the template must end in \"XXXXXX\")", function() fs.mkstemp "/tmp/x" end)
    fails("a slash in the prefix", function() fs.temporary_file { prefix = "a/b" } end)
    fails("field 'dir': the path is empty", function() fs.temporary_directory { dir = "" } end)
    fails("'temporary_file' (field 'prefix': string expected", function() fs.temporary_file { prefix = 1 } end)
    fails("'temporary_directory' (table expected", function() fs.temporary_directory(1) end)
    assert.is_nil(fs.no_such_thing)
  end)

  it("has all that meta/ names, and nothing else", function()
    local file, declared = io.open "meta/neap/fs.lua", {}
    local source = file:read "a"
    file:close()
    for name in source:gmatch "\nfunction neap%.fs%.([%w_]+)%(" do
      assert.is_function(fs[name], name)
      declared[name] = true
    end
    for name in pairs(fs) do assert.is_true(name == "join" or declared[name], name) end
  end)

  it("is loaded when it is first used", function()
    local said = dofile "spec/support/child.lua".output [[
      local neap = require "neap"
      local function loaded()
        local n = 0
        for name in pairs(package.loaded) do if name:find "^neap%.fs" then n = n + 1 end end
        return n
      end
      print(loaded())
      print(neap.fs ~= nil, neap.open ~= nil, loaded() > 0)]]
    assert.equal("0\ntrue\ttrue\ttrue\n", said)
  end)
end)

describe("neap.fs, directories:", function()
  it("lists names in order", in_run(function()
    tree("b", "a", "c/", "B")
    uv.fs_symlink("a", path "l")
    assert.same({ "B", "a", "b", "c", "l" }, await(fs.listdir(files.folder)))
    local found = {}
    for name, kind in fs.scandir(files.folder) do found[#found + 1] = name .. " " .. kind end
    assert.same({ "B file", "a file", "b file", "c directory", "l link" }, found)
    for _ in fs.scandir(path "c") do assert.is_true(false) end
    raises(neap.OSError, fs.listdir(path "none"), "ENOENT")
    raises(neap.OSError, fs.listdir(path "a"), "ENOTDIR")
    assert.equal("ENOENT", failure(function() for _ in fs.scandir(path "none") do assert.is_true(false) end end).code)
  end))

  local function walked(options)
    local found = {}
    for at, directories, names in fs.walk(files.folder, options) do
      local from = at:sub(#files.folder + 2)
      found[#found + 1] = ("%s:%s:%s"):format(from, table.concat(directories, ","), table.concat(names, ","))
    end
    return found
  end

  it("walks a tree, from the top or from the bottom", in_run(function()
    tree("a/", "a/b/", "a/b/x", "a/y", "c/", "z")
    uv.fs_symlink("a", path "link")
    assert.same({ ":a,c:link,z", "a:b:y", "a/b::x", "c::" }, walked())
    assert.same({ "a/b::x", "a:b:y", "c::", ":a,c:link,z" }, walked { topdown = false })
    assert.same({ ":a,c,link:z", "a:b:y", "a/b::x", "c::", "link:b:y", "link/b::x" }, walked { follow = true })
  end))

  it("does not go into what was taken out", in_run(function()
    tree("a/", "a/b/", "c/", "c/d/")
    local seen = {}
    for at, directories in fs.walk(files.folder) do
      seen[#seen + 1] = at:sub(#files.folder + 2)
      if directories[1] == "a" then table.remove(directories, 1) end
    end
    assert.same({ "", "c", "c/d" }, seen)
  end))

  it("raises for what it cannot read, or tells", in_run(function()
    tree("a/", "b/", "c/")
    local function walk(options)
      local seen = {}
      for at in fs.walk(files.folder, options) do
        seen[#seen + 1] = at:sub(#files.folder + 2)
        uv.fs_rmdir(path "b")
      end
      return seen
    end
    assert.equal("ENOENT", failure(function() walk() end).code)
    tree "b/"
    local told = {}
    assert.same({ "", "a", "c" }, walk { on_error = function(problem, at) told[#told + 1] = problem.code .. at end })
    assert.same({ "ENOENT" .. path "b" }, told)
    assert.equal("ENOENT", failure(function() for _ in fs.walk(path "none") do assert.is_true(false) end end).code)
  end))

  it("makes them", in_run(function()
    await(fs.mkdir(path "a", { permissions = "rwx------" }))
    assert.equal(448, uv.fs_stat(path "a").mode & 511)
    raises(neap.OSError, fs.mkdir(path "a"), "EEXIST")
    raises(neap.OSError, fs.mkdir(path "b/c"), "ENOENT")
    await(fs.mkdir(path "a", { exist_ok = true }))
    await(fs.mkdir(path "b/c", { parents = true }))
    raises(neap.OSError, fs.mkdir(path "b/c", { parents = true }), "EEXIST")
    await(fs.makedirs(path "d/e/f/g/"))
    await(fs.makedirs(path "d/e/f/g"))
    tree "file"
    raises(neap.OSError, fs.makedirs(path "file"), "EEXIST")
    raises(neap.OSError, fs.makedirs(path "file/x"), "ENOTDIR")
    local jobs = {}
    for i = 1, 20 do jobs[i] = fs.makedirs(path("p/q/r/s" .. i % 4)) end
    await(neap.gather(jobs))
    assert.equal(4, #await(fs.listdir(path "p/q/r")))
  end))

  it("removes trees, and no more", in_run(function()
    tree("keep/", "keep/x", "a/", "a/b/", "a/b/c/")
    for i = 1, 50 do tree("a/b/f" .. i) end
    uv.fs_symlink("../keep", path "a/link")
    uv.fs_symlink("a", path "top")
    raises(neap.OSError, fs.rmtree(path "top"), "ENOTDIR")
    raises(neap.OSError, fs.rmtree(path "keep/x"), "ENOTDIR")
    raises(neap.OSError, fs.rmtree(path "none"), "ENOENT")
    await(fs.rmtree(path "none", { ignore_errors = true }))
    await(fs.rmtree(path "keep/x", { ignore_errors = true }))
    await(fs.rmtree(path "a"))
    assert.same({ "keep", "top" }, files.names())
    assert.same({ "x" }, await(fs.listdir(path "keep")))
    raises(neap.OSError, fs.rmdir(path "keep"), "ENOTEMPTY")
    await(fs.remove(path "keep/x"))
    await(fs.rmdir(path "keep"))
    raises(neap.OSError, fs.remove(path "keep"), "ENOENT")
  end))

  it("can be removed by several at once", in_run(function()
    tree "a/"
    for i = 1, 20 do
      tree(("a/%d/"):format(i))
      for j = 1, 10 do tree(("a/%d/%d"):format(i, j)) end
    end
    local results = await(neap.gather { fs.rmtree(path "a"), fs.rmtree(path "a"), fs.rmtree(path "a"),
      return_exceptions = true })
    for i = 1, 3 do assert.is_true(results[i] == nil or results[i].code == "ENOENT", tostring(results[i])) end
    assert.same({}, files.names())
  end))

  it("may stop removing where it is cancelled", function()
    neap.run(function()
      for turns = 0, 10 do
        tree "a/"
        for i = 1, 10 do tree("a/" .. i) end
        local task = neap.create_task(fs.rmtree(path "a"))
        files.requests(turns)
        task:cancel()
        pcall(await, task)
        await(fs.rmtree(path "a", { ignore_errors = true }))
        files.eventually(function() return #files.names() == 0 end)
      end
    end)
    uv.run()
  end)
end)

describe("neap.fs, single requests:", function()
  it("tell what is there", in_run(function()
    tree("f", "d/")
    uv.fs_symlink("f", path "l")
    uv.fs_symlink("nowhere", path "dead")
    assert.equal("file", await(fs.stat(path "l")).type)
    assert.equal("link", await(fs.lstat(path "l")).type)
    assert.equal(1, await(fs.stat(path "f")).size)
    assert.is_true(await(fs.exists(path "f")))
    assert.is_true(await(fs.exists(path "d")))
    assert.is_false(await(fs.exists(path "none")))
    assert.is_false(await(fs.exists(path "f/x")))
    assert.is_false(await(fs.exists(path "dead")))
    raises(neap.OSError, fs.exists("/" .. ("x"):rep(300)), "ENAMETOOLONG")
    uv.fs_symlink("loop", path "loop")
    raises(neap.OSError, fs.exists(path "loop"), "ELOOP")
    uv.fs_chmod(path "f", 420)
    assert.is_true(await(fs.access(path "f")))
    assert.is_true(await(fs.access(path "f", "rw")))
    assert.is_false(await(fs.access(path "f", "x")))
    assert.is_false(await(fs.access(path "none", "r")))
    assert.is_true(await(fs.statfs(files.folder)).bsize > 0)
    assert.equal("f", await(fs.readlink(path "l")))
    assert.equal(uv.fs_realpath(path "f"), await(fs.realpath(path "l")))
    raises(neap.OSError, fs.readlink(path "f"), "EINVAL")
    raises(neap.OSError, fs.realpath(path "dead"), "ENOENT")
    local problem = raises(neap.OSError, fs.stat(path "none"), "ENOENT")
    assert.equal(("fs_stat: no such file or directory: %s (ENOENT)"):format(path "none"), problem.message)
  end))

  it("change what is there", in_run(function()
    tree("f", "g")
    await(fs.rename(path "f", path "h"))
    raises(neap.OSError, fs.rename(path "f", path "h"), "ENOENT")
    await(fs.rename(path "g", path "h"))
    assert.equal("g", content "h")
    await(fs.link(path "h", path "i"))
    assert.equal(2, await(fs.stat(path "h")).nlink)
    await(fs.symlink("h", path "s"))
    assert.equal("g", content "s")
    raises(neap.OSError, fs.symlink("h", path "s"), "EEXIST")
    await(fs.chmod(path "h", "rwxr-x---"))
    assert.equal(488, await(fs.stat(path "h")).mode & 511)
    await(fs.chown(path "h", uv.getuid(), -1))
    await(fs.utime(path "h", 1, 2.5))
    local stat = await(fs.stat(path "h"))
    assert.equal(1, stat.atime.sec)
    assert.same({ 2, 500000000 }, { stat.mtime.sec, stat.mtime.nsec })
    await(fs.utime(path "h"))
    assert.is_true(await(fs.stat(path "h")).mtime.sec > 2)
    await(fs.copy(path "h", path "copy"))
    assert.equal("g", content "copy")
    assert.equal(488, await(fs.stat(path "copy")).mode & 511)
    files.write("h", "more")
    await(fs.copy(path "h", path "copy"))
    assert.equal("more", content "copy")
    raises(neap.OSError, fs.copy(path "h", path "copy", { exclusive = true }), "EEXIST")
    raises(neap.OSError, fs.copy(path "none", path "copy"), "ENOENT")
  end))
end)

describe("neap.fs, what goes away:", function()
  it("has a name of its own", in_run(function()
    local file <close> = await(fs.mkstemp(path "XXXXXX"))
    assert.equal(files.folder, file.path:match "^(.*)/......$")
    await(file:write "x")
    await(file:seek "set")
    assert.equal("x", await(file:read "a"))
    assert.equal(384, await(file:stat()).mode & 511)
    local directory = await(fs.mkdtemp(path "XXXXXX"))
    assert.equal("directory", await(fs.stat(directory)).type)
    local err = raises(neap.OSError, fs.mkstemp(path "none/XXXXXX"), "ENOENT")
    assert.equal(("fs_mkstemp: no such file or directory: %s (ENOENT)"):format(path "none/XXXXXX"), err.message)
    raises(neap.OSError, fs.mkdtemp(path "none/XXXXXX"), "ENOENT")
  end))

  it("is removed when it is closed", in_run(function()
    local options = { dir = files.folder, prefix = "mine-" }
    do
      local file <close> = await(fs.temporary_file(options))
      assert.matches("/mine%-......$", file.path)
      await(file:write "x")
      assert.equal(1, #files.names())
    end
    assert.same({}, files.names())
    do
      local directory <close> = await(fs.temporary_directory(options))
      assert.equal(("neap.TemporaryDirectory (%s)"):format(directory.path), tostring(directory))
      await(fs.makedirs(directory.path .. "/a/b"))
      await(fs.write_file(directory.path .. "/a/b/c", "x"))
    end
    assert.same({}, files.names())
    local directory = await(fs.temporary_directory(options))
    await(directory:close())
    await(directory:close())
    assert.same({}, files.names())
    local moved <close> = await(fs.temporary_file(options))
    await(fs.rename(moved.path, path "kept"))
    await(moved:close())
    assert.same({ "kept" }, files.names())
    raises(neap.OSError, fs.temporary_file { dir = path "none" }, "ENOENT")
    raises(neap.OSError, fs.temporary_directory { dir = path "none" }, "ENOENT")
  end))

  it("is removed when an error or a cancellation ends the scope", in_run(function()
    local function work(wait)
      local directory <close> = await(fs.temporary_directory { dir = files.folder })
      local file <close> = await(fs.temporary_file { dir = directory.path })
      await(file:write "x")
      if wait then await(neap.sleep(3600)) end
      error("mine", 0)
    end
    assert.equal("mine", failure(function() work(false) end))
    assert.same({}, files.names())
    local task = neap.create_task(function() work(true) end)
    files.eventually(function() return task:waits_for() and task:waits_for():find "sleep" end)
    task:cancel()
    raises(neap.CancelledError, task)
    assert.same({}, files.names())
  end))

  it("is removed when nobody refers to the file", in_run(function()
    await(neap.create_task(function() await(fs.temporary_file { dir = files.folder }) end))
    files.eventually(function()
      collectgarbage()
      return #files.names() == 0
    end)
  end))

  it("does not stay when it is cancelled", function()
    neap.run(function()
      for turns = 0, 8 do
        for _, make in ipairs { fs.temporary_file, fs.temporary_directory } do
          local task = neap.create_task(make { dir = files.folder })
          files.requests(turns)
          task:cancel()
          local ok, made = pcall(await, task)
          if ok then await(made:close()) end
          files.eventually(function() return #files.names() == 0 end)
        end
      end
    end)
    uv.run()
  end)
end)
