-- SPDX-License-Identifier: MIT
-- The writing side of a File. What is written waits in batches, one behind the other, and goes out without
-- a task, at once when nobody has the turn. After an error all that waits is dropped, since a gap would be
-- before it. The error is raised in all who wait for room, or else in whoever comes next, and until somebody
-- was told nothing more is written.
local channel = require "neap.fs.channel"
local pieces = require "neap.fs.pieces"
local uv = require "luv"

local concat, move = table.concat, table.move

local writer = {}

local function drop(file)
  local line = file.line
  for i = line.first, line.last do
    if line[i].size then line[i].dropped = true end
  end
  file.queued = 0
end

-- Tells everybody who waits; if nobody does, it is kept for whoever comes next.
local function fail_write(file, reason)
  drop(file)
  local ok, problem = pcall(channel.problem, file, "fs_write", reason)
  local drainers, told = file.drainers, false
  for i = #drainers, 1, -1 do
    local future = table.remove(drainers)
    if not future:done() then told = pcall(future.set_exception, future, problem) and ok or told end
  end
  if not told then file.failure = problem end
end

local function send(file, batch)
  local offset = (file.append or file.seekable == false) and -1 or file.position
  local ok, request, reason = pcall(uv.fs_write, file.fd, batch.text, offset, file.on_written)
  if not ok or not request then return ok and reason or request end
  file.running = true -- not before: without room on the stack not even pcall is called
end

local function prepare(file, batch)
  batch.text = batch[2] and concat(batch) or batch[1]
  for i = #batch, 1, -1 do batch[i] = nil end
  channel.absorb(file)
  if not file.append then channel.forget(file) end
  file.batch = batch
end

-- Starts to write; false if that failed at once, or it is not to be written.
function channel.start_batch(file, batch)
  if batch.dropped then return false end
  local ok, reason = pcall(prepare, file, batch)
  if ok then reason = send(file, batch) end
  if not reason then return true end
  fail_write(file, reason)
  return false
end

-- What is left of the batch is sent; or why not.
local function send_rest(file, batch, count)
  if count > 0 then
    local ok, rest = pcall(string.sub, batch.text, count + 1)
    if not ok then return rest end
    batch.text = rest
  end
  return send(file, batch)
end

local function advance(file, count)
  if file.append then
    file.at_end = true
    pieces.clear(file.buffer)
  else
    file.position = file.position + count
  end
end

function channel.written(file, reason, count)
  local batch = file.batch
  file.running = false
  if file.seekable == "unknown" and not file.append then
    file.seekable = not (reason and reason:find "^ESPIPE")
    if not file.seekable then reason, count = nil, 0 end
  elseif count == 0 then
    reason = "EIO: i/o error"
  end
  if not reason then
    file.queued, batch.size = file.queued - count, batch.size - count
    advance(file, count)
    if file.queued <= file.low then channel.wake(file.drainers) end
    if batch.size > 0 then reason = send_rest(file, batch, count) end
    if not reason and batch.size > 0 then return end
  end
  file.batch = false
  if reason then fail_write(file, reason) end
  channel.pass_on(file)
end

-- Takes the strings, which are `size` bytes: they are written when their turn comes, and nobody need wait.
function writer.write(file, list, size)
  if size == 0 or file.failure then return end
  local line = file.line
  local last = line[line.last]
  if last and last.size and not last.dropped then
    move(list, 1, #list, #last + 1, last)
    last.size = last.size + size
  else
    list.size, list.dropped = size, false
    channel.append(line, list)
  end
  file.queued = file.queued + size
  if file.taken then return end
  file.taken = true
  local ok, problem = pcall(channel.pass_on, file)
  if ok or file.running then return end
  for i = line.first, line.last do line[i] = nil end -- no memory to begin: whoever writes is told
  line.first, line.last, file.queued, file.taken = 1, 0, 0, false
  error(problem, 0)
end

-- Waits for room.
function writer.drain(file)
  channel.raise_failure(file)
  if file.queued <= file.high then return end
  while file.queued > file.low do channel.wait_in(file.drainers) end
end

return writer
