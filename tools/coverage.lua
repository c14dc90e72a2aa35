-- coverage.lua OBJECTS LINES BRANCHES: what gcov saw below src/ and modules/, by file, and for each of the two
-- folders the two sums in per cent; exit status 1 if a sum of src/ is under its limit. Lines marked
-- LCOV_EXCL_LINE, or between LCOV_EXCL_START and LCOV_EXCL_STOP, do not count; of lines marked
-- LCOV_EXCL_BR_LINE the branches do not.

local objects, least_lines, least_branches = arg[1], tonumber(arg[2]), tonumber(arg[3])

local files = {} -- path -> { lines = { [n] = count }, branches = { [n * 1000 + i] = count }, text = { [n] = source } }

local function most(t, key, count) t[key] = math.max(t[key] or 0, count) end

local function read(output)
  local file, line, branch, skipping, counts
  for text in output:lines() do
    local count, n, source = text:match "^%s*([^:]+):%s*(%d+):(.*)$"
    if n == "0" then
      local name = source:match "^Source:(.*)$"
      if name then
        name = ("/" .. name):match "/(src/.*)" or ("/" .. name):match "/(modules/.*)" or ""
        file = name ~= "" and (files[name] or { lines = {}, branches = {}, text = {} })
        files[name] = file or nil
        skipping = false
      end
    elseif not file then
      counts = false
    elseif n then
      if source:find "LCOV_EXCL_START" then skipping = true end
      line, branch = tonumber(n), 0
      counts = not (skipping or source:find "LCOV_EXCL_LINE")
      file.text[line] = source
      if counts and count ~= "-" then most(file.lines, line, tonumber(count:match "^%d+") or 0) end
      if source:find "LCOV_EXCL_STOP" then skipping = false end
      if source:find "LCOV_EXCL_BR_LINE" then counts = false end
    elseif counts and text:find "^branch" then
      branch = branch + 1
      most(file.branches, line * 1000 + branch, tonumber(text:match "taken (%d+)") or 0)
    end
  end
end

-- How many were taken, of how many; those that were not are noted as FILE:LINE.
local function tally(name, what, t, unit, report)
  local seen, all, missed = 0, 0, {}
  for key, count in pairs(t) do
    all = all + 1
    if count > 0 then seen = seen + 1 else missed[#missed + 1] = key end
  end
  table.sort(missed)
  for _, key in ipairs(missed) do
    local line = key // unit
    report:write(("%s:%d: %s: %s\n"):format(name, line, what, files[name].text[line]))
  end
  return seen, all
end

local function percent(seen, all) return all == 0 and 100 or 100 * seen / all end

local output = assert(io.popen(("find '%s' -name '*.gcda' -exec gcov -t -b -c {} ';' 2>/dev/null"):format(objects)))
read(output)
output:close()

local report_name = objects .. "/missed.txt"
local report = assert(io.open(report_name, "w"))
local row = "%-36s %6.1f%% %8.1f%%"

-- Prints the files below the folder and their sums, if there are any; true: there are, and they are good enough.
local function folder(prefix)
  local names, sum = {}, { 0, 0, 0, 0 }
  for name in pairs(files) do
    if name:sub(1, #prefix) == prefix then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local l, ls = tally(name, "line", files[name].lines, 1, report)
    local b, bs = tally(name, "branch", files[name].branches, 1000, report)
    print(row:format(name, percent(l, ls), percent(b, bs)))
    for i, n in ipairs { l, ls, b, bs } do sum[i] = sum[i] + n end
  end
  local lines, branches = percent(sum[1], sum[2]), percent(sum[3], sum[4])
  if #names > 0 then print(row:format("all of " .. prefix, lines, branches)) end
  return #names > 0 and lines >= least_lines and branches >= least_branches
end

print(("%-36s %7s %9s"):format("", "lines", "branches"))
folder "modules/"
local good = folder "src/"
report:close()
print("what was missed: " .. report_name)
if not good then
  print(("coverage: wanted are %g%% of the lines and %g%% of the branches"):format(least_lines, least_branches))
  os.exit(1)
end
