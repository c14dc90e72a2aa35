-- Lua scripts in a process of their own: for what ends a process, or its Lua state.
local child = {}

local function interpreter()
  local i = 0
  while arg and arg[i - 1] do i = i - 1 end
  return arg and arg[i] or "lua5.4"
end

local function quote(text) return "'" .. text:gsub("'", [['\'']]) .. "'" end

-- result = run(source [, {env = {NAME = value}, first = "shell commands"}]): {out =, code = or signal =}; stderr is
-- in `out`
function child.run(source, options)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  local env = {}
  for name, value in pairs(options and options.env or {}) do env[#env + 1] = name .. "=" .. quote(value) end
  local command = ("%s exec env %s %s %s 2>&1"):format(options and options.first or "", table.concat(env, " "),
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
