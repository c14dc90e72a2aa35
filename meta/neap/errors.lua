---@meta
-- Errors: objects with a class. What you raise yourself arrives as the very same value.

---@class neap
local neap = {}

---Is the value of the class, or of one that extends it? Works for errors and for all other classes.
---
---Suspends: no. asyncio: isinstance.
---@param value any
---@param class table
---@return boolean
function neap.is(value, class) end

---The class of all errors of the library. `neap.Error(message, fields)` makes one; raise it with
---`error(e, 0)`. `tostring` gives the place it was raised at, where known, its name and its message.
---@class neap.Error
---@field name string "TimeoutError"
---@field message any
---@field code? string libuv's name of the system's error: "ECONNREFUSED"
---@field traceback? string where it was raised, and who awaited
---@field where? string "file:line: " of misuse
---@overload fun(message?: any, fields?: table): neap.Error
neap.Error = {}

---Makes a class that extends this one.
---Suspends: no. asyncio: class X(Error).
---@param name string
---@return neap.Error class
function neap.Error:extend(name) end

---The task was cancelled. Let it pass, or raise it again after cleaning up.
---asyncio: CancelledError.
---@class neap.CancelledError: neap.Error
---@overload fun(message?: any, fields?: table): neap.CancelledError
neap.CancelledError = {}

---Time is up; also the system's ETIMEDOUT.
---asyncio: TimeoutError. Different: not an OSError.
---@class neap.TimeoutError: neap.Error
---@field cause? neap.CancelledError
---@overload fun(message?: any, fields?: table): neap.TimeoutError
neap.TimeoutError = {}

---A future is done already, or not yet.
---asyncio: InvalidStateError.
---@class neap.InvalidStateError: neap.Error
---@overload fun(message?: any, fields?: table): neap.InvalidStateError
neap.InvalidStateError = {}

---Misuse that depends on the state of things.
---Python: RuntimeError.
---@class neap.RuntimeError: neap.Error
---@overload fun(message?: any, fields?: table): neap.RuntimeError
neap.RuntimeError = {}

---Python: ValueError.
---@class neap.ValueError: neap.Error
---@overload fun(message?: any, fields?: table): neap.ValueError
neap.ValueError = {}

---Nothing is ready, no timer and no I/O is left: nobody can ever wake the tasks that the message names.
---@class neap.DeadlockError: neap.RuntimeError
---@overload fun(message?: any, fields?: table): neap.DeadlockError
neap.DeadlockError = {}

---Ctrl-C.
---Python: KeyboardInterrupt.
---@class neap.KeyboardInterrupt: neap.Error
---@overload fun(message?: any, fields?: table): neap.KeyboardInterrupt
neap.KeyboardInterrupt = {}

---Several errors of a TaskGroup. `tostring` shows each with its traceback.
---Python: ExceptionGroup.
---@class neap.ExceptionGroup: neap.Error
---@field errors any[] in the order in which they came; the block's own last
---@overload fun(message: string, errors: any[]): neap.ExceptionGroup
neap.ExceptionGroup = {}

---Two lists: the errors for which the predicate is true, and the others.
---Suspends: no. Python: ExceptionGroup.split. Different: gives lists.
---@param predicate fun(error: any): any
---@return any[] matching
---@return any[] rest
function neap.ExceptionGroup:split(predicate) end

---asyncio: QueueEmpty.
---@class neap.QueueEmpty: neap.Error
---@overload fun(message?: any, fields?: table): neap.QueueEmpty
neap.QueueEmpty = {}

---asyncio: QueueFull.
---@class neap.QueueFull: neap.Error
---@overload fun(message?: any, fields?: table): neap.QueueFull
neap.QueueFull = {}

---asyncio: QueueShutDown.
---@class neap.QueueShutDown: neap.Error
---@overload fun(message?: any, fields?: table): neap.QueueShutDown
neap.QueueShutDown = {}

---asyncio: BrokenBarrierError.
---@class neap.BrokenBarrierError: neap.RuntimeError
---@overload fun(message?: any, fields?: table): neap.BrokenBarrierError
neap.BrokenBarrierError = {}

---The stream ended before what was asked for.
---asyncio: IncompleteReadError.
---@class neap.IncompleteReadError: neap.Error
---@field partial string what had come
---@field expected? integer bytes
---@overload fun(message?: any, fields?: table): neap.IncompleteReadError
neap.IncompleteReadError = {}

---A line or separator is farther than the limit of the stream.
---asyncio: LimitOverrunError.
---@class neap.LimitOverrunError: neap.Error
---@field consumed integer bytes before it
---@overload fun(message?: any, fields?: table): neap.LimitOverrunError
neap.LimitOverrunError = {}

---An error of the system; `code` names it.
---Python: OSError.
---@class neap.OSError: neap.Error
---@overload fun(message?: any, fields?: table): neap.OSError
neap.OSError = {}

---Python: ConnectionError.
---@class neap.ConnectionError: neap.OSError
---@overload fun(message?: any, fields?: table): neap.ConnectionError
neap.ConnectionError = {}

---"ECONNREFUSED". Python: ConnectionRefusedError.
---@class neap.ConnectionRefusedError: neap.ConnectionError
---@overload fun(message?: any, fields?: table): neap.ConnectionRefusedError
neap.ConnectionRefusedError = {}

---"ECONNRESET". Python: ConnectionResetError.
---@class neap.ConnectionResetError: neap.ConnectionError
---@overload fun(message?: any, fields?: table): neap.ConnectionResetError
neap.ConnectionResetError = {}

---"ECONNABORTED"; also what a closed stream raises. Python: ConnectionAbortedError.
---@class neap.ConnectionAbortedError: neap.ConnectionError
---@overload fun(message?: any, fields?: table): neap.ConnectionAbortedError
neap.ConnectionAbortedError = {}

---"EPIPE". Python: BrokenPipeError.
---@class neap.BrokenPipeError: neap.ConnectionError
---@overload fun(message?: any, fields?: table): neap.BrokenPipeError
neap.BrokenPipeError = {}

---A host that does not resolve: "EAI_NONAME" and the like. Python: socket.gaierror.
---@class neap.ResolveError: neap.OSError
---@overload fun(message?: any, fields?: table): neap.ResolveError
neap.ResolveError = {}

---As `debug.traceback`, with the stacks of the tasks the error came through. A message handler for
---`xpcall`; called without an error it gives the stack.
---
---Suspends: no. Python: traceback.format_exc.
---@param error? any
---@param level? integer (1)
---@return string
function neap.traceback(error, level) end

---@class neap.ExceptionContext
---@field message string
---@field exception? any
---@field traceback? string
---@field task? neap.Task
---@field handle? neap.Handle
---@field stream? neap.Stream

---Sets who is told of errors that nobody catches: in callbacks, of tasks and futures nobody looked at,
---and what debug mode finds. Set inside `run`, it lasts until its end. An error in it falls back to the
---default handler.
---
---Suspends: no. asyncio: loop.set_exception_handler. Different: the context is the only argument.
---@param handler? fun(context: neap.ExceptionContext) nil: the default one, which writes to stderr
function neap.set_exception_handler(handler) end

---Suspends: no. asyncio: loop.get_exception_handler.
---@return fun(context: neap.ExceptionContext)? handler nil: the default one
function neap.get_exception_handler() end

---Calls the handler that is set.
---Suspends: no. asyncio: loop.call_exception_handler.
---@param context neap.ExceptionContext
function neap.call_exception_handler(context) end

---Writes the context to stderr.
---Suspends: no. asyncio: loop.default_exception_handler.
---@param context neap.ExceptionContext
function neap.default_exception_handler(context) end
