-- SPDX-License-Identifier: MIT
-- The end of the Lua state while stacks are parked: each is unwound, in processes of their own.
local child = require "spec.support.child"

local PRELUDE = [[
  local neap, uv = require "neap", require "luv"
  local await = neap.await
  io.stdout:setvbuf "no"
  local function closing(fn) return setmetatable({}, { __close = fn }) end
  local function on_stack(fn) return (("x"):gsub("x", fn)) end
  -- A task whose stack is parked, with a variable to be closed by fn.
  local function park(fn, what)
    return neap.create_task(function()
      local _ <close> = closing(fn)
      on_stack(what or function() await(neap.sleep(1000)) end)
    end)
  end
  local function say(text) return function(_, err) print(text, err) end end
  local function go() await(neap.sleep(0.001)) end
]]

local function output(script) return child.output(PRELUDE .. script) end
local function lines(...) return table.concat({ ... }, "\n") .. "\n" end

local stress = (os.getenv "NEAP_STRESS" or ""):gsub("park", "") -- or else what yields would be parked too
local CANCELLED = "CancelledError: the state is closing"

describe("A parked stack, when the state closes,", function()
  local ways = {
    ["at the end of the script"] = { "", 0 },
    ["by os.exit"] = { "os.exit(3, true)", 3 },
    ["by os.exit in a task"] = { "neap.create_task(function() os.exit(4, true) end) uv.run()", 4 },
    ["by os.exit in a task that was parked itself"] = {
      "neap.create_task(function() on_stack(function() await(neap.sleep(0)) os.exit(5, true) end) end) uv.run()", 5 },
    ["by os.exit in a callback"] = { "neap.call_soon(os.exit, 6, true) uv.run()", 6 },
    ["by os.exit in a callback of luv"] = { "uv.new_timer():start(0, 0, function() os.exit(7, true) end) uv.run()", 7 },
    ["by os.exit in tasks that start at once"] = { [[
      neap.create_task(function()
        neap.create_task(function()
          local _ <close> = closing(say "never")
          neap.create_task(function() os.exit(8, true) end, { eager_start = true })
        end, { eager_start = true })
      end)
      uv.run()]], 8 },
    ["by os.exit below run()"] = { "neap.run(function() await(neap.sleep(0.001)) os.exit(9, true) end)", 9 },
  }
  for way, how in pairs(ways) do
    it("is unwound " .. way, function()
      local result = child.run(PRELUDE .. [[
        park(say "first")
        neap.create_task(function() local _ <close> = closing(say "yields") await(neap.sleep(1000)) end)
        neap.create_task(coroutine.wrap(function() local _ <close> = closing(say "second") await(neap.Future()) end))
        go()
      ]] .. how[1], { env = { NEAP_STRESS = stress } })
      assert.same({ out = lines("first\t" .. CANCELLED, "second\t" .. CANCELLED), code = how[2] }, result)
    end)
  end

  it("frees what C functions hold", function()
    assert.equal(lines("closed\t" .. CANCELLED, "true\t" .. CANCELLED, "false\t" .. CANCELLED), output [[
      local probe = require "spec.probe"
      for i = 1, 3 do
        neap.create_task(function()
          probe.within(function() probe.within(function() await(neap.sleep(1000)) end) end)
        end)
      end
      park(say "closed", function() probe.within(function() probe.park(probe.wait(true)) end) end)
      for _, abort in ipairs { true, false } do
        park(say(abort), function() probe.park_kept(probe.wait(abort)) probe.park(probe.wait(abort)) end)
      end
      go()
      ]])
  end)

  it("finds alive what it uses: other finalizers come later", function()
    assert.equal(lines("true\ttrue", "finalized"), output [[
      local path = os.tmpname()
      local file = io.open(path, "w")
      local used = setmetatable({}, { __gc = function() print "finalized" end })
      park(function()
        print(file:write "bye" == file, used and os.remove(path))
      end)
      go()
      ]])
  end)

  it("cannot await anything any more, nor run or start what awaits", function()
    local five = (CANCELLED .. "\n"):rep(5)
    assert.equal(five .. lines("loop already running", "inside a finalizer", "no more"), output([[
      local lock, t = neap.Lock(), nil
      park(function()
        local function fails(...) print((select(2, pcall(...)))) end
        fails(await, neap.sleep(0))
        fails(await, lock:acquire())
        fails(await, t)
        fails(neap.task_group, function(group) group:create_task(neap.sleep(1)) end)
        fails(on_stack, function() await(neap.sleep(1)) end)
        fails(uv.run)
        print(tostring(select(2, pcall(neap.run, print))):match "inside a finalizer")
        neap.create_task(function() print "never" end)
        neap.call_soon(print, "never")
        print "no more"
      end)
      t = park(function() end)
      go()
      ]]):gsub("[^\n]-RuntimeError: ", ""))
  end)

  it("is given up, with a word, when it goes on and on", function()
    local out = output [[
      park(function() print "never" end, function() while true do pcall(await, neap.sleep(1)) end end)
      park(say "closed")
      go()
      ]]
    assert.matches("^closed\t" .. CANCELLED .. "\nneap: [^\n]*tasks that cannot be ended: 1[^\n]*\n$", out)
  end)

  it("reports an error nobody looked at, to the handler too", function()
    assert.matches("^neap: the error of task Task%-1 was never retrieved: [^\n]*oops\n", output [[
      park(function() error "oops" end)
      go()
      ]])
    assert.equal(lines("the error of task Task-1 was never retrieved\toops"), output [[
      neap.set_exception_handler(function(context) print(context.message, context.exception) end)
      park(function() error("oops", 0) end)
      go()
      ]])
  end)

  it("may close the state once more: then the others are dropped", function()
    assert.same({ out = "first\n", code = 7 }, child.run(PRELUDE .. [[
      for i = 1, 3 do park(function() print(i == 1 and "first" or "never") os.exit(7, true) end) end
      go()
      ]]))
  end)

  it("is unwound though what it awaits is parked as well", function()
    assert.equal(lines("0\t" .. CANCELLED, "1\t" .. CANCELLED, "2\t" .. CANCELLED), output [[
      local task = park(say "0")
      for i = 1, 2 do
        local last = task
        task = park(say(i), function() await(last) end)
      end
      go()
      ]])
  end)

  it("awaits all there is", function()
    local out = output [[
      local function nap() return neap.create_task(neap.sleep(1000)) end
      local lock, queue, condition = neap.Lock(), neap.Queue(), neap.Condition()
      neap.create_task(function() await(lock:acquire()) await(neap.sleep(1000)) end)
      local server = await(neap.start_server(function(s) await(s:read "a") end, "127.0.0.1", 0))
      local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
      local process = await(neap.create_subprocess_exec({ "cat" }, { stdin = "pipe" }))
      local kinds = {
        acquire = function() await(lock:acquire()) end,
        iterate = function() for _ in queue:iter() do print "never" end end,
        barrier = function() await(neap.Barrier(2):wait()) end,
        completed = function() for task in neap.as_completed { nap() } do await(task) end end,
        condition = function() local held <close> = await(condition:acquire()) await(condition:wait()) end,
        event = function() await(neap.Event():wait()) end,
        forever = function() while true do await(neap.sleep(0)) end end,
        gather = function() await(neap.gather(nap(), nap())) end,
        group = function()
          neap.task_group(function(group)
            group:create_task(neap.sleep(1000))
            await(neap.sleep(1000))
          end)
        end,
        leaving = function()
          neap.task_group(function(group) group:create_task(coroutine.wrap(function() await(nap()) end)) end)
        end,
        limit = function() neap.timeout(100, function() await(neap.sleep(1000)) end) end,
        move = function() neap.move_on_after(100, function() await(neap.sleep(1000)) end) end,
        process = function() await(process:wait()) end,
        queue = function() await(queue:get()) end,
        read = function() await(stream:read(1)) end,
        server = function() await(server:serve_forever()) end,
        shield = function() await(neap.shield(nap())) end,
        wait = function() await(neap.wait { nap() }) end,
        wait_for = function() await(neap.wait_for(nap(), 500)) end,
        work = function() await(neap.uv.fs_stat "/") await(neap.sleep(1000)) end,
        write = function() await(stream:write(("x"):rep(1 << 24))) await(neap.sleep(1000)) end,
      }
      local names, ended = {}, {}
      for name, kind in pairs(kinds) do
        names[#names + 1] = name
        park(function(_, err) ended[name] = neap.is(err, neap.CancelledError) and "ended" or err end, kind)
      end
      table.sort(names)
      neap.set_exception_handler(function(context) print(context.message, context.exception) end)
      local last = setmetatable({}, { __gc = function()
        for _, name in ipairs(names) do print(name, ended[name]) end
      end })
      for _ = 1, 5 do go() end
      assert(last)
      ]]
    for line in out:gmatch "[^\n]+" do assert.matches("^%l+_?%l*\tended$", line) end
    assert.equal(21, select(2, out:gsub("\n", "")))
  end)
end)
