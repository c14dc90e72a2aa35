---@meta neap
-- Running: run, Runner, callbacks of the loop.
--
-- How to read this folder. Seconds are numbers, fractions allowed. "Suspends" tells whether the call
-- itself may let other tasks run; a function that gives an awaitable never does, awaiting it may.
-- "Cancellation" tells what becomes of the operation when the awaiting task is cancelled. "asyncio"
-- names what it follows. Every function raises Lua's ordinary argument error, with the position of
-- the argument, when an argument is of the wrong type; only other errors are listed.

---asyncio for Lua.
---@class neap
local neap = {}

---What `await` takes: a coroutine object, a future or task, an operation of the library, a function
---(which stands for a call of it) or any value whose metatable has `__await`.
---@alias neap.awaitable neap.Coroutine|neap.Future|neap.Operation|(fun(): ...)|table

---What a function of the library that can suspend gives back. It can be awaited any number of times,
---each time anew, except where the function says otherwise.
---@class neap.Operation: userdata

---@class neap.RunOptions
---@field clock? "real"|"virtual" on the virtual clock time jumps to the next deadline whenever nothing is ready ("real")
---@field debug? boolean debug mode (false, or true when the environment has NEAP_DEBUG=1)
---@field stack_size? integer bytes of each C stack made from now on: see docs/coroutines.md (1 MiB, at least 64 KiB)
---@field step_limit? number seconds after which a step that still runs is reported with its stack (none; 1 in debug mode): see docs/limits.md
---@field shutdown_grace? number seconds tasks may take to end at the end of the run, before their cancellation is repeated at every await (10)

---Runs an awaitable in a task of its own, and the loop until it is done. Then cancels all other
---tasks, waits for them, reports errors nobody looked at, and gives the results.
---
---Ctrl-C, if SIGINT was left to its default: the first one cancels the main task, and when that ends
---cancelled `KeyboardInterrupt` is raised; the second one raises it at once; a third one, in a coroutine that runs on in the task.
---
---Raises: what the awaitable raises; RuntimeError when a loop is running already; DeadlockError when
---nothing can happen any more; KeyboardInterrupt.
---Suspends: no, it blocks until the end.
---asyncio: run. Different: a deadlock is an error, `clock`, `shutdown_grace`, `step_limit`.
---@param main neap.awaitable
---@param options? neap.RunOptions
---@return any ... the results of `main`
function neap.run(main, options) end

---Runs several awaitables one after the other, with the tasks they leave behind going on in between.
---Closed by a `<close>` variable.
---@class neap.Runner: userdata
---@overload fun(options?: neap.RunOptions): neap.Runner
neap.Runner = {}

---Runs an awaitable until it is done. Other tasks stay for the next run, and so does what is set in the
---runner's context, which is copied when it first runs something.
---
---Raises: what the awaitable raises; RuntimeError when a loop is running, the runner is closed, or timers
---of the other clock are pending; DeadlockError; KeyboardInterrupt.
---Suspends: no, it blocks.
---asyncio: Runner.run.
---@param main neap.awaitable
---@return any ... its results
function neap.Runner:run(main) end

---Cancels all tasks and waits for them, as the end of `run` does. Does nothing the second time.
---
---Raises: RuntimeError when a loop is running.
---Suspends: no, it blocks.
---asyncio: Runner.close.
function neap.Runner:close() end

---A call that was scheduled.
---@class neap.Handle: userdata
neap.Handle = {}

---Cancels the call, if it has not been made yet.
---Suspends: no. asyncio: Handle.cancel.
function neap.Handle:cancel() end

---Was it cancelled?
---Suspends: no. asyncio: Handle.cancelled.
---@return boolean
function neap.Handle:cancelled() end

---When it is due, in seconds of the loop's clock; nil for `call_soon`.
---Suspends: no. asyncio: TimerHandle.when.
---@return number?
function neap.Handle:when() end

---Calls a function in the next tick, after what was scheduled before it, in the context of now. An
---error in it goes to the exception handler. It must not await.
---
---Suspends: no. asyncio: loop.call_soon.
---@param fn function
---@param ... any its arguments
---@return neap.Handle
function neap.call_soon(fn, ...) end

---As `call_soon`, and wakes the loop if it is waiting for I/O.
---
---Suspends: no. asyncio: loop.call_soon_threadsafe. Different: a Lua state belongs to one thread, so
---there is no second one to call it from; it is here for signal handlers and hosts.
---@param fn function
---@param ... any
---@return neap.Handle
function neap.call_soon_threadsafe(fn, ...) end

---Calls a function after a time; equal deadlines in the order they were made, never early.
---
---Raises: an argument error for NaN and infinite times.
---Suspends: no. asyncio: loop.call_later.
---@param seconds number
---@param fn function
---@param ... any
---@return neap.Handle
function neap.call_later(seconds, fn, ...) end

---Calls a function at a time of the loop's clock, `neap.time()`.
---
---Raises: an argument error for NaN and infinite times.
---Suspends: no. asyncio: loop.call_at.
---@param when number seconds
---@param fn function
---@param ... any
---@return neap.Handle
function neap.call_at(when, fn, ...) end

---The loop's clock, in seconds from an unspecified moment; on the virtual clock from 0.
---
---Suspends: no. asyncio: loop.time.
---@return number seconds
function neap.time() end

---Is this run in debug mode?
---
---Suspends: no. asyncio: loop.get_debug.
---@return boolean
function neap.get_debug() end

---Makes the loop the child's own, after the process was forked (by another library, or the host). Until then
---`run` and `await` outside tasks raise in the child. Tasks and timers go on in both processes; what threads
---of the parent would have completed never is. Does nothing where nothing was forked.
---
---Raises: an OSError when descriptors are short.
---Suspends: no. asyncio: none; there a forked loop cannot be used.
function neap.after_fork() end

return neap
