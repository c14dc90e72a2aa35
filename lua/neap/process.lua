-- SPDX-License-Identifier: MIT
-- Child processes: what may be asked for, and what happens to a process when its task is cancelled or its
-- scope ends. Starting it, its pipes and its end are in C.
local core = require "neap.core"
local uv = require "luv"
local spawn = require "neap.core.process".spawn

local async, await = core.async, core.await

local Process = setmetatable({}, { __name = "class neap.Process" })
local M = { Process = Process }

-- ---- options ----

-- A place is a function that starts processes, as errors in its arguments tell of it: its name, which argument has
-- the options, and how many functions of ours there are between its caller and `exec` or `shell`.
local EXEC = { name = "create_subprocess_exec", options = 2, depth = 0 }
local SHELL = { name = "create_subprocess_shell", options = 2, depth = 0 }

local function bad(at, name, problem, level)
  error(("bad argument #%d to 'neap.%s' (%s)"):format(at, name, problem), level + 1)
end

-- `level` is that of the caller of `exec` or `shell`, as seen from who finds the problem.
local function bad_args(place, problem, level) bad(1, place.name, problem, level + place.depth + 1) end

local function bad_options(place, problem, level) bad(place.options, place.name, problem, level + place.depth + 1) end

local function zero(value) return value:find("\0", 1, true) end

local function check_type(options, field, expected, place)
  local value = options[field]
  if value == nil or type(value) == expected then return end
  bad_options(place, ("field '%s': %s expected, got %s"):format(field, expected, type(value)), 4)
end

