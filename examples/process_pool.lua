-- A pool of processes: shell commands, at most three at a time, their output line by line as it comes.
local neap = require "neap"
local async, await = neap.async, neap.await

-- name, command, seconds that it may take
local commands = {
  { "count", "for i in 1 2 3; do echo step $i; done" },
  { "sort", "printf 'pear\\napple\\nfig\\n' | sort" },
  { "fail", "echo starting; echo 'no such thing' >&2; exit 4" },
  { "sum", "seq 100 | awk '{ n += $1 } END { print n }'" },
  { "stuck", "echo waiting; exec sleep 1000", 0.2 },
}

local function follow(name, stream, lines)
  for line in stream:lines() do lines[#lines + 1] = ("%-6s %s"):format(name, line) end
  return true
end

-- Its lines, and how it ended. A process that is still there when the scope ends is killed.
local work = async(function(name, command, seconds)
  local lines = {}
  local process <close> = await(neap.create_subprocess_shell(command, { stdout = "pipe", stderr = "stdout" }))
  local followed = neap.move_on_after(seconds, function() return follow(name, process.stdout, lines) end)
  local how = followed and "ended with " .. await(process:wait()) or "was stopped"
  lines[#lines + 1] = ("%-6s %s"):format(name, how)
  return lines
end)

neap.run(function()
  local slots = neap.Semaphore(3)
  local tasks = {}
  for i, entry in ipairs(commands) do
    tasks[i] = neap.create_task(function()
      local held <close> = await(slots:acquire())
      return await(work(table.unpack(entry)))
    end)
  end
  for _, task in ipairs(tasks) do print(table.concat(await(task), "\n")) end
end)

--[[ prints:
count  step 1
count  step 2
count  step 3
count  ended with 0
sort   apple
sort   fig
sort   pear
sort   ended with 0
fail   starting
fail   no such thing
fail   ended with 4
sum    5050
sum    ended with 0
stuck  waiting
stuck  was stopped
]]
