-- adapter.lua - the ONLY file that knows the project's API.
-- The fuzz interpreter (fuzz/interp.lua) goes through it.
-- The only place to adjust when a call shape of the project changes on purpose.
--
--   AIO_MODULE   module name to require        (default below)
--   AIO_CPATH / AIO_PATH   prepended to package.cpath / package.path

local NAME = os.getenv('AIO_MODULE') or 'neap'

if os.getenv('AIO_CPATH') then package.cpath = os.getenv('AIO_CPATH') .. ';' .. package.cpath end
if os.getenv('AIO_PATH') then package.path = os.getenv('AIO_PATH') .. ';' .. package.path end

local aio = require(NAME)
local A = { aio = aio, name = NAME }

--------------------------------------------------------------------------- helpers
-- Does object x (table or userdata) have a method / field m?
local function has(x, m)
  local t = type(x)
  if t ~= 'table' and t ~= 'userdata' then return false end
  local ok, v = pcall(function() return x[m] end)
  return ok and v ~= nil
end
A.has = has

-- Is x something await() accepts?
local function awaitable(x)
  local t = type(x)
  if t ~= 'table' and t ~= 'userdata' and t ~= 'thread' then return false end
  if aio.isawaitable then return aio.isawaitable(x) end
  if has(x, 'add_done_callback') then return true end
  local mt = getmetatable(x)
  local nm = type(mt) == 'table' and mt.__name
  return type(nm) == 'string' and nm:lower():find('coro') ~= nil
end
A.awaitable = awaitable

-- The project's blocking functions may either return an awaitable (to be awaited) or block
-- by themselves. settle() copes with both.
local function settle(...)
  if select('#', ...) == 1 and awaitable((...)) then return aio.await((...)) end
  return ...
end

local function tolist(x)                  -- list or set -> array with n
  local out = { n = 0 }
  if x == nil then return out end
  if has(x, 'n') or #x > 0 then
    for i = 1, x.n or #x do out[i] = x[i] end
    out.n = x.n or #x
  else
    for k, v in pairs(x) do out.n = out.n + 1; out[out.n] = (v == true) and k or v end
  end
  return out
end

--------------------------------------------------------------------------- errors
-- kind(err) -> one of: Cancelled Timeout InvalidState QueueEmpty QueueFull QueueShutDown BrokenBarrier
--              Group User Misuse IncompleteRead LimitOverrun OS Other:<text>
--   2nd result: message (string or nil); 3rd: array of sub-errors for Group
local KIND = {
  CancelledError = 'Cancelled', TimeoutError = 'Timeout', InvalidStateError = 'InvalidState',
  QueueEmpty = 'QueueEmpty', QueueFull = 'QueueFull', QueueShutDown = 'QueueShutDown',
  BrokenBarrierError = 'BrokenBarrier', ExceptionGroup = 'Group', BaseExceptionGroup = 'Group',
  RuntimeError = 'Misuse', ValueError = 'Misuse', TypeError = 'Misuse',
  IncompleteReadError = 'IncompleteRead', LimitOverrunError = 'LimitOverrun',
  OSError = 'OS', ConnectionError = 'OS', ConnectionRefusedError = 'OS', ConnectionResetError = 'OS', BrokenPipeError = 'OS',
  ProcessLookupError = 'OS', FileNotFoundError = 'OS',
}
local function rawkind(e)
  if has(e, 'kind') and type(e.kind) == 'string' then return e.kind end
  if has(e, 'name') and type(e.name) == 'string' and KIND[e.name] then return e.name end
  local c = has(e, 'class') and e.class
  if type(c) == 'string' then return c end
  if type(c) == 'table' then return c.name or c.__name or c.kind end
  local mt = getmetatable(e)
  if type(mt) == 'table' and type(mt.__name) == 'string' then return mt.__name end
