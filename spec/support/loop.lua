-- Runs the body of a spec as the main task of its own run(), on the virtual clock, and looks
-- afterwards for what was left behind: tasks, handles, timers, reports nobody expected.
local neap = require "neap"
local uv = require "luv"

local loop = {}

local stress = os.getenv "NEAP_STRESS" or ""
loop.shuffled = stress:find("shuffle", 1, true) ~= nil -- equal timers come in any order
loop.slow = os.getenv "NEAP_SLOW" == "1"

-- A count that is smaller where everything is slower.
function loop.size(usual, slow) return loop.slow and slow or usual end

local function handles()
  local found = {}
  uv.walk(function(handle)
    if not handle:is_closing() then found[handle] = tostring(handle) end
  end)
  return found
end

local function fail(format, ...) error("leak: " .. format:format(...), 0) end

local function check_tasks()
  local tasks = neap.all_tasks()
  if tasks.n == 0 then return end
  local names = {}
  for i, task in ipairs(tasks) do names[i] = tostring(task) end
  fail("%d tasks are alive: %s", tasks.n, table.concat(names, ", "))
end

local function check_handles(before)
  for handle, name in pairs(handles()) do
    if not before[handle] then fail("%s is open", name) end
  end
  for _ = 1, 1000 do -- a thread that resolves a name for nobody any more comes to its end
    if next(before) ~= nil or not uv.loop_alive() then return end
    uv.run "nowait"
    uv.sleep(10)
  end
  fail("something keeps the loop alive")
end

-- run() on the virtual clock refuses to start while a timer of the real clock is pending.
local function check_timers() neap.run(function() end, { clock = "virtual" }) end

local function describe(context)
  return ("%s: %s"):format(tostring(context.message), tostring(context.exception))
end

local function execute(body, options)
  options = options or {}
  local before, reports = handles(), {}
  local settings = { clock = options.clock or "virtual", debug = options.debug or false,
    shutdown_grace = options.shutdown_grace, stack_size = options.stack_size, step_limit = options.step_limit }
  neap.set_exception_handler(function(context)
    local slow = tostring(context.message):match "^a step of task (%S+) %a+ " -- on a busy machine any may be
    if not slow or slow == options.slow then reports[#reports + 1] = context end
  end)
  local results = table.pack(pcall(neap.run, function() return body(reports) end, settings))
  if results[1] then
    collectgarbage()
    collectgarbage()
    check_tasks()
    check_handles(before)
    check_timers()
  end
  neap.set_exception_handler(nil)
  return results, reports
end

-- ... = run(body [, {clock =, debug =, shutdown_grace =, slow =}]): raises what body raises. Slow steps are reported of
-- the task named `slow` only.
function loop.run(body, options)
  local results, reports = execute(body, options)
  if not results[1] then error(results[2], 0) end
  if #reports > 0 then error("unexpected report: " .. describe(reports[1]), 0) end
  return table.unpack(results, 2, results.n)
end

-- reports = run_reports(body [, options]): as run, and gives the list of what the exception handler
-- was called with, which body gets too; the error that body raised is in reports.error
function loop.run_reports(body, options)
  local results, reports = execute(body, options)
  if not results[1] then reports.error = results[2] end
  return reports
end

-- Has the loopback an IPv6 address?
function loop.has_ipv6()
  local tcp = uv.new_tcp()
  local bound = tcp:bind("::1", 0)
  tcp:close()
  return bound == 0
end

-- How many descriptors the process has open.
function loop.descriptors()
  local n, listing = 0, assert(uv.fs_scandir "/proc/self/fd")
  while uv.fs_scandir_next(listing) do n = n + 1 end
  return n
end

-- Are there no more than before? A thread that still resolves a name may hold one for a moment.
function loop.closed(before)
  for _ = 1, 500 do
    if loop.descriptors() <= before then return true end
    if neap.current_task() then neap.await(neap.sleep(0.01)) else uv.sleep(10) end
  end
  return false
end

-- How many will stay open when everything that was let go of is closed. In a task.
function loop.lasting_descriptors()
  local n
  repeat
    n = loop.descriptors()
    collectgarbage()
    collectgarbage()
    loop.ticks(20)
  until loop.descriptors() >= n
  return n
end

-- n ticks, so that what is ready has run
function loop.ticks(n)
  for _ = 1, n do neap.await(neap.sleep(0)) end
end

-- class = failure_of(fn, ...): the error object that fn raises; an error if it does not
function loop.failure(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("expected an error", 2) end
  return err
end

-- As failure(), and checks the class
function loop.raises(class, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error(("expected %s, but nothing was raised"):format(class.name), 2) end
  if not neap.is(err, class) then
    error(("expected %s, got %s"):format(class.name, tostring(err)), 2)
  end
  return err
end

return loop
