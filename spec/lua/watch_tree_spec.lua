-- neap.watch {recursive = true}: trees of directories.
local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"
local watches = dofile "spec/lua/watch.lua"
local slow = os.getenv "NEAP_SLOW" == "1"

local await = neap.await
local path = files.path
local events_until, named, with = watches.events_until, watches.named, watches.with

watches.setup(files, before_each, after_each)

describe("neap.watch of a tree", function()
  it("tells of all directories, new ones too", function()
    os.execute(("mkdir -p %s/a/b/c %s/x"):format(files.folder, files.folder))
    with({ recursive = true }, function(watch)
      files.write("a/b/c/f", "")
      events_until(watch, named("a/b/c/f", "rename"))
      os.execute(("mkdir -p %s/n/m/o; touch %s/n/m/o/f"):format(files.folder, files.folder))
      events_until(watch, named("n/m/o/f"))
      await(watch:ready())
      files.write("n/m/o/g", "")
      events_until(watch, named("n/m/o/g", "rename"))
      os.rename(path "n", path "x/n")
      events_until(watch, named("x/n/m/o/g"))
      await(watch:ready())
      files.write("x/n/m/o/h", "")
      local seen = events_until(watch, named("x/n/m/o/h", "rename"))
      assert.is_nil(seen["rename n/m/o/h"])
      os.execute("rm -r " .. path "a")
      events_until(watch, named("a", "rename"))
      await(watch:ready())
      os.execute(("mkdir -p %s/a/b; touch %s/a/b/f"):format(files.folder, files.folder))
      events_until(watch, named("a/b/f"))
      os.execute("rm -r " .. files.folder)
      events_until(watch, function(event) return event.kind == "gone" end)
      assert.is_nil(watch())
    end)()
  end)

  it("misses none of many that come at once", with({ recursive = true, queue = 100000 }, function(watch)
    local expected, count = {}, 0
    for i = 1, slow and 10 or 40 do
      os.execute(("mkdir -p %s/%d/x/y; touch %s/%d/f %s/%d/x/f %s/%d/x/y/f"):format(files.folder, i, files.folder, i,
        files.folder, i, files.folder, i))
      for _, name in ipairs { "f", "x/f", "x/y/f" } do
        expected[i .. "/" .. name], count = true, count + 1
      end
    end
    events_until(watch, function(event)
      if expected[event.name] then expected[event.name], count = nil, count - 1 end
      return count == 0
    end)
  end))

  it("does not follow links", with({ recursive = true }, function(watch)
    uv.fs_mkdir(path "d", 448)
    uv.fs_symlink(files.folder, path "d/up")
    events_until(watch, named "d/up")
    await(watch:ready())
    files.write("f", "")
    files.write("end", "")
    local seen = events_until(watch, named("end", "rename"))
    assert.is_nil(seen["rename d/up/f"])
  end))

  it("can be closed at any time", function()
    os.execute(("mkdir -p %s/a/b/c %s/d/e %s/f"):format(files.folder, files.folder, files.folder))
    for requests = 0, 8 do
      neap.run(function()
        local watch = neap.watch(files.folder, { recursive = true })
        local waiting = files.started(function() return watch() end)
        local settling = files.started(watch:ready())
        files.requests(requests)
        watch:close()
        assert.is_nil(await(waiting))
        await(settling)
      end)
    end
  end)
end)

describe("neap.watch, too much for the kernel", function()
  it("tells that events were lost, and finds new directories", function()
    if slow then return pending "too slow here" end
    local file = io.open "/proc/sys/fs/inotify/max_queued_events"
    local limit = file and file:read "n"
    if file then file:close() end
    if not limit or limit > 20000 then return pending "no such limit" end
    with({ recursive = true, queue = 10 }, function(watch)
      for i = 1, limit / 2 + 10 do uv.fs_rename(path(i % 2 == 1 and "a" or "b"), path(i % 2 == 1 and "b" or "a")) end
      files.write("a", "")
      for i = 1, limit / 2 + 10 do uv.fs_rename(path(i % 2 == 1 and "a" or "b"), path(i % 2 == 1 and "b" or "a")) end
      os.execute("mkdir -p " .. path "late/later")
      local lost = false
      events_until(watch, function(event)
        if event.kind == "overflow" and event.lost == nil then lost = true end
        return lost
      end)
      await(watch:ready())
      files.write("late/later/f", "")
      events_until(watch, named "late/later/f")
    end)()
  end)
end)
