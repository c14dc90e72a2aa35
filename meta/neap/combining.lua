---@meta
-- Awaiting several things, and limiting how long.

---@class neap
local neap = {}

---Runs awaitables beside each other. Its result is one table: the first value of each, in the order
---of the arguments, with their number in `n`. The same future given twice is awaited once.
---
---The first error completes it at once; the others go on, and their errors are not reported. With
---`return_exceptions` errors and cancellations are values in the table.
---
---Raises (when awaited): the first error.
---Suspends: no, it starts its tasks and gives a future; awaiting that does.
---Cancellation: cancels all that are not done, waits for them, then raises CancelledError.
---asyncio: gather.
---@param ... neap.awaitable
---@return neap.Future
---@overload fun(list: neap.awaitable[]|{n: integer?, return_exceptions: boolean?}): neap.Future
function neap.gather(...) end

---@class neap.WaitOptions
---@field timeout? number seconds; none: no limit
---@field return_when? "FIRST_COMPLETED"|"FIRST_EXCEPTION"|"ALL_COMPLETED" ("ALL_COMPLETED")

---Waits until some or all of the futures are done. Gives two lists, the done and the pending ones,
---each with `n`. Raises no error of theirs and cancels nothing, also when time is up.
---
---Raises: an argument error for an empty list and for what is not a future or task.
---Suspends: awaiting it does.
---Cancellation: leaves the futures alone.
---asyncio: wait.
---@param futures neap.Future[]
---@param options? neap.WaitOptions
---@return neap.Operation
function neap.wait(futures, options) end

---Awaits something for a limited time, in the current task. Gives its results.
---
---Raises (when awaited): TimeoutError when time is up: what it awaited was cancelled and has ended,
---which may take longer than the limit; code that never awaits is ended as well (docs/limits.md); what it awaited raises.
---Suspends: awaiting it does. With 0 or less a coroutine object is not even started.
---Cancellation: cancels what it awaits.
---asyncio: wait_for.
---@param awaitable neap.awaitable
---@param seconds number? nil: no limit
---@return neap.Operation
function neap.wait_for(awaitable, seconds) end

---For a generic `for`: gives futures as they are done. When time is up it gives a future failed with
---TimeoutError for each that is missing; those are not cancelled.
---
---Raises (in the loop): RuntimeError when another task is waiting in the same one.
---Suspends: each turn of the `for` may.
---Cancellation: leaves the futures alone.
---asyncio: as_completed.
---@param awaitables neap.awaitable[]
---@param options? {timeout: number?} seconds
---@return fun(): neap.Future
function neap.as_completed(awaitables, options) end

---Protects something from the cancellation of the one who awaits it: cancelling the future it gives
---does not cancel what is inside. Keep a reference to a task that is to be awaited later.
---
---Raises (when awaited): what is inside raises.
---Suspends: no; awaiting the future does.
---Cancellation: raises CancelledError at once; what is inside goes on, and its error is reported if
---nobody else looks at it.
---asyncio: shield.
---@param awaitable neap.awaitable
---@return neap.Future
function neap.shield(awaitable) end

---A limit for a block of code. Close it with `<close>`.
---@class neap.Timeout: userdata
local Timeout = {}

---Sets another deadline.
---
---Raises: RuntimeError when it is over or time is up.
---Suspends: no. asyncio: Timeout.reschedule.
---@param when number? seconds of the loop's clock; nil: never
function Timeout:reschedule(when) end

---Suspends: no. asyncio: Timeout.when.
---@return number? when seconds of the loop's clock; nil: never
function Timeout:when() end

---Was time up?
---Suspends: no. asyncio: Timeout.expired.
---@return boolean
function Timeout:expired() end

---Cancels the current task when time is up, and turns that CancelledError into a TimeoutError when
---the block is left. With a function it calls that with the scope, at once, and gives its results.
---
---Raises: TimeoutError from the block, also if it never awaits (docs/limits.md); RuntimeError outside tasks.
---Suspends: not to enter and to leave; the function may.
---Cancellation: another cancellation passes through it unchanged.
---asyncio: timeout. Different: the function form; code that never awaits is ended once it has used 50 ms.
---@param seconds number? nil: never
---@return neap.Timeout
---@overload fun(seconds: number?, fn: fun(scope: neap.Timeout): ...): ...
function neap.timeout(seconds) end

---As `timeout`, with a deadline on the loop's clock.
---
---Raises: TimeoutError from the block; RuntimeError outside tasks.
---Suspends: not to enter and to leave; the function may.
---asyncio: timeout_at.
---@param when number? seconds of the loop's clock; nil: never
---@return neap.Timeout
---@overload fun(when: number?, fn: fun(scope: neap.Timeout): ...): ...
function neap.timeout_at(when) end

---Calls a function with a scope; when time is up it is cancelled and nothing is returned, without an
---error.
---
---Raises: what the function raises; RuntimeError outside tasks.
---Suspends: if the function does.
---Cancellation: another cancellation passes through it unchanged.
---trio: move_on_after.
---@param seconds number? nil: never
---@param fn fun(scope: neap.Timeout): ...
---@return any ... its results, or nothing
function neap.move_on_after(seconds, fn) end

---Tasks that end before the block that made them is left. Close it with `<close>`.
---@class neap.TaskGroup: userdata
---@overload fun(): neap.TaskGroup
neap.TaskGroup = {}

---Starts a task in the group. Its failure cancels the others and the block.
---
---Raises: RuntimeError when the group is finished or shutting down.
---Suspends: no. asyncio: TaskGroup.create_task.
---@param awaitable neap.awaitable
---@param options? neap.TaskOptions
---@return neap.Task
function neap.TaskGroup:create_task(awaitable, options) end

---Cancels its tasks and its block; the group then ends without an error. Does nothing once it ended.
---Suspends: no. asyncio: TaskGroup.cancel (3.15).
function neap.TaskGroup:cancel() end

---Calls a function with a new group, waits for the group's tasks, and gives the function's results.
---
---Raises: ExceptionGroup with the errors of the tasks and of the function; RuntimeError outside tasks.
---Suspends: yes, until all tasks of the group are done.
---Cancellation: cancels the tasks of the group, waits for them, then raises CancelledError.
---asyncio: async with TaskGroup().
---@param fn fun(group: neap.TaskGroup): ...
---@return any ...
function neap.task_group(fn) end
