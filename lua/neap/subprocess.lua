-- SPDX-License-Identifier: MIT
-- neap.subprocess: a command as one call, on top of neap.process.
local core = require "neap.core"
local process = require "neap.process"
local uv = require "luv"

local async, await = core.async, core.await

local CalledProcessError = core.Error:extend "CalledProcessError"

local M = setmetatable({ CalledProcessError = CalledProcessError }, { __name = "neap.subprocess" })

local passed = { "stdin", "stdout", "stderr", "cwd", "env", "uid", "gid", "detached", "limit" }
local own = { shell = "string", input = "string", timeout = "number", check = "boolean", capture_output = "boolean" }

local RUN = { name = "subprocess.run", options = 1, depth = 1 }

local function bad(problem) error(("bad argument #1 to 'neap.%s' (%s)"):format(RUN.name, problem), 4) end

local function check_fields(spec)
  if type(spec) ~= "table" then bad(("table expected, got %s"):format(type(spec))) end
  for field, expected in pairs(own) do
    local value = spec[field]
    if value ~= nil and type(value) ~= expected then
      bad(("field '%s': %s expected, got %s"):format(field, expected, type(value)))
    end
  end
  if spec.timeout and not (spec.timeout >= 0 and spec.timeout < math.huge) then
    bad "field 'timeout': a number of seconds expected"
  end
  if spec.shell and spec[1] ~= nil then bad "a list of arguments and field 'shell' exclude each other" end
  if spec.input and spec.stdin ~= nil then bad "fields 'input' and 'stdin' exclude each other" end
  if spec.capture_output and (spec.stdout ~= nil or spec.stderr ~= nil) then
    bad "field 'capture_output' excludes 'stdout' and 'stderr'"
  end
end

-- The options of create_subprocess_*: what is not known goes along, to be refused there.
local function options_of(spec)
  local options = {}
  for field, value in pairs(spec) do
    if not own[field] and math.type(field) ~= "integer" then options[field] = value end
  end
  for _, field in ipairs(passed) do options[field] = spec[field] end
  if spec.input then options.stdin = "pipe" end
  if spec.capture_output then options.stdout, options.stderr = "pipe", "pipe" end
  return options
end

local function signal_name(number)
  for name, value in pairs(uv.constants) do
    if value == number and name:match "^SIG%u" and name ~= "SIGIOT" and name ~= "SIGPOLL" then return name end
  end
  return "signal " .. number
end

local function check_code(spec, result)
  local code = result.returncode
  if not spec.check or code == 0 then return result end
  local how = code < 0 and "was ended by " .. signal_name(-code) or "ended with " .. code
  error(CalledProcessError(("%s %s"):format(result.command, how), {
    cmd = result.command, returncode = code, stdout = result.stdout, stderr = result.stderr,
  }), 0)
end

-- What has arrived of a stream that nobody reads any more.
local function rest_of(stream)
  if not stream then return nil end
  stream:abort()
  local ok, data = pcall(await, stream:read(1 << 30))
  return ok and data or ""
end

local run = async(function(start, spec, command)
  local child <close> = await(start)
  local talk = child:communicate(spec.input)
  local ok, out, err = pcall(await, spec.timeout and core.wait_for(talk, spec.timeout) or talk)
  if ok then
    return check_code(spec, { command = command, returncode = child.returncode, stdout = out, stderr = err })
  end
  if not (spec.timeout and core.is(out, core.TimeoutError) and out.code == nil) then error(out, 0) end
  child:kill()
  await(child:wait())
  error(core.TimeoutError(("%s did not end within %g s"):format(command, spec.timeout), {
    cmd = command, timeout = spec.timeout, stdout = rest_of(child.stdout), stderr = rest_of(child.stderr),
  }), 0)
end)

-- awaitable = run{arg, ... [, shell =, input =, capture_output =, timeout =, check =, ...]}
function M.run(spec)
  check_fields(spec)
  local options = options_of(spec)
  if spec.shell then return run(process.shell(RUN, spec.shell, options), spec, spec.shell) end
  local args = table.move(spec, 1, #spec, 1, {})
  return run(process.exec(RUN, args, options), spec, table.concat(args, " "))
end

return M
