-- SPDX-License-Identifier: MIT
-- luacheck: no max line length (most of it is snippets)
-- await wherever Lua code can run inside a task: below every function of the standard library that calls back, in
-- coroutines of the user's own, and in all that nests.
local neap = require "neap"
local child = require "spec.support.child"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

-- name -> the text of fn(act): calls act() below the function, and returns what ought to be `expected`, if all goes well.
local places = {
  { "table.sort", 'local t = { 3, 1, 2 } table.sort(t, function(a, b) act() return a < b end) return table.concat(t)', "123" },
  { "table.concat", [[
    local proxy = setmetatable({}, { __index = function(_, i) act() return "x" .. i end, __len = function() act() return 2 end })
    return table.concat(proxy)]], "x1x2" },
  { "table.unpack", 'return (table.unpack(setmetatable({}, { __index = function() act() return "u" end }), 1, 1))', "u" },
  { "table.insert", [[
    local seen
    local t = setmetatable({}, { __newindex = function(_, _, v) act() seen = v end, __len = function() act() return 0 end })
    table.insert(t, "i") return seen]], "i" },
  { "table.remove", [[
    local t = setmetatable({}, { __index = function() act() return "r" end, __newindex = function() act() end,
      __len = function() act() return 1 end })
    return table.remove(t)]], "r" },
  { "table.move", [[
    local from = setmetatable({}, { __index = function() act() return "m" end })
    return table.move(from, 1, 1, 1, {})[1] ]], "m" },
  { "string.gsub", 'return (("ab"):gsub(".", function(c) act() return c:upper() end))', "AB" },
  { "string.gsub, table", 'return (("a"):gsub(".", setmetatable({}, { __index = function() act() return "b" end })))', "b" },
  { "string.format", 'return ("%s!"):format(setmetatable({}, { __tostring = function() act() return "f" end }))', "f!" },
  { "tostring", 'return tostring(setmetatable({}, { __tostring = function() act() return "t" end }))', "t" },
  { "__name", 'return #tostring(setmetatable({}, { __tostring = function() act() return "tt" end }))', 2 },
  { "require", [[
    package.preload["spec.anywhere"] = function() act() return { "module" } end
    package.loaded["spec.anywhere"] = nil
    return require "spec.anywhere"[1] ]], "module" },
  { "load, reader", [[
    local parts = { "return ", "'lo'", " .. 'aded'" }
    local fn, err = load(function() act() return table.remove(parts, 1) end)
    if not fn then error(err, 0) end
    return fn()]], "loaded" },
  { "pcall", 'return (select(2, pcall(function() act() return "p" end)))', "p", true },
  { "xpcall, handler", 'return (select(2, xpcall(error, function(e) act() return e .. "!" end, "x")))', "x!" , true },
  { "ipairs", 'for _, v in ipairs(setmetatable({}, { __index = function(_, i) act() return i < 3 and i or nil end })) do act(v) end return 1', 1 },
  { "pairs", 'for k in pairs(setmetatable({}, { __pairs = function() act() return next, { a = 1 } end })) do return k end', "a" },
  { "next, iterator", 'for v in function(_, i) act() return not i and "once" or nil end do return v end', "once" },
  { "select('#')", 'return select("#", act(), 2)', 2 },
  { "__index", 'return setmetatable({}, { __index = function() act() return "i" end }).x', "i" },
  { "__eq", 'local m = { __eq = function() act() return true end } return setmetatable({}, m) == setmetatable({}, m)', true },
  { "__concat", 'return setmetatable({}, { __concat = function() act() return "c" end }) .. 1', "c" },
  { "__close", 'do local c <close> = setmetatable({}, { __close = function() act() end }) end return "closed"', "closed" },
  { "coroutine.close", [[
    local co = coroutine.create(function()
      local c <close> = setmetatable({}, { __close = function() act() end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    local ok, err = coroutine.close(co)
    if not ok then error(err, 0) end
    return "closed"]], "closed" },
  { "coroutine.wrap", 'return coroutine.wrap(function() act() return "w" end)()', "w" },
  { "coroutine.resume", [[
    local co = coroutine.create(function() act() coroutine.yield(1) act() return "r" end)
    local ok, err = coroutine.resume(co)
    if not ok then error(err, 0) end
    ok, err = coroutine.resume(co)
    if not ok then error(err, 0) end
    return err]], "r" },
  { "a coroutine in a coroutine", [[
    return coroutine.wrap(function()
      act()
      return coroutine.wrap(function() act() return "deep" end)()
    end)()]], "deep" },
  { "sort in gsub in a coroutine", [[
    return coroutine.wrap(function()
      return (("a"):gsub(".", function(c)
        local t = { 2, 1 }
        table.sort(t, function(a, b) act() return a < b end)
        return c .. t[1]
      end))
    end)()]], "a1" },
  { "dofile", [[
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("act_anywhere() return 'done'")
    file:close()
    act_anywhere = act
    local ok, err = pcall(dofile, path)
    os.remove(path)
    if not ok then error(err, 0) end
    return err]], "done" },
  { "io.lines' loop", [[
    local path = os.tmpname()
    for _ in io.lines(path) do error "empty" end
    for line in coroutine.wrap(function() act() coroutine.yield "line" end) do os.remove(path) return line end]], "line" },
  { "debug.sethook", [[
    local hooked
    debug.sethook(function() debug.sethook() act() hooked = "hooked" end, "c")
    math.abs(1)
    debug.sethook()
    return hooked]], "hooked" },
  { "utf8, math and os call nobody back", 'act() return math.max(1, 2)', 2 },
}

local function place(entry) return assert(load("local act = ... " .. entry[2], "=" .. entry[1])) end


describe("await below", function()
  for _, entry in ipairs(places) do
    describe(entry[1], function()
      it("waits, while others go on", function()
        run(function()
          local n, other = 0, 0
          local ticking = neap.create_task(function()
            while true do
              other = other + 1
              await(neap.sleep(1))
            end
          end)
          local result = place(entry)(function(...)
            local before = other
            await(neap.sleep(2))
            assert.is_true(other > before)
            n = n + 1
            return ...
          end)
          ticking:cancel()
          assert.equal(entry[3], result)
          assert.is_true(n > 0)
          await(neap.sleep(1))
        end)
      end)

      it("raises what is raised, and the task goes on", function()
        run(function()
          local oops = setmetatable({}, { __tostring = function() return "oops" end })
          local ok, err = pcall(place(entry), function()
            await(neap.sleep(1))
            error(oops)
          end)
          if entry[4] then
            assert.is_true(ok)
          else
            assert.is_false(ok)
            assert.matches("oops", tostring(err))
          end
          await(neap.sleep(1))
        end)
      end)

      it("is cancelled", function()
        run(function()
          local begun = false
          local task = neap.create_task(function()
            place(entry)(function()
              begun = true
              await(neap.sleep(1000))
            end)
            await(neap.sleep(0)) -- pcall may have caught it
          end)
          await(neap.sleep(1))
          assert.is_true(begun)
          for _ = 1, 300 do -- the handler of xpcall is called for its own errors too
            if task:done() then break end
            task:cancel "enough"
            await(neap.sleep(1))
          end
          assert.is_true(task:done())
          if not entry[4] then assert.is_true(task:cancelled() or tostring(task:exception()):find "enough" ~= nil) end
        end)
      end)
    end)
  end

  it("ends with the state, wherever tasks are parked", function()
    local texts, names = {}, {}
    for i, entry in ipairs(places) do
      texts[i] = ("task(%q, function(act) %s end)"):format(entry[1], entry[2])
      names[i] = entry[1]
    end
    table.sort(names)
    local out = child.output(([[
      local neap = require "neap"
      local await = neap.await
      local ended, names = {}, {}
      local function task(name, place)
        neap.create_task(function()
          local whole <close> = setmetatable({}, { __close = function() ended[name] = ended[name] == "halfway" end })
          string.gsub("x", "x", function() -- so that all are parked
            place(function()
              local _, err = pcall(await, neap.sleep(1000))
              if tostring(err) == "CancelledError: the state is closing" then ended[name] = "halfway" end
              error(err, 0)
            end)
          end)
        end)
      end
      local last = setmetatable({}, { __gc = function()
        for name, whole in pairs(ended) do names[#names + 1] = whole == true and name or name .. " halfway" end
        table.sort(names)
        print(table.concat(names, "\n"))
      end })
      neap.run(function()
        %s
        await(neap.sleep(0.01))
        print "closing"
        table.sort({ 2, 1 }, function() await(neap.sleep(0)) os.exit(0, true) end)
      end)
      print(last)
    ]]):format(table.concat(texts, "\n")))
    assert.equal("closing\n" .. table.concat(names, "\n") .. "\n", out)
  end)
end)

describe("A coroutine of the user's own in a task", function()
  it("is a generator that awaits, and keeps what Lua says of it", function()
    run(function()
      local co
      co = coroutine.create(function(first)
        assert.equal("one", first)
        assert.equal(co, (coroutine.running()))
        assert.is_true(coroutine.isyieldable())
        await(neap.sleep(1))
        assert.equal(co, (coroutine.running()))
        local sent = coroutine.yield("a")
        await(neap.sleep(1))
        return sent .. "!"
      end)
      assert.same({ true, "a" }, { coroutine.resume(co, "one") })
      assert.equal("suspended", coroutine.status(co))
      assert.same({ true, "two!" }, { coroutine.resume(co, "two") })
      assert.equal("dead", coroutine.status(co))
    end)
  end)

  it("cannot be resumed or closed by others while it awaits", function()
    run(function()
      local co = coroutine.create(function() await(neap.sleep(1)) return "own" end)
      local task = neap.create_task(function() return select(2, coroutine.resume(co)) end)
      await(neap.sleep(0.5))
      assert.equal("normal", coroutine.status(co))
      assert.is_false((coroutine.resume(co)))
      assert.is_false((pcall(coroutine.close, co)))
      assert.equal("own", await(task))
    end)
  end)

  it("awaits in one task what it yields in another", function()
    run(function()
      local gen = coroutine.wrap(function()
        for i = 1, 6 do
          await(neap.sleep(1))
          coroutine.yield(i)
        end
      end)
      local got = {}
      for _ = 1, 3 do
        await(neap.create_task(function() got[#got + 1] = gen() got[#got + 1] = gen() end))
      end
      assert.same({ 1, 2, 3, 4, 5, 6 }, got)
    end)
  end)

  it("has a place in reports of deadlocks", function()
    local err = loop.failure(neap.run, function()
      coroutine.wrap(function() await(neap.Future()) end)()
    end)
    assert.matches("waits for neap.Future.-anywhere_spec.lua:%d+", tostring(err))
  end)
end)
