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
  valgrind = "valgrind -q --fair-sched=yes --suppressions=tools/valgrind.supp --error-exitcode=99 --leak-check=full "
    .. "--errors-for-leak-kinds=definite ",
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

local environment = ("env LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;%s/embed/manual/?.so;;' %s"):format(
  build, build, build, build, slow and "NEAP_SLOW=1 " or "")

local function run(command)
  local pipe = assert(io.popen(("%s timeout -k 5 100 %s%s 2>&1"):format(environment, wrap[kind], command)))
  local output = pipe:read "a"
  local _, _, code = pipe:close()
  return code == 0 and output or ("%sexit status %d\n"):format(output, code)
end

local passed, failed = 0, 0
local function check(command, expected)
  local start, output = os.time(), run(command)
  if same(expected, output) then
    passed = passed + 1
    print(("%-9s %-60s %d s"):format(kind, command, os.time() - start))
  else
    failed = failed + 1
    print(("%-9s %s failed. Expected:\n%sbut it printed:\n%s"):format(kind, command, expected, output:sub(1, 4000)))
  end
end

local function fewer(text) return (text:gsub("%f[%d]10000%f[%D]", "500")) end

for _, name in ipairs(list "examples/embed/*.c examples/embed/*.cpp spec/c/*.c") do
  -- in the child of a fork ThreadSanitizer does not see any more that one stack waits for another
  local given = kind == "tsan" and name == "spec/c/fork.c" and "" or read(name)
  for command, expected in given:gmatch "\n/%* %$ ([^\n]+)\n(.-)%*/" do
    if slow then command, expected = fewer(command), fewer(expected) end
    check(build .. "/embed/" .. command, expected)
  end
end

-- The manual: a block in C with a main is a program; the others are one module, which its second script uses.
if kind == "native" then
  local folder, blocks, module, scripts = build .. "/embed/manual", {}, {}, {}
  for language, text in read "docs/embedding.md":gmatch "\n```([^\n]*)\n(.-)```" do
    blocks[#blocks + 1] = { language = language, text = text }
    if language == "lua no-run" then scripts[#scripts + 1] = text end
    if language == "c" and not text:find "int main%(" then module[#module + 1] = text end
  end
  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end
  local function compile(source, target, options)
    local command = "cc -g -Wall -Wextra -Wconversion -Wshadow -Werror -Iinclude %s %s/%s -o %s/%s " ..
      "$(pkg-config --cflags --libs lua5.4) -pthread"
    assert(os.execute(command:format(options or "", folder, source, folder, target)))
  end
  os.execute("mkdir -p " .. folder)
  write("script.lua", scripts[1])
  write("try.lua", scripts[2])
  write("example.c", table.concat(module, "\n"))
  compile("example.c", "example.so", "-shared -fPIC")
  local pending, number = nil, 0
  for _, block in ipairs(blocks) do
    if block.language == "c" and block.text:find "int main%(" then
      number = number + 1
      write("main.c", block.text)
      compile("main.c", "main" .. number)
      pending = ("main%d %s/script.lua"):format(number, folder)
    elseif block.language == "lua no-run" and block.text == scripts[2] then
      pending = "try"
    elseif block.language == "text" and pending then
      check(pending == "try" and ("%s %s/try.lua"):format(os.getenv "LUA" or "lua5.4", folder) or
        folder .. "/" .. pending, block.text)
      pending = nil
    end
  end
end
print(("%-9s %d passed, %d failed"):format(kind, passed, failed))
os.exit(passed > 0 and failed == 0)
