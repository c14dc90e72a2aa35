-- What the fetcher shows: log lines and a progress line on stderr, the table at the end.
local neap = require "neap"

local report = {}

local terminal = neap.uv.guess_handle(2) == "tty"
local started = neap.time()

function report.log(text)
  local task = neap.current_task()
  io.stderr:write(("%s%7.3f %-9s %s\n"):format(terminal and "\r\27[K" or "", neap.time() - started,
    task and task:get_name() or "", text))
end

-- Redraws the line until it is cancelled.
function report.progress(crawler)
  if not terminal then return end
  local _ <close> = setmetatable({}, { __close = function() io.stderr:write "\r\27[K" end })
  while true do
    io.stderr:write(("\r\27[K%d done, %d under way, %d to do"):format(
      #crawler.results, crawler.active, crawler.queue:qsize()))
    neap.await(neap.sleep(0.1))
  end
end

local function failed(result) return not result.status or result.status >= 400 end

function report.failures(results)
  local n = 0
  for _, result in ipairs(results) do n = n + (failed(result) and 1 or 0) end
  return n
end

function report.table(results)
  table.sort(results, function(a, b) return a.url < b.url end)
  local bytes, seconds, last = 0, 0, 0
  print(("%-20s %9s %8s %6s  %s"):format("STATUS", "BYTES", "SECONDS", "TRIES", "URL"))
  for _, result in ipairs(results) do
    local status = result.status or result.problem.code or result.problem.name
    print(("%-20s %9d %8.3f %6d  %s"):format(status, result.bytes, result.seconds, result.attempts, result.url))
    bytes, seconds, last = bytes + result.bytes, seconds + result.seconds, last + 1
  end
  print(("%d page%s, %d failed, %d bytes, %.2f s of fetching in %.2f s"):format(last, last == 1 and "" or "s",
    report.failures(results), bytes, seconds, neap.time() - started))
end

return report
