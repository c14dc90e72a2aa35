-- embed.lua KIND BUILD: runs the hosts of BUILD/embed and compares what they print with what their sources say:
--   /* $ host argument...
--   output
--   */
-- "..." stands for anything within a line. Where all is slow there are 500 tasks instead of 10000. KIND is native,
-- asan, tsan or valgrind; the last three have NEAP_SLOW set.
local kind, build = ...
local slow = kind ~= "native"
local wrap = {
  native = "",
  asan = "sh tools/sanitized build/obj/preload.so ",
  tsan = "",
  valgrind = "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite ",
}

local function read(name)
  local file = assert(io.open(name))
  local text = file:read "a"
  file:close()
  return text
end

local function list(pattern)
  local names, pipe = {}, assert(io.popen("ls " .. pattern .. " 2>/dev/null"))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

local function sees_what(expected, line)
  local pattern = expected:gsub("%p", "%%%0"):gsub("%%%.%%%.%%%.", ".*")
  return line:find("^" .. pattern .. "$") ~= nil
end

local function same(expected, output)
  local lines = {}
  for line in output:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  local at = 0
  for line in expected:gmatch "([^\n]*)\n" do
    at = at + 1
    if not lines[at] or not sees_what(line, lines[at]) then return false end
  end
  return at == #lines
end

local environment = ("env LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;;' %s"):format(build, build, build,
  slow and "NEAP_SLOW=1 " or "")

local function run(command)
  local line = ("%s timeout -k 5 100 %s%s/embed/%s 2>&1"):format(environment, wrap[kind], build, command)
  local pipe = assert(io.popen(line))
  local output = pipe:read "a"
  local _, _, code = pipe:close()
  return code == 0 and output or ("%sexit status %d\n"):format(output, code)
end

local function fewer(text) return (text:gsub("%f[%d]10000%f[%D]", "500")) end

local passed, failed = 0, 0
for _, name in ipairs(list "examples/embed/*.c examples/embed/*.cpp spec/c/*.c") do
  for command, expected in read(name):gmatch "\n/%* %$ ([^\n]+)\n(.-)%*/" do
    if slow then command, expected = fewer(command), fewer(expected) end
    local start = os.time()
    local output = run(command)
    if same(expected, output) then
      passed = passed + 1
      print(("%-9s %-40s %d s"):format(kind, command, os.time() - start))
    else
      failed = failed + 1
      print(("%-9s %s failed. Expected:\n%sbut it printed:\n%s"):format(kind, command, expected, output:sub(1, 4000)))
    end
  end
end
print(("%-9s %d passed, %d failed"):format(kind, passed, failed))
os.exit(passed > 0 and failed == 0)