end
function A.kind(e)
  if type(e) == 'table' and e.verify_user then return 'User', e.k .. ':' .. tostring(e.m) end
  if type(e) == 'table' or type(e) == 'userdata' then
    local k = rawkind(e)
    local m = has(e, 'message') and e.message or has(e, 'msg') and e.msg or nil
    if m == '' then m = nil end
    if k and KIND[k] == 'Group' then return 'Group', m, tolist(e.errors or e.exceptions) end
    if k and KIND[k] then return KIND[k], m end
    return 'Other:' .. tostring(k), m
  end
  if type(e) == 'string' then
    -- a plain string error: an argument / usage check of the project, or a bug somewhere
    if e:find('attempt to index') or e:find('attempt to call') or e:find('attempt to compare')
       or e:find('attempt to perform arithmetic') or e:find('attempt to concatenate') or e:find('stack overflow') then
      return 'Other:' .. e
    end
    return 'Misuse', e
  end
  return 'Other:' .. tostring(e)
end
function A.is_cancelled(e)
  if aio.is_cancelled then return aio.is_cancelled(e) and true or false end
  return (A.kind(e)) == 'Cancelled'
end
local userr_mt = { __tostring = function(e) return 'UserErr ' .. e.k .. ':' .. tostring(e.m) end }
function A.user_error(k, m) return setmetatable({ verify_user = true, k = k, m = m }, userr_mt) end
function A.new_cancelled(msg) return aio.CancelledError(msg) end
function A.new_timeout() return aio.TimeoutError() end
function A.throw(e) error(e, 0) end

--------------------------------------------------------------------------- running
function A.run(fn) return aio.run(fn, { clock = 'virtual' }) end       -- root function, virtual clock
function A.run_real(fn) return aio.run(fn) end                          -- real clock (I/O checks)
function A.run_raw(x, opts) return aio.run(x, opts) end
function A.time() return aio.time and aio.time() or aio.get_running_loop():time() end
function A.coro(fn, ...) return aio.async(fn)(...) end                  -- a fresh lazy coroutine object
function A.async(fn) return aio.async(fn) end
function A.await(x) return aio.await(x) end
function A.sleep(t, r) return settle(aio.sleep(t, r)) end
function A.call_soon(fn, ...) return (aio.call_soon or aio.get_running_loop().call_soon)(fn, ...) end
function A.call_later(t, fn, ...) return aio.call_later(t, fn, ...) end
function A.handle_cancel(h) return h:cancel() end
function A.set_exception_handler(fn) if aio.set_exception_handler then aio.set_exception_handler(fn) end end

--------------------------------------------------------------------------- tasks and futures
function A.create_task(co, name) return aio.create_task(co, name and { name = name } or nil) end
function A.ensure_future(x) return aio.ensure_future(x) end
function A.current_task() return aio.current_task() end
function A.all_tasks() return tolist(aio.all_tasks()) end
function A.is_task(f) return has(f, 'cancelling') end
function A.is_future(f) return has(f, 'add_done_callback') end
function A.cancel(f, ...) if select('#', ...) > 0 then return f:cancel((...)) end return f:cancel() end
function A.uncancel(t) return t:uncancel() end
function A.cancelling(t) return t:cancelling() end
function A.done(f) return f:done() end
function A.cancelled(f) return f:cancelled() end
function A.result(f) return f:result() end
function A.exception(f) return f:exception() end
function A.get_name(t) return t:get_name() end
function A.set_name(t, n) return t:set_name(n) end
function A.add_cb(f, fn) return f:add_done_callback(fn) end
function A.remove_cb(f, fn) return f:remove_done_callback(fn) end
function A.future() return aio.Future() end
function A.set_result(f, ...) return f:set_result(...) end
function A.set_exception(f, e) return f:set_exception(e) end

--------------------------------------------------------------------------- combinators
-- list has n; returns the gather future (awaiting it gives a list with n)
function A.gather(list, rexc)
  local t = { return_exceptions = rexc or nil, n = list.n }
  for i = 1, list.n do t[i] = list[i] end
  return aio.gather(t)
