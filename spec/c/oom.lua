-- SPDX-License-Identifier: MIT
-- What spec/c/oom.c runs while it refuses memory: every primitive at least once. A section is a name
-- and a function; each stands alone, since the one before it may have ended anywhere. They are in parts,
-- spec/c/oom_*.lua. NEAP_OOM_ONLY is a pattern: only sections whose names it finds are run, "^lock$" or "stream" say.
local part = dofile "spec/c/oom_part.lua"
local open, same = part.open, part.same

local sections = {}

part.section("require", open)
part.add(sections)

-- ---- tasks and futures, combining, synchronisation, running, TCP streams ----

for _, name in ipairs { "tasks", "combine", "sync", "run", "tcp" } do
  dofile(("spec/c/oom_%s.lua"):format(name)).add(sections)
end

-- ---- the C interface ----

dofile "spec/c/oom_api.lua".add(sections)

-- ---- names ----

dofile "spec/c/oom_names.lua".add(sections)

-- ---- datagrams, signals, descriptors ----

dofile "spec/c/oom_io.lua".add(sections)

-- ---- streams of every kind, processes ----

local streams = dofile "spec/c/oom_streams.lua"
streams.add(sections)

local only = os.getenv "NEAP_OOM_ONLY"
if only then
  local kept = {}
  for _, it in ipairs(sections) do
    if it[1]:find(only) then kept[#kept + 1] = it end
  end
  sections = kept
end

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
