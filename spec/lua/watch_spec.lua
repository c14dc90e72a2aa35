local neap = require "neap"
local uv = require "luv"
local files = dofile "spec/support/files.lua"
local watches = dofile "spec/lua/watch.lua"

local await = neap.await
local path = files.path
local next_event, events_until, named, with = watches.next_event, watches.events_until, watches.named, watches.with

watches.setup(files, before_each, after_each)

describe("neap.watch", function()
  it("checks its arguments", function()
    local function fails(expected, ...)
      local ok, problem = pcall(function(...) local _ = neap.watch(...) end, ...)
      assert.is_false(ok)
      assert.is_truthy(problem:find(expected, 1, true), problem)
      assert.matches("watch_spec.lua:%d+: ", problem)
    end
    fails("bad argument #1 to 'watch' (path, a string, expected, got nil)")
    fails("bad argument #1 to 'watch' (the path contains a zero byte)", "a\0")
    fails("bad argument #2 to 'watch' (table expected, got number)", "/", 1)
    fails("bad argument #2 to 'watch' (field 'recursive': boolean expected, got number)", "/", { recursive = 1 })
    fails("bad argument #2 to 'watch' (field 'queue': an integer of at least 1 expected)", "/", { queue = 0 })
    for _, poll in ipairs { 0, -1, 0 / 0, 1 / 0 } do fails("field 'poll': a positive number", "/", { poll = poll }) end
    fails("field 'poll': not together with 'recursive'", "/", { poll = 1, recursive = true })
    local ok, problem = pcall(neap.watch, path "none/x")
    assert.is_false(ok)
    assert.equal("ENOENT", problem.code)
    assert.equal(("fs_event: no such file or directory: %s (ENOENT)"):format(path "none"), problem.message)
  end)

  it("tells what comes, changes and goes in a directory", with({}, function(watch)
    assert.is_true(neap.is(watch, neap.Watch))
    assert.equal(("neap.Watch (open, %s)"):format(files.folder), tostring(watch))
    files.write("a", "")
    local event = next_event(watch)
    assert.equal("rename", event.kind)
    assert.equal("a", event.name)
    assert.equal(path "a", event.path)
    files.write("a", "x")
    events_until(watch, named("a", "change"))
    os.rename(path "a", path "b")
    local seen = events_until(watch, named("b", "rename"))
    assert.is_true(seen["rename a"])
    os.remove(path "b")
    events_until(watch, named("b", "rename"))
    uv.fs_chmod(files.folder, 448)
    assert.equal(files.folder, events_until(watch, function(e) return e.name == "" end) and files.folder)
  end))

  it("merges what waits", with({}, function(watch)
    files.write("a", "")
    for i = 1, 100 do files.write("a", ("x"):rep(i)) end
    files.write("b", "")
    local seen = events_until(watch, named("b", "rename"))
    assert.same({ "rename a", "change a", "rename b" }, { seen[1], seen[2], seen[3] })
    files.write("a", "y")
    events_until(watch, named("a", "change"))
  end))

  it("is closed by the generic for", function()
    neap.run(function()
      local kept
      neap.call_soon(files.write, "a", "")
      for event in neap.watch(files.folder) do
        kept = event
        if event then break end
      end
      assert.equal("a", kept.name)
      files.turn()
    end)
  end)

  it("gives each event to one of those who wait", with({}, function(watch)
    local seen, tasks = {}, {}
    for i = 1, 3 do
      tasks[i] = files.started(function()
        for event in watch do seen[#seen + 1] = event.name end
      end)
    end
    for _, name in ipairs { "a", "b", "c", "d" } do uv.fs_mkdir(path(name), 448) end
    files.eventually(function() return #seen >= 4 end)
    watch:close()
    for i = 1, 3 do await(tasks[i]) end
    table.sort(seen)
    assert.same({ "a", "b", "c", "d" }, seen)
    assert.is_nil(watch())
    assert.is_true(watch:is_closing())
    assert.equal(("neap.Watch (closed, %s)"):format(files.folder), tostring(watch))
    watch:close()
  end))

  it("loses no event when who waits is cancelled", with({}, function(watch)
    local first = files.started(function() return watch() end)
    local second = files.started(function() return watch() end)
    uv.fs_mkdir(path "a", 448)
    files.eventually(function() return watch.state.last > 0 or first:done() or second:done() end)
    first:cancel()
    pcall(await, first)
    if first:cancelled() then
      assert.equal("a", await(second).name)
    else
      assert.equal("a", first:result().name)
      second:cancel()
      pcall(await, second)
    end
  end))

  it("bounds the queue, and tells how many there was no room for", with({ queue = 3 }, function(watch)
    for i = 1, 8 do uv.fs_mkdir(path("d" .. i), 448) end
    files.eventually(function() return (watch.state[4] or {}).lost == 5 end)
    for i = 1, 3 do assert.equal("d" .. i, next_event(watch).name) end
    local event = next_event(watch)
    assert.equal("overflow", event.kind)
    assert.equal(5, event.lost)
    assert.equal(files.folder, event.path)
    uv.fs_mkdir(path "again", 448)
    assert.equal("again", next_event(watch).name)
  end))

  it("ends when the directory goes", function()
    for _, how in ipairs { "rm -r %s", "mv %s %s-moved", "mv %s %s-moved; mkdir %s" } do
      uv.fs_mkdir(path "d", 448)
      neap.run(function()
        local watch <close> = neap.watch(path "d/")
        os.execute((how:gsub("%%s", path "d")))
        local seen = events_until(watch, function(event) return event.kind == "gone" end)
        assert.equal("gone ", seen[#seen])
        assert.is_nil(watch())
        assert.equal(("neap.Watch (ended, %s)"):format(path "d"), tostring(watch))
      end)
      os.execute(("rm -rf %s %s-moved"):format(path "d", path "d"))
    end
  end)

  it("tells an entry from a directory of the same name", function()
    uv.fs_mkdir(path "d", 448)
    neap.run(function()
      local watch <close> = neap.watch(path "d")
      files.write("d/d", "x")
      events_until(watch, named("d", "rename"))
      files.write("d/d", "y")
      events_until(watch, named("d", "change"))
      os.remove(path "d/d")
      events_until(watch, named("d", "rename"))
      uv.fs_chmod(path "d", 493)
      events_until(watch, named("", "change"))
    end)
  end)

  it("may be open, or just closed, when the Lua state ends", function()
    local child = dofile "spec/support/child.lua"
    for _, options in ipairs { "{}", "{recursive = true}", "{poll = 1}" } do
      for _, close in ipairs { "", "watches[i]:close()", "watches[i] = nil collectgarbage()" } do
        for _, body in ipairs { "%s", "neap.run(function() %s end)" } do
          local script = ([[
            local neap = require "neap"
            local watches = {}
            for i = 1, 10 do watches[i] = neap.watch("%s", %s) end
            for i = 1, 10 do %s end
            print "end"]]):format(files.folder, options, close)
          script = body:gsub("%%s", function() return script end)
          assert.equal("end\n", (child.output((script:gsub("^neap.run", 'local neap = require "neap" neap.run')))))
        end
      end
    end
  end)
end)

describe("neap.watch of a file", function()
  it("tells of that file only, before it is there, replaced and gone", with({}, function(watch)
    files.write("other", "")
    files.write("f", "1")
    assert.same({ "rename f", "change f" }, { unpack = nil, table.unpack(events_until(watch, named("f", "change"))) })
    files.write("f.new", "2")
    os.rename(path "f.new", path "f")
    local seen = events_until(watch, named("f", "rename"))
    assert.is_nil(seen["rename f.new"])
    files.write("f", "3")
    events_until(watch, named("f", "change"))
    os.remove(path "f")
    events_until(watch, named("f", "rename"))
    files.write("f", "4")
    events_until(watch, named("f", "change"))
  end, "f"))

  it("ends when its directory goes", function()
    uv.fs_mkdir(path "d", 448)
    files.write("d/f", "")
    neap.run(function()
      local watch <close> = neap.watch(path "d/f")
      os.execute("rm -r " .. path "d")
      events_until(watch, function(event) return event.kind == "gone" end)
      assert.is_nil(watch())
    end)
  end)

  it("takes a path of one name", function()
    local before = uv.cwd()
    uv.chdir(files.folder)
    neap.run(function()
      local watch <close> = neap.watch "f"
      files.write("f", "x")
      local event = next_event(watch)
      assert.equal("f", event.name)
    end)
    uv.chdir(before)
  end)
end)

describe("neap.watch, polling,", function()
  it("tells the same of one path", with({ poll = 0.001 }, function(watch)
    files.requests(20)
    files.write("f", "1")
    assert.equal("rename", events_until(watch, named "f") and "rename")
    files.write("f", "12345")
    events_until(watch, named("f", "change"))
    files.write("g", "1")
    os.rename(path "g", path "f")
    events_until(watch, named("f", "rename"))
    os.remove(path "f")
    events_until(watch, named("f", "rename"))
  end, "f"))

  it("is closed like any other", with({ poll = 60 }, function(watch)
    local waiting = files.started(function() return watch() end)
    watch:close()
    assert.is_nil(await(waiting))
  end))
end)

describe("A watch nobody refers to", function()
  for _, options in ipairs { {}, { recursive = true }, { poll = 60 } } do
    it("is closed" .. (next(options) and ", " .. next(options) or ""), function()
      uv.fs_mkdir(path "d", 448)
      neap.run(function()
        await(neap.create_task(function() await(neap.watch(files.folder, options):ready()) end))
        files.eventually(function()
          collectgarbage()
          return watches.handles() == watches.open_handles
        end)
      end)
    end)
  end

  it("is missed in debug mode", function()
    local reports = {}
    neap.run(function()
      neap.set_exception_handler(function(context)
        if context.message:find "never closed" then reports[#reports + 1] = context.message end
      end)
      await(neap.create_task(function() local _ = neap.watch(files.folder) end))
      files.eventually(function()
        collectgarbage()
        return #reports > 0
      end)
    end, { debug = true })
    assert.matches("^neap.Watch %(open, .*%) was never closed %(made at .*watch_spec.lua:%d+%)$", reports[1])
  end)
end)
