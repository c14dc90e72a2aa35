-- luacheck: ignore 211 512
-- SPDX-License-Identifier: MIT
-- What spec/c/oom.c runs while it refuses memory: every primitive at least once. A section is a name
-- and a function; each stands alone, since the one before it may have ended anywhere.

local function open()
  local neap = require "neap"
  return neap, neap.await, neap.create_task
end

local function same(value, expected)
  if value ~= expected then error(tostring(value) .. " in the place of " .. tostring(expected), 2) end
end

-- The error must be of the class, or tell it (refused memory comes in its place, and goes on).
local function is(err, class)
  if not require "neap".is(err, class) then error(err, 0) end
end

local function tells(err, text)
  if not tostring(err):find(text, 1, true) then error(err, 0) end
end

local sections = {}

local function section(name, fn) sections[#sections + 1] = {name, fn} end

-- The section's body as the main task, on the virtual clock.
local function virtual(name, main)
  section(name, function()
    local neap, await, create_task = open()
    neap.run(function() return main(neap, await, create_task) end, {clock = "virtual"})
  end)
end

section("require", open)

-- ---- tasks and futures ----

virtual("tasks", function(neap, await, create_task)
  local function add(a, b) await(neap.sleep(0)) return a + b, nil, a end
  local add_async = neap.async(add)
  local named = create_task(add_async(1, 2), {name = "adder"})
  local eager = create_task(add_async(3, 4), {eager_start = true})
  local own = create_task(function() return add(5, 6) end, {context = neap.copy_context()})
  same(named:get_name(), "adder")
  same(neap.all_tasks().n, 4)
  same(neap.current_task():get_name() ~= nil, true)
  local a, none, one = await(named)
  same(a, 3)
  same(none, nil)
  same(one, 1)
  same((await(eager)), 7)
  same((await(own)), 11)
  same((await(add_async(7, 8))), 15)
  own:set_name("later")
  same(select("#", await(neap.sleep(0.5, 1, nil, nil))), 3)
  local value <const> = setmetatable({}, {__await = function() return await(neap.sleep(0.1, "v")) end})
  same(await(value), "v")
  same(#own:get_stack(), 0)
end)

virtual("many tasks", function(neap, await, create_task)
  local sum, tasks = 0, {}
  for i = 1, 70 do
    tasks[i] = create_task(function()
      await(neap.sleep(i % 7))
      sum = sum + i
    end)
  end
  await(neap.wait(tasks))
  same(sum, 70 * 71 // 2)
end)

virtual("futures", function(neap, await)
  local f, calls = neap.Future(), {}
  local function called(future) calls[#calls + 1] = future end
  local function dropped() calls.dropped = true end
  f:add_done_callback(called)
  f:add_done_callback(dropped)
  same(f:remove_done_callback(dropped), 1)
  neap.call_soon(f.set_result, f, 1, nil, 3)
  same(select("#", await(f)), 3)
  f:add_done_callback(called)
  await(neap.sleep(0))
  same(#calls, 2)
  local g = neap.Future()
  neap.call_later(0.5, g.set_exception, g, neap.ValueError("no"))
  local ok, err = pcall(await, g)
  same(ok, false)
  is(err, neap.ValueError)
  tells(err, "no")
  local h = neap.Future()
  h:cancel("because")
  ok, err = pcall(await, h)
  same(ok, false)
  is(err, neap.CancelledError)
  same(err.message, "because")
end)

virtual("cancelling", function(neap, await, create_task)
  local got
  local t = create_task(function()
    local ok, err = pcall(await, neap.sleep(10))
    got = not ok and err
    error(err, 0)
  end)
  await(neap.sleep(1))
  if not t:cancel("stop") then await(t) end -- it failed before
  same(t:cancelling(), 1)
  local ok, err = pcall(await, t)
  same(ok, false)
  is(err, neap.CancelledError)
  same(got and got.message, "stop")
  local stubborn = create_task(function()
    for _ = 1, 3 do pcall(await, neap.sleep(10)) end
    neap.current_task():uncancel()
    await(neap.sleep(0))
    return "end"
  end)
  await(neap.sleep(0))
  stubborn:cancel("first", {grace = 1})
  await(neap.wait({stubborn}, {timeout = 100}))
  local early = create_task(function() error("never run") end)
  early:cancel()
  same(neap.pcall(function() return 1 end), true)
  ok, err = pcall(await, early)
  same(ok, false)
  is(err, neap.CancelledError)
  local outer = create_task(function()
    neap.current_task():cancel("self")
    await(neap.Future())
  end)
  ok, err = pcall(await, outer)
  same(ok, false)
  is(err, neap.CancelledError)
end)

virtual("callbacks", function(neap, await)
  local order, done = "", neap.Future()
  neap.call_soon(function(x) order = order .. x end, "a")
  neap.call_later(1, function(x) order = order .. x end, "c")
  neap.call_at(neap.time() + 0.5, function(x) order = order .. x end, "b")
  local none = neap.call_later(0.1, error, "cancelled")
  none:cancel()
  neap.call_soon_threadsafe(function() order = order .. "t" end)
  neap.call_later(2, done.set_result, done)
  await(done)
  same(order, "atbc")
end)

virtual("errors", function(neap, await, create_task)
  local function fails() error("deep") end
  local function mid() await(create_task(fails, {name = "inner"})) end
  local t = create_task(mid, {name = "outer"})
  local ok, err = pcall(await, t)
  same(ok, false)
  tells(err, "deep")
  local text = t:traceback()
  tells(text or err, "inner")
  tells(text or err, "outer")
  local seen
  neap.set_exception_handler(function(context) seen = context end)
  neap.call_soon(error, "in a callback")
  await(neap.sleep(0))
  await(neap.sleep(0))
  same(seen and tostring(seen.exception), "in a callback")
  create_task(error, {name = "unseen"})
  await(neap.sleep(0))
  collectgarbage()
  collectgarbage()
  await(neap.sleep(0))
  neap.call_exception_handler({message = "by hand"})
  same(seen.message, "by hand")
  ok = pcall(await, function() neap.Lock():release() end)
  same(ok, false)
end)

virtual("context variables", function(neap, await, create_task)
  local var = neap.ContextVar("v", {default = 0})
  local token = var:set(1)
  local t = create_task(function()
    same(var:get(), 1)
    var:set(2)
    await(neap.sleep(0))
    return var:get()
  end)
  same(await(t), 2)
  same(var:get(), 1)
  var:reset(token)
  same(var:get(), 0)
  local context = neap.copy_context()
  context:run(function()
    var:set(5)
    await(neap.sleep(1))
    same(var:get(), 5)
  end)
  same(context:get(var), 5)
  same(var:get(), 0)
  var:set(6)
  local seen = neap.Future()
  neap.call_soon(function() seen:set_result(var:get()) end)
  same(await(seen), 6)
end)

-- ---- combining ----

virtual("gather", function(neap, await, create_task)
  local function give(x) return function() await(neap.sleep(x)) return x end end
  local r = await(neap.gather(give(2), give(1), neap.sleep(1, "s")))
  same(r.n, 3)
  same(r[1], 2)
  same(r[3], "s")
  r = await(neap.gather{give(1), function() error({}) end, return_exceptions = true})
  if type(r[2]) ~= "table" then error(r[2], 0) end
  local ok, err = pcall(await, neap.gather(give(1), function() await(neap.sleep(0)) error("bad") end))
  same(ok, false)
  tells(err, "bad")
  local g = neap.gather(give(5), give(6))
  neap.call_later(1, g.cancel, g, "enough")
  ok, err = pcall(await, g)
  same(ok, false)
  is(err, neap.CancelledError)
  local done = create_task(give(0))
  await(done)
  same(await(neap.gather(done, done))[2], 0)
  same(await(neap.gather()).n, 0)
end)

virtual("wait", function(neap, await, create_task)
  local a = create_task(function() await(neap.sleep(1)) end)
  local b = create_task(function() await(neap.sleep(2)) end)
  local c = create_task(function() await(neap.sleep(3)) error("c") end)
  local done, pending = await(neap.wait({a, b, c}, {return_when = "FIRST_COMPLETED"}))
  same(done.n, 1)
  same(pending.n, 2)
  done = await(neap.wait({a, b}, {timeout = 0.5}))
  same(done.n, 1)
  done = await(neap.wait({a, b, c}, {return_when = "FIRST_EXCEPTION", timeout = 10}))
  same(done.n, 3)
end)

virtual("wait_for", function(neap, await)
  same(await(neap.wait_for(neap.sleep(1, "in time"), 2)), "in time")
  local ok, err = pcall(await, neap.wait_for(neap.sleep(2), 1))
  same(ok, false)
  is(err, neap.TimeoutError)
  ok, err = pcall(await, neap.wait_for(neap.Future(), 0))
  same(ok, false)
  is(err, neap.TimeoutError)
  same(await(neap.wait_for(function() return 5 end, nil)), 5)
end)

virtual("as_completed", function(neap, await, create_task)
  local order = ""
  local function give(x) return create_task(function() return await(neap.sleep(x, x)) end) end
  for f in neap.as_completed({give(3), give(1), give(2)}) do order = order .. f:result() end
  same(order, "123")
  local late = 0
  for f in neap.as_completed({give(1), give(9)}, {timeout = 5}) do
    local ok, err = pcall(f.result, f)
    if not ok then
      is(err, neap.TimeoutError)
      late = late + 1
    end
  end
  same(late, 1)
  for _ in neap.as_completed({give(1), give(2)}) do break end
end)

virtual("shield", function(neap, await, create_task)
  local inner = create_task(function() return await(neap.sleep(2, "kept")) end)
  local outer = neap.shield(inner)
  neap.call_later(1, outer.cancel, outer)
  local ok, err = pcall(await, outer)
  same(ok, false)
  is(err, neap.CancelledError)
  same(await(neap.shield(inner)), "kept")
  ok, err = pcall(await, neap.shield(function() await(neap.sleep(1)) error("inside") end))
  same(ok, false)
  tells(err, "inside")
end)

virtual("timeout", function(neap, await)
  local ok, err = pcall(function()
    local scope <close> = neap.timeout(1)
    same(scope:expired(), false)
    await(neap.sleep(5))
  end)
  same(ok, false)
  is(err, neap.TimeoutError)
  same(neap.timeout(5, function() return await(neap.sleep(1, "x")) end), "x")
  same(select("#", neap.move_on_after(1, function() await(neap.Future()) end)), 0)
  neap.timeout_at(neap.time() + 1, function(scope)
    scope:reschedule(neap.time() + 5)
    await(neap.sleep(2))
  end)
  ok, err = pcall(neap.timeout, 3, function() neap.timeout(1, function() await(neap.sleep(9)) end) end)
  same(ok, false)
  is(err, neap.TimeoutError)
end)

virtual("task groups", function(neap, await)
  local sum = 0
  do
    local tg <close> = neap.TaskGroup()
    for i = 1, 3 do tg:create_task(function() await(neap.sleep(i)) sum = sum + i end, {name = "member"}) end
  end
  same(sum, 6)
  local ok, err = pcall(neap.task_group, function(tg)
    tg:create_task(function() await(neap.sleep(1)) error("one") end)
    tg:create_task(function()
      pcall(await, neap.sleep(9))
      error("two")
    end)
    await(neap.sleep(9))
  end)
  same(ok, false)
  is(err, neap.ExceptionGroup)
  if #err.errors ~= 2 then error(err, 0) end
  same(neap.task_group(function(tg)
    tg:create_task(neap.sleep(9))
    tg:cancel()
    return "left"
  end), "left")
end)

-- ---- synchronisation ----

virtual("lock", function(neap, await, create_task)
  local lock, order, tasks = neap.Lock(), "", {}
  for i = 1, 4 do
    tasks[i] = create_task(function()
      local held <close> = await(lock:acquire())
      order = order .. i
      await(neap.sleep(1))
    end)
  end
  await(neap.sleep(0.5))
  tasks[2]:cancel("not you")
  await(neap.wait(tasks))
  same(order, "134")
  same(lock:locked(), false)
end)

virtual("event", function(neap, await, create_task)
  local event, woken = neap.Event(), 0
  local tasks = {}
  for i = 1, 3 do
    tasks[i] = create_task(function()
      await(event:wait())
      woken = woken + 1
    end)
  end
  neap.call_later(1, event.set, event)
  await(neap.wait(tasks))
  same(woken, 3)
  event:clear()
  same(event:is_set(), false)
end)

virtual("condition", function(neap, await, create_task)
  local condition, ready, woken, tasks = neap.Condition(), false, 0, {}
  for i = 1, 3 do
    tasks[i] = create_task(function()
      local held <close> = await(condition:acquire())
      if i == 1 then await(condition:wait()) else await(condition:wait_for(function() return ready end)) end
      woken = woken + 1
    end)
  end
  await(neap.sleep(1))
  do
    local held <close> = await(condition:acquire())
    ready = true
    condition:notify_all()
  end
  await(neap.wait(tasks, {timeout = 5}))
  same(woken, 3)
end)

virtual("semaphore", function(neap, await, create_task)
  local semaphore, most, now, tasks = neap.BoundedSemaphore(2), 0, 0, {}
  for i = 1, 5 do
    tasks[i] = create_task(function()
      local held <close> = await(semaphore:acquire())
      now = now + 1
      most = math.max(most, now)
      await(neap.sleep(1))
      now = now - 1
    end)
  end
  await(neap.wait(tasks))
  same(most, 2)
  same(pcall(semaphore.release, semaphore), false)
  local plain = neap.Semaphore(0)
  neap.call_soon(plain.release, plain)
  await(plain:acquire())
end)

virtual("barrier", function(neap, await, create_task)
  local barrier, sum, tasks = neap.Barrier(3), 0, {}
  for i = 1, 6 do
    tasks[i] = create_task(function()
      local place = await(barrier:wait())
      sum = sum + place
    end)
  end
  await(neap.wait(tasks, {timeout = 5}))
  same(sum, 6)
  local broken = create_task(barrier:wait())
  await(neap.sleep(1))
  await(barrier:abort())
  same(pcall(await, broken), false)
  await(barrier:reset())
  same(barrier:broken(), false)
end)

local function through(neap, await, create_task, queue, expected)
  local got = ""
  local consumer = create_task(function()
    while true do
      got = got .. await(queue:get())
      queue:task_done()
    end
  end)
  for i = 1, 6 do await(queue:put(7 - i)) end
  await(queue:join())
  consumer:cancel()
  same(got, expected)
  queue:put_nowait(1)
  same(queue:get_nowait(), 1)
  same(queue:qsize(), 0)
  queue:shutdown()
  local ok, err = pcall(await, queue:get())
  same(ok, false)
  is(err, neap.QueueShutDown)
end

virtual("queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.Queue(2), "654321")
  local queue = neap.Queue()
  for i = 1, 9 do queue:put_nowait(i) end
  for i = 1, 9 do same(await(queue:get()), i) end
  local getter = create_task(queue:get())
  await(neap.sleep(0))
  queue:put_nowait("kept")
  getter:cancel()
  await(neap.sleep(0))
  same(queue:get_nowait(), "kept")
  queue:put_nowait("dropped")
  queue:shutdown(true)
end)

virtual("lifo queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.LifoQueue(2), "563412")
end)

virtual("priority queue", function(neap, await, create_task)
  through(neap, await, create_task, neap.PriorityQueue(), "123456")
end)

-- ---- running ----

section("real clock", function()
  local neap, await, create_task = open()
  same(neap.run(neap.async(function(a)
    local t = create_task(neap.sleep(0.002, "slept"))
    same(await(t), "slept")
    return a
  end)("value")), "value")
end)

section("top-level await", function()
  local neap, await, create_task = open()
  local t = create_task(function() return await(neap.sleep(0.001, "t")) end)
  same(await(t), "t")
  same(await(neap.sleep(0, "u")), "u")
end)

section("plain uv.run", function()
  local neap, await, create_task = open()
  local value
  local t = create_task(function() value = await(neap.sleep(0.001, "w")) end)
  require("luv").run()
  await(t)
  same(value, "w")
end)

section("a whole file", function()
  local neap, await = open()
  neap.run(function()
    same(#await(neap.fs.read_file "/proc/self/statm") > 0, true)
    local ok, err = pcall(await, neap.fs.read_file "/no/such/file")
    same(ok, false)
    tells(err, "/no/such/file (ENOENT)")
  end)
end)

section("runner", function()
  local neap, await, create_task = open()
  local runner <close> = neap.Runner({clock = "virtual"})
  local t = runner:run(function() return create_task(neap.sleep(5, "later")) end)
  same(runner:run(function() return await(t) end), "later")
end)

section("error out of run", function()
  local neap, await, create_task = open()
  local ok, err = pcall(neap.run, function()
    create_task(function() await(neap.sleep(9)) end)
    create_task(function() error("lost") end)
    neap.set_exception_handler(function() end)
    await(neap.sleep(1))
    error("out")
  end, {clock = "virtual"})
  same(ok, false)
  tells(err, "out")
end)

section("tasks left behind", function()
  local neap, await, create_task = open()
  local ended = 0
  neap.run(function()
    for _ = 1, 3 do
      create_task(function()
        local mark <close> = setmetatable({}, {__close = function() ended = ended + 1 end})
        await(neap.Future())
      end)
    end
    await(neap.sleep(0))
  end, {clock = "virtual"})
  same(ended, 3)
  local ok, err = pcall(neap.run, function() await(neap.Future()) end)
  same(ok, false)
  is(err, neap.DeadlockError)
end)

section("debug mode", function()
  local neap, await, create_task = open()
  local said = 0
  neap.run(function()
    neap.set_exception_handler(function() said = said + 1 end)
    neap.async(function() end)()
    collectgarbage()
    collectgarbage()
    local t = create_task(function()
      local _, err = pcall(await, neap.sleep(5))
      is(err, neap.CancelledError)
    end)
    await(neap.sleep(0))
    t:cancel()
    await(t)
  end, {clock = "virtual", debug = true})
  same(said >= 1, true) -- what a finalizer has no memory to say is lost
end)

-- ---- streams ----

local function tcp(name, handler, client)
  section(name, function()
    local neap, await = open()
    neap.run(function()
      local server <close> = await(neap.start_server(function(stream) handler(neap, await, stream) end, "127.0.0.1", 0))
      local stream <close> = await(neap.wait_for(neap.open_connection("127.0.0.1", server:getsockname().port), 5))
      neap.timeout(5, function() client(neap, await, stream, server) end)
      stream:close()
      pcall(await, neap.wait_for(stream:wait_closed(), 5)) -- raises if the connection was lost
    end)
  end)
end

tcp("stream", function(_, await, stream)
  for line in stream:lines() do await(stream:write(line:upper(), "\n")) end
end, function(neap, await, stream)
  await(stream:write("one\n", "two\n"))
  same(await(stream:readline()), "ONE\n")
  same(await(stream:readuntil("\n")), "TWO\n")
  await(stream:writelines({"three\n", "four\n"}))
  same(await(stream:readexactly(6)), "THREE\n")
  local reader = neap.create_task(stream:read(100))
  same(stream:get_extra_info("peername").ip, "127.0.0.1")
  same(await(reader), "FOUR\n")
  stream:write_eof()
  same(await(stream:read("a")), "")
  same(stream:at_eof(), true)
end)

tcp("stream, much", function(_, await, stream)
  local size = 0
  repeat
    local data = await(stream:read(65536))
    size = size + #(data or "")
  until not data
  await(stream:write(tostring(size), "\n"))
end, function(_, await, stream)
  local chunk = ("x"):rep(300000)
  for _ = 1, 4 do await(stream:write(chunk)) end
  stream:write_eof()
  same(await(stream:read("l")), "1200000")
end)

tcp("stream, ends", function(_, await, stream)
  await(stream:read(1))
  stream:abort()
end, function(neap, await, stream)
  local reader = neap.create_task(stream:readexactly(10))
  await(neap.sleep(0))
  reader:cancel("not now")
  local ok, err = pcall(await, reader)
  same(ok, false)
  is(err, neap.CancelledError)
  await(stream:write("x"))
  ok, err = pcall(await, stream:read(1))
  same(ok, false)
  is(err, neap.ConnectionResetError)
end)

section("names and refusals", function()
  local neap, await = open()
  neap.run(function()
    local server = await(neap.start_server(function() end, "localhost", 0))
    local port = server:getsockname().port
    local stream <close> = await(neap.open_connection("localhost", port))
    local forever = neap.create_task(server:serve_forever())
    await(neap.sleep(0))
    forever:cancel()
    server:close_clients()
    pcall(await, forever)
    await(neap.wait_for(server:wait_closed(), 5))
    local ok, err = pcall(await, neap.open_connection("127.0.0.1", port))
    same(ok, false)
    is(err, neap.ConnectionRefusedError)
  end)
end)

-- ---- the C interface ----

dofile "spec/c/oom_api.lua".add(sections)

-- ---- names ----

dofile "spec/c/oom_names.lua".add(sections)

-- ---- datagrams, signals, descriptors ----

dofile "spec/c/oom_io.lua".add(sections)

-- ---- streams of every kind, processes ----

local streams = dofile "spec/c/oom_streams.lua"
streams.add(sections)

-- ---- afterwards ----

-- How many tasks, callbacks and other records the core still holds: its anchors are the registry's
-- table of coroutines, tasks, callbacks and booleans (free), the first two for the last error.
local function anchored(neap)
  local names = {}
  for key, list in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and key > 2 and type(list) == "table" and list[2] ~= nil then
      for i = 3, #list do
        local task = neap.is(list[i], neap.Task) and list[i]
        -- a task that was abandoned keeps its anchor: what it waited on may still lead to it
        if list[i] and type(list[i]) ~= "thread" and not (task and task:done()) then
          names[#names + 1] = tostring(list[i])
        end
      end
    end
  end
  return table.concat(names, ", ")
end

local function check()
  local neap, await, create_task = open()
  local function work()
    local queue, sum = neap.Queue(1), 0
    local consumer = create_task(function()
      for _ = 1, 5 do sum = sum + await(queue:get()) end
      return "consumed"
    end)
    for i = 1, 5 do
      await(queue:put(i))
      await(neap.sleep(0.0002))
    end
    same(await(neap.wait_for(consumer, 5)), "consumed")
    same(await(neap.gather(neap.sleep(0.001, "a"), neap.sleep(0, "b")))[1], "a")
    local var = neap.ContextVar("check")
    same(var:get("unset"), "unset")
    neap.set_exception_handler(nil)
    return sum
  end
  local function echo()
    local server <close> = await(neap.start_server(function(stream)
      await(stream:write(await(stream:read("l")), "\n"))
    end, "127.0.0.1", 0))
    local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
    await(stream:write("ping\n"))
    return await(neap.wait_for(stream:read("l"), 5))
  end
  same(neap.run(work), 15)
  same(neap.run(echo), "ping")
  same(neap.run(work, {clock = "virtual"}), 15)
  same(neap.all_tasks().n, 0)
  same(neap.current_task(), nil)
  collectgarbage()
  collectgarbage()
  same(anchored(neap), "")
  streams.check()
end

return {sections = sections, check = check}