end
function A.gather_result(r) return tolist(r) end
function A.shield(x) return aio.shield(x) end
function A.wait(list, timeout, rw)
  local t = { n = list.n }
  for i = 1, list.n do t[i] = list[i] end
  local d, p = settle(aio.wait(t, { timeout = timeout, return_when = rw }))
  if p == nil and type(d) == 'table' then d, p = d.done or d[1], d.pending or d[2] end
  return tolist(d), tolist(p)
end
function A.wait_for(x, t) return settle(aio.wait_for(x, t)) end
-- iterator of functions; each call blocks for the next result (or raises)
function A.as_completed(list, timeout)
  local t = { n = list.n }
  for i = 1, list.n do t[i] = list[i] end
  local it, st, ctl = aio.as_completed(t, timeout and { timeout = timeout } or nil)
  return function()
    local x = it(st, ctl)
    ctl = x
    if x == nil then return nil end
    return function() return settle(x) end
  end
end

-- structured scopes: body receives the scope object; errors propagate, results are returned
function A.timeout_scope(t, body)
  local tm <close> = aio.timeout(t)
  return body(tm)
end
function A.timeout_at_scope(when, body)
  local tm <close> = aio.timeout_at(when)
  return body(tm)
end
function A.tm_reschedule(tm, when) return tm:reschedule(when) end
function A.tm_expired(tm) return tm:expired() end
function A.tm_when(tm) return tm:when() end
function A.taskgroup_scope(body)
  local tg <close> = aio.TaskGroup()
  return body(tg)
end
function A.tg_create_task(tg, co, name) return tg:create_task(co, name and { name = name } or nil) end

--------------------------------------------------------------------------- synchronisation
function A.Lock() return aio.Lock() end
function A.Event() return aio.Event() end
function A.Condition(lock) return aio.Condition(lock) end
function A.Semaphore(n) return aio.Semaphore(n) end
function A.BoundedSemaphore(n) return aio.BoundedSemaphore(n) end
function A.Barrier(n) return aio.Barrier(n) end
-- acquire gives back the object, to be closed; asyncio's gives True
function A.acquire(o) settle(o:acquire()) return true end
function A.release(o) return o:release() end
function A.locked(o) return o:locked() end
-- `async with`: acquire, run, release (a failing release replaces the error, as in Python)
function A.with(o, body)
  settle(o:acquire())
  local r = table.pack(pcall(body))
  o:release()
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end
function A.barrier_with(b, body) settle(b:wait()); return body() end
function A.ev_set(e) return e:set() end
function A.ev_clear(e) return e:clear() end
function A.ev_is_set(e) return e:is_set() end
function A.ev_wait(e) return settle(e:wait()) end
function A.cond_wait(c) return settle(c:wait()) end
function A.cond_wait_for(c, pred) return settle(c:wait_for(pred)) end
function A.cond_notify(c, n) return c:notify(n) end
function A.cond_notify_all(c) return c:notify_all() end
function A.barrier_wait(b) return settle(b:wait()) end
function A.barrier_reset(b) return settle(b:reset()) end
function A.barrier_abort(b) return settle(b:abort()) end
local function prop(o, k) local v = o[k]; if type(v) == 'function' then return v(o) end return v end
function A.barrier_parties(b) return prop(b, 'parties') end
function A.barrier_n_waiting(b) return prop(b, 'n_waiting') end
function A.barrier_broken(b) return prop(b, 'broken') end

--------------------------------------------------------------------------- queues
function A.Queue(kind, max)
  local C = ({ fifo = aio.Queue, lifo = aio.LifoQueue, prio = aio.PriorityQueue })[kind or 'fifo']
  return C(max)
end
function A.q_put(q, v) return settle(q:put(v)) end
function A.q_get(q) return settle(q:get()) end
function A.q_put_nowait(q, v) return q:put_nowait(v) end
function A.q_get_nowait(q) return q:get_nowait() end
function A.q_task_done(q) return q:task_done() end
function A.q_join(q) return settle(q:join()) end
function A.q_size(q) return q:qsize() end
function A.q_empty(q) return q:empty() end
function A.q_full(q) return q:full() end
function A.q_shutdown(q, imm) return q:shutdown(imm) end

