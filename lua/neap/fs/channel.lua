-- SPDX-License-Identifier: MIT
-- What is under a File: one descriptor, of which libuv has one request at a time, and the turn.
--
-- Who has the turn may start a request; operations get it in the order in which they ask, and what is
-- written gets it without a task. A request belongs to the file, not to the task that waits for it: when
-- that is cancelled the request goes on, the turn is passed on when it has ended, and bytes that it read
-- are kept. So the descriptor is never closed under a request, and no byte is lost.
--
-- Callbacks of luv change fields, all of which are there from the beginning, and wake; what may fail for
-- want of memory is left to tasks.
--
--   fd        number; false before it is open and once it is being closed
--   taken     somebody has the turn
--   line      who waits for it, [first .. last]: futures of operations, and batches to be written
--   running   libuv has a request; abandoned: nobody waits for it any more, and it holds the turn
--   waiter    the future of who waits for the request
--   reason, value    the last request's answer
--   arrived   what a read brought, until it is in `buffer`
--   position  in the file, behind what is in `buffer`; at_end: at its end, wherever that is
--   seekable  "unknown", later true or false
--   queued    bytes that wait to be written or are being written
--   drainers, closers    futures
--   failure   the error of a write that nobody has been told
--   closing, closed
local core = require "neap.core"
local oserror = require "neap.oserror"
local pieces = require "neap.fs.pieces"
local uv = require "luv"

local await, Future = core.await, core.Future

local channel = {}

-- To be set by the writer: start_batch(file, batch) takes the turn for what is written, or returns false;
-- written(file, reason, count) is told how that went.
channel.start_batch, channel.written = nil, nil

function channel.closed_error(file)
  return core.ValueError(("the file is closed: %s"):format(file.path))
end

-- The error object for luv's words, which do not name the file.
function channel.problem(file, what, reason)
  if type(reason) == "string" and reason:find "^E[A-Z0-9]+: " then reason = reason .. ": " .. file.path end
  return oserror(reason, what)
end

function channel.wake(futures)
  for i = 1, #futures do
    if not futures[i]:done() then futures[i]:set_result() end
  end
  for i = #futures, 1, -1 do futures[i] = nil end
end

-- Raises, once, what went wrong with a write.
function channel.raise_failure(file)
  local failure = file.failure
  if not failure then return end
  file.failure = false
  error(failure, 0)
end

-- ---- closing ----

local function closed(file, reason)
  file.closed = true
  if reason and not file.failure then file.failure = channel.problem(file, "fs_close", reason) end
  channel.wake(file.closers)
end

local close_descriptor

-- A temporary file goes before its descriptor does; true if that has begun.
local function remove_first(file)
  if not file.temporary or not file.fd then return false end
  file.temporary = false
  local ok, request = pcall(uv.fs_unlink, file.path, function(reason)
    if reason and not reason:find "^ENOENT" then file.failure = file.failure or oserror(reason, "fs_unlink") end
    close_descriptor(file)
  end)
  if not ok or not request then uv.fs_unlink(file.path) end
  return ok and request
end

function close_descriptor(file)
  if remove_first(file) then return end
  local fd = file.fd
  file.fd = false
  if not fd then return closed(file) end
  if pcall(uv.fs_close, fd, file.on_closed) then return end
  local _, reason = uv.fs_close(fd)
  closed(file, reason)
end

-- ---- the turn ----

-- Gives the turn to who is next.
local function pass_on(file)
  local line = file.line
  while line.first <= line.last do
    local next = line[line.first]
    line[line.first] = nil
    line.first = line.first + 1
    if next.size then
      if channel.start_batch(file, next) then return end
    elseif not next:done() then
      next:set_result()
      return
    end
  end
  line.first, line.last = 1, 0
  if file.closing then return close_descriptor(file) end
  file.taken = false
end
channel.pass_on = pass_on

function channel.append(line, item)
  line[line.last + 1] = item
  line.last = line.last + 1
end

local function enter(file)
  if file.closing then error(channel.closed_error(file), 0) end
  if not file.taken then
    file.taken = true
    return
  end
  local future = Future()
  channel.append(file.line, future)
  local ok, problem = pcall(await, future)
  if ok then return end
  if future:done() and not future:cancelled() and not future:exception() then pass_on(file) end
  error(problem, 0)
end

local function leave(file, ok, ...)
  if file.running then
    file.abandoned = true
  else
    pass_on(file)
  end
  if ok then return ... end
  error((...), 0)
end

local function begin(body, file, ...)
  if file.closing then error(channel.closed_error(file), 0) end
  channel.raise_failure(file)
  return body(file, ...)
end

-- ... = turn(file, body, ...): body(file, ...) when its turn has come.
function channel.turn(file, body, ...)
  enter(file)
  return leave(file, pcall(begin, body, file, ...))
end

-- ---- requests ----

