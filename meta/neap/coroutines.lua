---@meta
-- Coroutine objects: async, await, sleep.

---@class neap
local neap = {}

---A call that has not been made yet. Awaiting it makes the call, in the awaiting task, once.
---@class neap.Coroutine: userdata
local Coroutine = {}

---Says that it will not be awaited, so that debug mode does not complain.
---Suspends: no. asyncio: coroutine.close.
function Coroutine:close() end

---Makes an async function: calling it runs nothing and gives a coroutine object.
---
---Suspends: no. asyncio: async def.
---@param fn function or a value with `__call`
---@return fun(...): neap.Coroutine
function neap.async(fn) end

---Waits until the awaitable is done and gives everything it gives. A coroutine object and a function
---run right here, in the current task. Outside tasks it runs the loop until the awaitable is done.
---
---Raises: what the awaitable raises, the very same value; CancelledError when the task is cancelled
---meanwhile; RuntimeError for a coroutine object that was awaited before, in a callback of the loop,
---in a finalizer, in an exception handler, and for a task that awaits itself.
---Suspends: if the awaitable does; a future that is done does not. Below a C function that calls back
---(`table.sort`, `string.gsub`) and in a coroutine of your own it sets the C stack aside.
---Cancellation: cancels what is awaited: a future or task as a whole, for everybody who awaits it.
---asyncio: await.
---@param awaitable neap.awaitable
---@return any ...
function neap.await(awaitable) end

---Waits for a time. With 0 or less it waits for one tick: everything that is ready runs first.
---
---Raises: an argument error for NaN and infinite times.
---Suspends: awaiting it does, always.
---Cancellation: drops the timer.
---asyncio: sleep. Different: any number of results.
---@param seconds number
---@param ... any what awaiting it gives
---@return neap.Operation
function neap.sleep(seconds, ...) end

---Can it be awaited? False for functions, although `await` takes them.
---
---Suspends: no. asyncio: inspect.isawaitable.
---@param value any
---@return boolean
function neap.isawaitable(value) end

---As `pcall`, but the current task's own cancellation and KeyboardInterrupt pass through it.
---
---Raises: CancelledError when the current task is being cancelled; KeyboardInterrupt.
---Suspends: if the function does.
---asyncio: except Exception.
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... the results, or the error
function neap.pcall(fn, ...) end