--------------------------------------------------------------------------- threads
function A.to_thread(fn, ...) return settle(aio.to_thread(fn, ...)) end

--------------------------------------------------------------------------- streams
function A.StreamReader(limit) return aio.StreamReader(limit and { limit = limit } or nil) end
function A.rd_feed(r, s) return r:feed_data(s) end
function A.rd_feed_eof(r) return r:feed_eof() end
function A.rd_set_exception(r, e) return r:set_exception(e) end
function A.rd_exception(r) return r:exception() end
function A.rd_at_eof(r) return r:at_eof() end
function A.rd_read(r, n) return settle(r:read(n)) end
function A.rd_readline(r) return settle(r:readline()) end
function A.rd_readexactly(r, n) return settle(r:readexactly(n)) end
function A.rd_readuntil(r, sep) return settle(r:readuntil(sep)) end
function A.open_connection(host, port, opts) return settle(aio.open_connection(host, port, opts)) end
function A.start_server(cb, host, port, opts) return settle(aio.start_server(cb, host, port, opts)) end
function A.open_unix(path) return settle(aio.open_unix_connection(path)) end
function A.start_unix(cb, path) return settle(aio.start_unix_server(cb, path)) end
function A.server_port(s) local a = s:getsockname(); return type(a) == 'table' and a.port or a end
function A.server_close(s) return s:close() end
function A.server_wait_closed(s) return settle(s:wait_closed()) end
function A.server_is_serving(s) return s:is_serving() end
function A.wr_write(w, s) return w:write(s) end
function A.wr_writelines(w, l) return w:writelines(l) end
function A.wr_drain(w) return settle(w:drain()) end
function A.wr_close(w) return w:close() end
function A.wr_wait_closed(w) return settle(w:wait_closed()) end
function A.wr_write_eof(w) return w:write_eof() end
function A.wr_is_closing(w) return w:is_closing() end
function A.wr_extra(w, k) return w:get_extra_info(k) end
function A.err_partial(e) return e.partial end         -- IncompleteReadError
function A.err_expected(e) return e.expected end
function A.err_consumed(e) return e.consumed end       -- LimitOverrunError

--------------------------------------------------------------------------- subprocesses
-- opts: stdin/stdout/stderr = 'pipe' | 'null' | 'inherit' ; stderr may be 'stdout'; cwd, env
function A.spawn(argv, opts) return settle(aio.create_subprocess_exec(argv, opts)) end
function A.shell(cmd, opts) return settle(aio.create_subprocess_shell(cmd, opts)) end
function A.proc_wait(p) return settle(p:wait()) end
function A.proc_communicate(p, input)
  local o, e = settle(p:communicate(input))
  if type(o) == 'table' then o, e = o[1], o[2] end
  return o, e
end
function A.proc_returncode(p) return prop(p, 'returncode') end
function A.proc_pid(p) return prop(p, 'pid') end
function A.proc_stdin(p) return p.stdin end
function A.proc_stdout(p) return p.stdout end
function A.proc_stderr(p) return p.stderr end
function A.proc_kill(p) return p:kill() end
function A.proc_terminate(p) return p:terminate() end
function A.proc_signal(p, s) return p:send_signal(s) end

--------------------------------------------------------------------------- capabilities
-- Features a fuzz program may need; programs needing an absent one are skipped (and counted).
local probe_future = has(aio, 'Future')
A.features = {
  timeout = has(aio, 'timeout'), tg = has(aio, 'TaskGroup'), barrier = has(aio, 'Barrier'),
  as_completed = has(aio, 'as_completed'), later = has(aio, 'call_later'), ensure = has(aio, 'ensure_future'),
  alltasks = has(aio, 'all_tasks'), cbraise = true, rmcb = probe_future, uncancel = true, resched = true,
  fexception = true, when = true, name = true, tset = true, waitempty = true, awaitself = true,
  shutdown = true,
}
for f in (os.getenv('AIO_WITHOUT') or ''):gmatch('[%w_]+') do A.features[f] = false end

return A
