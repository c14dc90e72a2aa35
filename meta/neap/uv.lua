---@meta
-- luv's functions as awaitables.

---@class neap
local neap = {}

---luv, with awaitables in the place of callbacks. A function that calls back once takes the arguments
---it takes in luv without the callback and gives a coroutine object; it starts when that is awaited,
---and awaiting it gives what the callback would get, without the error. These are all `fs_*`,
---`getaddrinfo`, `getnameinfo`, `random`, `tcp_connect`, `pipe_connect`, `udp_send`, `write`, `write2`,
---`shutdown` and `close`. Everything else is luv's own, with callbacks where it has them.
---
---Raises (when awaited): OSError with libuv's name of the error in `code`, or the class that fits it:
---ConnectionRefusedError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError,
---ResolveError; luv's argument errors.
---Suspends: awaiting it does.
---Cancellation: cancels libuv's request; one that has begun already goes on, and what it gives is
---dropped: a file or directory that was opened is closed again. Closing is not undone.
---@type table<string, any>
neap.uv = {}

---@class neap.WrapOptions
---@field at? integer the position of the callback among the arguments (after the last one)
---@field cancel? fun(...) called with what `fn` returned when the await is cancelled; otherwise a libuv request that `fn` returned is cancelled
---@field late? fun(...) called with results that nobody will receive any more
---@field what? string put before the message of an OSError

---Makes an async function of a function that takes a callback as its last argument. The callback is
---to be called as `callback(error, ...)`: with nil or false and the results, or with an error. The
---first call counts. It may come before the function returns.
---
---Raises (when awaited): what the callback was given as its error: luv's words ("ENOENT", "ENOENT: no
---such file") as an OSError of the class that fits, anything else as it is; what the function raises;
---what it returns after nil or false, if it has not called back.
---Suspends: awaiting it does, unless the callback is called at once.
---Cancellation: see `cancel` and `late`.
---@param fn function or a value with `__call`
---@param options? neap.WrapOptions
---@return fun(...): neap.Coroutine
function neap.wrap(fn, options) end
