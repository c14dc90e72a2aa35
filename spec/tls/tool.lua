-- SPDX-License-Identifier: MIT
-- Other people's programs, run beside the loop and ended for sure.
local neap = require "neap"
local uv, await = neap.uv, neap.await

local M = {}

function M.has(name)
  local pipe = io.popen(("command -v %s 2>/dev/null"):format(name))
  local found = pipe:read "l"
  pipe:close()
  return found ~= nil
end

local Tool = {}
Tool.__index = Tool

-- Waits for the pattern in what it has said so far; gives its captures.
function Tool:expect(pattern)
  local ok, err = pcall(neap.timeout, 20, function()
    while not self.text:find(pattern) do self.text = self.text .. await(self.chunks:get()) end
  end)
  if ok then return self.text:match(pattern) end
  error(("it never said %q (%s):\n%s"):format(pattern, tostring(err), self.text), 0)
end

function Tool:write(text) self.input:write(text) end
function Tool:finish() self.input:shutdown() end

-- All it says, and its exit code, at its end.
function Tool:wait()
  return neap.timeout(20, function()
    local code = await(neap.shield(self.exit))
    while not self.chunks:empty() or not self.ended do
      local ok, chunk = pcall(await, self.chunks:get())
      if not ok then break end
      self.text = self.text .. chunk
    end
    return self.text, code
  end)
end

function Tool:__close()
  if not self.exit:done() then self.child:kill "sigkill" end
  await(self.exit)
  await(neap.gather(uv.close(self.output), uv.close(self.input), uv.close(self.child)))
end

-- tool = M.start(command): a line for the shell; what it says on stdout and stderr is in tool.text
function M.start(command)
  local it = setmetatable({ text = "", chunks = neap.Queue(), exit = neap.Future(), ended = false }, Tool)
  it.output, it.input = uv.new_pipe(), uv.new_pipe()
  it.child = assert(uv.spawn("/bin/sh", { args = { "-c", "exec 2>&1; exec " .. command },
    stdio = { it.input, it.output }, env = { "PATH=" .. os.getenv "PATH" } }, -- and nothing that instruments us
    function(code) it.exit:set_result(code) end))
  it.output:read_start(function(_, data)
    if data then
      it.chunks:put_nowait(data)
    else
      it.ended = true
      it.chunks:shutdown()
    end
  end)
  return it
end

return M