local function check_args(place, args)
  if type(args) ~= "table" then bad_args(place, ("a list of strings expected, got %s"):format(type(args)), 3) end
  local list = {}
  for i = 1, math.max(#args, 1) do
    local value = args[i]
    if type(value) ~= "string" and type(value) ~= "number" then
      bad_args(place, ("element %d: string expected, got %s"):format(i, type(value)), 3)
    end
    list[i] = tostring(value)
    if zero(list[i]) then bad_args(place, ("element %d contains a zero byte"):format(i), 3) end
  end
  if list[1] == "" then bad_args(place, "the program is empty", 3) end
  return list
end

local function check_command(place, command)
  if type(command) ~= "string" then bad_args(place, ("string expected, got %s"):format(type(command)), 3) end
  if zero(command) then bad_args(place, "the command contains a zero byte", 3) end
  return { "/bin/sh", "-c", command }
end

local function check_env(env, place)
  local list = {}
  for key, value in pairs(env) do
    if type(key) ~= "string" or type(value) ~= "string" and type(value) ~= "number" then
      bad_options(place, "field 'env': a table of strings by name expected", 4)
    end
    if key == "" or key:find("=", 1, true) then
      bad_options(place, "field 'env': a name is empty or contains '='", 4)
    end
    list[#list + 1] = key .. "=" .. value
    if zero(list[#list]) then bad_options(place, "field 'env' contains a zero byte", 4) end
  end
  return list
end

local function check_id(options, field, place)
  local id = options[field]
  if id == nil then return nil end
  if math.type(id) ~= "integer" or id < 0 or id > 0xffffffff then
    bad_options(place, ("field '%s': a number from 0 expected"):format(field), 4)
  end
  return id
end

local places = { "stdin", "stdout", "stderr" }
local words = { inherit = true, pipe = true, devnull = true }

local function check_stdio(options, i, place)
  local field = places[i]
  local value = options[field]
  if value == nil or value == "inherit" then return i - 1 end
  if words[value] or i == 3 and value == "stdout" then return value end
  if core.is(value, core.Stream) then return value end
  if math.type(value) == "integer" and value >= 0 and value <= 0x7fffffff then return value end
  bad_options(place, ("field '%s': \"pipe\", \"inherit\", \"devnull\"%s, a stream or a descriptor expected"):format(
    field, i == 3 and ', "stdout"' or ""), 4)
end

local known = {
  stdin = true, stdout = true, stderr = true, cwd = true, env = true, uid = true, gid = true, detached = true,
  limit = true, kill_on_cancel = true,
}

local types = { cwd = "string", env = "table", detached = "boolean", kill_on_cancel = "boolean" }

-- What spawn takes.
local function specify(place, args, options)
  if options == nil then options = {} end
  if type(options) ~= "table" then bad_options(place, ("table expected, got %s"):format(type(options)), 3) end
  for field in pairs(options) do
    if not known[field] then bad_options(place, ("field '%s' is unknown"):format(tostring(field)), 3) end
  end
  for field, expected in pairs(types) do check_type(options, field, expected, place) end
  if options.limit ~= nil and (math.type(options.limit) ~= "integer" or options.limit < 1) then
    bad_options(place, "field 'limit': integer, at least 1, expected", 3)
  end
  if options.cwd and zero(options.cwd) then bad_options(place, "field 'cwd' contains a zero byte", 3) end
  local spec = {
    args = args,
    stdio = { check_stdio(options, 1, place), check_stdio(options, 2, place), check_stdio(options, 3, place) },
    cwd = options.cwd,
    env = options.env and check_env(options.env, place),
    uid = check_id(options, "uid", place),
    gid = check_id(options, "gid", place),
    detached = options.detached,
    limit = options.limit,
  }
  return spec, options.kill_on_cancel
end

-- ---- the class ----

local meta = { __name = "neap.Process" }
setmetatable(meta, { __index = Process }) -- so that neap.is knows the class

function meta.__index(process, key)
  if key == "returncode" then return rawget(process, "handle"):code() end
  return Process[key]
end

function meta.__tostring(process)
  local code = process.returncode
  local state = not code and "running" or code < 0 and "ended by signal " .. -code or "ended with " .. code
  return ("neap.Process (%d, %s)"):format(process.pid, state)
end

local function check(process, name)
  if getmetatable(process) == meta then return process end
  bad(1, "Process:" .. name, ("neap.Process expected, got %s"):format(type(process)), 3)
end

-- Nothing needs memory after the process was started: else it might run on, and nobody know of it.
local start = async(function(spec, kill_on_cancel)
  local process = {
    handle = false, ended = false, pid = 0, stdin = false, stdout = false, stderr = false,
    args = spec.args, kill_on_cancel = kill_on_cancel or nil,
  }
  process.handle, process.ended, process.pid, process.stdin, process.stdout, process.stderr = spawn(spec)
  return setmetatable(process, meta)
end)

-- Passes the results on; what was cancelled (without memory: told so by a string) kills the process, and waits for
-- its end.
local function killing(process, ok, ...)
  if ok then return ... end
  if core.is((...), core.CancelledError) or not core.is((...), core.Error) then
    process:kill()
    pcall(await, process.ended)
  end
  error((...), 0)
end

local wait_and_kill = async(function(process) return killing(process, pcall(await, process.ended)) end)

function Process:wait()
  local process = check(self, "wait")
  return process.kill_on_cancel and wait_and_kill(process) or process.ended
end

local function feed(stdin, input)
  local ok, err = core.pcall(function()
    if input then await(stdin:write(input)) end
    stdin:write_eof()
  end)
  if not ok and not core.is(err, core.ConnectionError) then error(err, 0) end
end

local function talk(process, input)
  local all = await(core.gather(
    function() return process.stdout and await(process.stdout:read "a") end,
    function() return process.stderr and await(process.stderr:read "a") end,
    function() return process.stdin and feed(process.stdin, input) end))
  await(process.ended)
  return all[1], all[2]
end

local communicate = async(function(process, input)
  if not process.kill_on_cancel then return talk(process, input) end
  return killing(process, pcall(talk, process, input))
end)

function Process:communicate(input)
  local process = check(self, "communicate")
  if input ~= nil and type(input) ~= "string" then
    bad(1, "Process:communicate", ("string expected, got %s"):format(type(input)), 2)
  end
  if input and not process.stdin then error(core.ValueError "there is no pipe to stdin for the input", 0) end
  return communicate(process, input)
end

local function number_of(signal)
  if math.type(signal) == "integer" and signal >= 0 and signal <= 64 then return signal end
  if type(signal) == "string" then
    local name = signal:match "^SIG" and signal or "SIG" .. signal
    local number = uv.constants[name]
    if number and name:match "^SIG%u[%u%d]*$" then return number end
  end
  bad(1, "Process:send_signal", "the number or the name of a signal expected", 3)
end

function Process:send_signal(signal) check(self, "send_signal").handle:send(number_of(signal)) end
function Process:terminate() check(self, "terminate").handle:send(15) end
function Process:kill() check(self, "kill").handle:send(9) end

function meta.__close(process)
  process:kill()
  for _, name in ipairs(places) do
    if process[name] then process[name]:abort() end
  end
  if not process.returncode then core.pcall(await, process.ended) end
end

-- ---- making one ----

function M.exec(place, args, options) return start(specify(place, check_args(place, args), options)) end

function M.shell(place, command, options) return start(specify(place, check_command(place, command), options)) end

function M.create_subprocess_exec(args, options) return M.exec(EXEC, args, options) end

function M.create_subprocess_shell(command, options) return M.shell(SHELL, command, options) end

return M
