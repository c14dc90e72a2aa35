-- Lua scripts in a process of their own: for what ends a process, or its Lua state.
local child = {}

local function interpreter()
  local i = 0
  while arg and arg[i - 1] do i = i - 1 end
  return arg and arg[i] or "lua5.4"
end

local function quote(text) return "'" .. text:gsub("'", [['\'']]) .. "'" end

-- result = run(source [, {env = {NAME = value}, limit = descriptors, preload = name, first = "shell commands"}]):
-- {out =, code = or signal =}; stderr is in `out`; preload: of spec/c/preload_NAME.c
function child.run(source, options)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  local env = {}
  for name, value in pairs(options and options.env or {}) do env[#env + 1] = name .. "=" .. quote(value) end
  local preload = options and options.preload
  if preload then
    local before = os.getenv "LD_PRELOAD"
    preload = ("%s/spec/preload_%s.so"):format(os.getenv "NEAP_BUILD" or "build", preload)
    env[#env + 1] = "LD_PRELOAD=" .. quote(before and before .. ":" .. preload or preload)
  end
  local limit = options and options.limit and ("ulimit -n %d; "):format(options.limit) or ""
  local command = ("%s%s exec env %s %s %s 2>&1"):format(limit, options and options.first or "", table.concat(env, " "),
    quote(interpreter()), quote(path))
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  local _, how, number = pipe:close()
  os.remove(path)
  local result = { out = out:gsub(path:gsub("%p", "%%%0"), "script") }
  result[how == "signal" and "signal" or "code"] = number
  return result
end

-- out = output(source [, options]): of a script that must end well
function child.output(source, options)
  local result = child.run(source, options)
  if result.code ~= 0 then
    error(("the script ended with %s %s:\n%s"):format(result.code and "code" or "signal",
      tostring(result.code or result.signal), result.out), 2)
  end
  return result.out
end

return child
