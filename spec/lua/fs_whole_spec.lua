local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"

local await, fs = neap.await, neap.fs
local path, content, raises = files.path, files.content, files.raises

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

describe("neap.fs, whole files:", function()
  it("reads and writes", in_run(function()
    await(fs.write_file(path "f", "one\0two"))
    assert.equal("one\0two", await(fs.read_file(path "f")))
    await(fs.write_file(path "f", { "a", 1, "b" }))
    assert.equal("a1b", content "f")
    await(fs.append_file(path "f", "c", { sync = true }))
    await(fs.append_file(path "g", { "new" }, { permissions = "600" }))
    assert.equal("a1bc", content "f")
    assert.equal(384, uv.fs_stat(path "g").mode & 511)
    await(fs.write_file(path "f", ""))
    assert.equal("", await(fs.read_file(path "f")))
    local large = ("0123456789"):rep(500000)
    await(fs.write_file(path "f", large))
    assert.is_true(await(fs.read_file(path "f")) == large)
  end))

  it("reads what tells no size, however much it is", in_run(function()
    local name, size = path "pipe", 3 * 65536 + 1
    assert(os.execute("mkfifo " .. name))
    os.execute(("head -c %d /dev/zero > %s &"):format(size, name))
    assert.is_true(await(fs.read_file(name)) == ("\0"):rep(size))
    local file <close> = assert(io.open("/proc/version"))
    assert.equal(file:read "a", await(fs.read_file "/proc/version"))
  end))

  it("says what went wrong", in_run(function()
    raises(neap.OSError, fs.read_file(path "none"), "ENOENT")
    raises(neap.OSError, fs.read_file(files.folder), "EISDIR")
    raises(neap.OSError, fs.write_file(files.folder, "x"), "EISDIR")
    raises(neap.OSError, fs.write_file("/dev/full", "x"), "ENOSPC")
    raises(neap.OSError, fs.append_file(path "none/x", "x"), "ENOENT")
    raises(neap.OSError, fs.write_file(path "none/x", "x", { atomic = true }), "ENOENT")
  end))

  it("gives the lines, and closes however the loop ends", function()
    files.write("f", "one\ntwo\nthree")
    local before = files.descriptors()
    neap.run(function()
      local all = {}
      for line in fs.lines(path "f") do all[#all + 1] = line end
      assert.same({ "one", "two", "three" }, all)
      for line in fs.lines(path "f", "L") do
        assert.equal("one\n", line)
        if line then break end
      end
      assert.equal(before, files.descriptors())
      pcall(function()
        for _ in fs.lines(path "f", 2) do error "in the loop" end
      end)
      assert.equal(before, files.descriptors())
      local ok, problem = pcall(function()
        for _ in fs.lines(path "none") do assert.is_true(false) end
      end)
      assert.is_false(ok)
      assert.equal("ENOENT", problem.code)
    end)
  end)

  it("reads many files, some at a time", in_run(function()
    for i = 1, 100 do files.write("f" .. i, ("x"):rep(i)) end
    local limit, jobs = neap.Semaphore(20), {}
    for i = 1, 100 do
      jobs[i] = function()
        local held <close> = await(limit:acquire())
        return #await(fs.read_file(path("f" .. i)))
      end
    end
    local sum = 0
    for _, size in ipairs(await(neap.gather(jobs))) do sum = sum + size end
    assert.equal(5050, sum)
  end))
end)

describe("neap.fs.write_file, atomic", function()
  it("replaces the file, and keeps its permissions", in_run(function()
    files.write("f", "old")
    uv.fs_chmod(path "f", 416)
    local inode = uv.fs_stat(path "f").ino
    local reader <close> = await(neap.open(path "f"))
    await(fs.write_file(path "f", "new", { atomic = true }))
    assert.equal("new", content "f")
    assert.equal("old", await(reader:read "a"))
    assert.equal(416, uv.fs_stat(path "f").mode & 511)
    assert.not_equal(inode, uv.fs_stat(path "f").ino)
    assert.same({ "f" }, files.names())
  end))

  it("makes a file that is not there", in_run(function()
    await(fs.write_file(path "f", "new", { atomic = true, permissions = "640", sync = false }))
    assert.equal(416, uv.fs_stat(path "f").mode & 511)
    assert.same({ "f" }, files.names())
  end))

  it("leaves a link, and replaces what it names", in_run(function()
    files.write("f", "old")
    uv.fs_symlink("f", path "link")
    await(fs.write_file(path "link", "new", { atomic = true }))
    assert.equal("link", uv.fs_lstat(path "link").type)
    assert.equal("new", content "f")
  end))

  it("leaves the old file and nothing else when it fails", in_run(function()
    tree "d/"
    tree "d/x"
    raises(neap.OSError, fs.write_file(path "d", "new", { atomic = true }), "EISDIR")
    assert.same({ "d" }, files.names())
  end))

  it("has done all or nothing, wherever it is cancelled", function()
    local outcomes = {}
    neap.run(function()
      for turns = 0, 60 do
        files.write("f", "old")
        local task = neap.create_task(fs.write_file(path "f", "new", { atomic = true, sync = false }))
        files.requests(turns)
        task:cancel()
        pcall(await, task)
        await(fs.stat(path "f"))
        local found = content "f"
        assert.is_true(found == "old" or found == "new", found)
        if not task:cancelled() then assert.equal("new", found) end
        outcomes[found] = true
        files.eventually(function() return #files.names() == 1 end)
      end
    end)
    assert.same({ old = true, new = true }, outcomes)
    uv.run()
  end)
end)
