---@meta
-- Futures and tasks.

---@class neap
local neap = {}

---A result that will come. Awaiting it waits for that.
---@class neap.Future: userdata
---@overload fun(): neap.Future
neap.Future = {}

---Is it done: finished, failed or cancelled?
---Suspends: no. asyncio: Future.done.
---@return boolean
function neap.Future:done() end

---Was it cancelled?
---Suspends: no. asyncio: Future.cancelled.
---@return boolean
function neap.Future:cancelled() end

---Its results; all of them.
---
---Raises: its error, the very same value; CancelledError when it was cancelled; InvalidStateError
---when it is not done.
---Suspends: no. asyncio: Future.result.
---@return any ...
function neap.Future:result() end

---Its error; nil when it has results.
---
---Raises: CancelledError when it was cancelled; InvalidStateError when it is not done.
---Suspends: no. asyncio: Future.exception.
---@return any
function neap.Future:exception() end

---Where it failed, with the stacks of the tasks that awaited; nil if it did not fail in a task.
---Suspends: no.
---@return string?
function neap.Future:traceback() end

---@class neap.CancelOptions
---@field grace? number seconds after which the cancellation is repeated at every await until the task ends or calls `uncancel`

---Cancels it. A future is cancelled at once. A task gets a CancelledError at the await where it is
---suspended; it may catch it, clean up, and even go on. A task that has not started never runs.
---
---Suspends: no. asyncio: Future.cancel, Task.cancel. Different: `grace`.
---@param message? any becomes the message of the CancelledError
---@param options? neap.CancelOptions
---@return boolean accepted false when it was done already
function neap.Future:cancel(message, options) end

---Completes it with results.
---
---Raises: InvalidStateError when it is done; RuntimeError for a task.
---Suspends: no; who waits for it runs in the next tick. asyncio: Future.set_result. Different: any
---number of results.
---@param ... any
function neap.Future:set_result(...) end

---Completes it with an error. If nobody ever looks at it, it goes to the exception handler.
---
---Raises: InvalidStateError when it is done; RuntimeError for a task.
---Suspends: no. asyncio: Future.set_exception.
---@param error any
function neap.Future:set_exception(error) end

---Calls `fn(future)` when it is done, always by way of `call_soon`.
---
---Suspends: no. asyncio: Future.add_done_callback.
---@param fn fun(future: neap.Future)
function neap.Future:add_done_callback(fn) end

---Removes every callback that is this function.
---
---Suspends: no. asyncio: Future.remove_done_callback.
---@param fn function
---@return integer count how many there were
function neap.Future:remove_done_callback(fn) end

---A future whose result is made by running an awaitable beside others. The loop keeps it until it is
---done: it need not be stored. The class can be called, as `create_task`.
---@class neap.Task: neap.Future
---@overload fun(awaitable: neap.awaitable, options?: neap.TaskOptions): neap.Task
neap.Task = {}

---@class neap.TaskOptions
---@field name? string "Task-N" if none is given
---@field context? neap.Context the task runs in it; otherwise in a copy of the current one
---@field eager_start? boolean the first step runs at once, not in the next tick
---@field slice? number seconds of CPU time, 0.001 to 1000: a step that has used so much is preempted, also between two awaits (none): see docs/limits.md

---Starts a task. Its first step runs in the next tick, after what is ready before it.
---
---Raises: RuntimeError for a coroutine object that was awaited before; an argument error for a future
---or task, which runs already: see `ensure_future`; without memory or threads for slices.
---Suspends: no. asyncio: create_task. Different: the loop keeps the task alive.
---@param awaitable neap.awaitable
---@param options? neap.TaskOptions
---@return neap.Task
function neap.create_task(awaitable, options) end

---The task that is running; nil in callbacks and outside the loop.
---Suspends: no. asyncio: current_task.
---@return neap.Task?
function neap.current_task() end

---All tasks that are not done, with their number in `n`.
---Suspends: no. asyncio: all_tasks.
---@return neap.Task[]|{n: integer}
function neap.all_tasks() end

---A future or task as it is, a task of any other awaitable.
---
---Raises: RuntimeError for a coroutine object that was awaited before.
---Suspends: no. asyncio: ensure_future.
---@param awaitable neap.awaitable
---@return neap.Future
function neap.ensure_future(awaitable) end

---How often it was cancelled, less the calls of `uncancel`.
---Suspends: no. asyncio: Task.cancelling.
---@return integer
function neap.Task:cancelling() end

---Takes one cancellation back; for the one who asked for it and has caught it.
---Suspends: no. asyncio: Task.uncancel.
---@return integer count how many are left
function neap.Task:uncancel() end

---Suspends: no. asyncio: Task.get_name.
---@return string
function neap.Task:get_name() end

---Suspends: no. asyncio: Task.set_name.
---@param name any made a string by `tostring`
function neap.Task:set_name(name) end

---A copy of its context.
---Suspends: no. asyncio: Task.get_context.
---@return neap.Context
function neap.Task:get_context() end

---The Lua lines where it is, innermost first; none when it is done or has not started.
---Suspends: no. asyncio: Task.get_stack.
---@param options? {limit: integer}
---@return {source: string, line: integer, name: string?}[]
function neap.Task:get_stack(options) end

---Writes its stack, or the traceback of its error, to stderr.
---Suspends: no. asyncio: Task.print_stack.
function neap.Task:print_stack() end

---What it waits for, and where; nil when it is running or done.
---Suspends: no.
---@return string?
function neap.Task:waits_for() end