local function answered(file, reason, value)
  file.running = false
  file.reason, file.value = reason or false, value or false
  local waiter = file.waiter
  file.waiter = false
  if waiter and not waiter:done() then waiter:set_result() end
  if file.abandoned then
    file.abandoned = false
    pass_on(file)
  end
end

-- value, reason = request(file, name of a function of luv's, ...): for who has the turn; the callback is
-- the last argument.
function channel.request(file, name, ...)
  if file.closing then error(channel.closed_error(file), 0) end
  local waiter = Future()
  local ok, request, reason = pcall(uv[name], ...)
  if not ok then error(request, 0) end
  if not request then return nil, reason end
  file.waiter, file.running = waiter, true
  local done, problem = pcall(await, waiter)
  if done then return file.value, file.reason end
  file.waiter = false
  if waiter:done() and not waiter:cancelled() then waiter:exception() end -- closed as well: nobody else looks
  if file.running then pcall(uv.cancel, request) end
  error(problem, 0)
end

-- Puts what a read brought into the buffer.
local function absorb(file)
  local text = file.arrived
  if not text then return end
  pieces.push(file.buffer, text)
  file.position = file.position + #text
  file.arrived = false
end
channel.absorb = absorb

-- Where the next byte is read: the position less what is in the buffer.
function channel.logical(file)
  absorb(file)
  return file.position - file.buffer.size
end

-- Forgets what was read ahead.
function channel.forget(file)
  if file.seekable == false then return end
  file.position = channel.logical(file)
  pieces.clear(file.buffer)
end

-- The next byte is read or written at `target`.
function channel.move(file, target)
  channel.absorb(file)
  file.at_end = false
  local ahead = file.position - target
  if ahead >= 0 and ahead <= file.buffer.size then
    pieces.skip(file.buffer, file.buffer.size - ahead)
  else
    pieces.clear(file.buffer)
    file.position = target
  end
end

-- After something was appended the position is known to the system only.
function channel.locate(file)
  if not file.at_end then return end
  local stat, reason = channel.request(file, "fs_fstat", file.fd, file.on_answer)
  if not stat then error(channel.problem(file, "fs_fstat", reason), 0) end
  file.position, file.at_end = stat.size, false
end

-- ---- the whole ----

-- Waits until the futures are woken.
function channel.wait_in(futures)
  local future = Future()
  futures[#futures + 1] = future
  return await(future)
end

function channel.create(file)
  file.line = { first = 1, last = 0 }
  file.buffer = pieces.new()
  file.drainers, file.closers = {}, {}
  file.taken, file.running, file.abandoned, file.closing, file.closed = false, false, false, false, false
  file.position, file.queued = 0, 0
  file.fd, file.waiter, file.reason, file.value, file.arrived, file.batch, file.failure =
    false, false, false, false, false, false, false
  file.seekable = "unknown"
  file.on_answer = function(reason, value) answered(file, reason, value) end
  file.on_read = function(reason, text)
    if not reason and text ~= "" then file.arrived = text end
    answered(file, reason, text)
  end
  file.on_written = function(reason, count) channel.written(file, reason, count) end
  file.on_closed = function(reason) closed(file, reason) end
end

-- open(file, name of a function of luv's, ...): it gives a descriptor and perhaps a path. If the task is
-- cancelled, a descriptor that comes later is closed again.
function channel.open(file, name, ...)
  local waiter, arguments = Future(), table.pack(...)
  file.taken, file.running = true, true
  arguments[arguments.n + 1] = function(reason, fd, path)
    file.running = false
    file.fd, file.path, file.reason = fd or false, path or file.path, reason or false
    if file.closing then
      close_descriptor(file)
    elseif not waiter:done() then
      waiter:set_result()
    end
  end
  local ok, request, reason = pcall(uv[name], table.unpack(arguments, 1, arguments.n + 1))
  if not ok or not request then
    file.running, file.closing, file.closed = false, true, true
    error(ok and oserror(reason, name) or request, 0)
  end
  local done, problem = pcall(await, waiter)
  if done and not file.reason then return pass_on(file) end
  file.closing = true
  if file.running then
    pcall(uv.cancel, request)
  else
    close_descriptor(file)
  end
  if not done then error(problem, 0) end
  local unnamed = file.reason:find ": $" -- mkstemp's: luv has no name yet
  error(oserror(unnamed and file.reason .. file.path or file.reason, name), 0)
end

-- Closes once all that was written is in the file; who waits for anything else is woken with an error.
function channel.close(file)
  if file.closing then return end
  local problem = channel.closed_error(file)
  file.closing = true
  local line = file.line
  for i = line.first, line.last do
    local future = line[i]
    if not future.size and not future:done() then future:set_exception(problem) end
  end
  if file.waiter and not file.waiter:done() then file.waiter:set_exception(problem) end
  if not file.taken then
    file.taken = true
    pass_on(file)
  end
end

-- Waits until it is closed.
function channel.wait_closed(file)
  while not file.closed do channel.wait_in(file.closers) end
  channel.raise_failure(file)
end

return channel
