---@meta
-- Descriptors that other libraries own.

---@class neap
local neap = {}

---Waits until a descriptor of another library is ready. Any number of tasks may wait for one, beside the
---handlers of `add_reader` and `add_writer`. It is made non-blocking, and must stay open meanwhile. A
---descriptor that was hung up or has an error is ready: the library's next call tells.
---
---Raises: an argument error for what is no number or no event; when awaited an OSError: EBADF, EPERM for
---a regular file, EEXIST when another handle of the loop watches it.
---Suspends: awaiting it does.
---Cancellation: the descriptor is not watched any more.
---asyncio: loop.add_reader, add_writer, as an awaitable.
---@param fd integer
---@param events "r"|"w"|"rw"
---@return neap.Operation awaiting it gives those of the events that are ready
function neap.wait_fd(fd, events) end

---Calls fn(...) whenever there is something to read from the descriptor of another library, an end of file
---or an error included: again and again, until something is done about it, or the handler is removed, which
---the end of run() does too. It replaces the reader that was there. The descriptor is made non-blocking.
---
---The call is one of the loop's, like those of `call_soon`: with the context of now, and an error goes to the
---exception handler, after which it is called again. That the descriptor was closed, and the kernel did not
---know of it yet, is told to the exception handler, and ends the handler.
---
---Raises: an argument error; OSError: EBADF, EPERM for a regular file, EEXIST when another handle of the loop
---watches it.
---Suspends: no. asyncio: loop.add_reader. Different: it gives the handle; `cancel()` is `remove_reader`.
---@param fd integer
---@param fn function
---@param ... any
---@return neap.Handle
function neap.add_reader(fd, fn, ...) end

---As `add_reader`, whenever there is room to write.
---
---Raises: as `add_reader`.
---Suspends: no. asyncio: loop.add_writer. Different: it gives the handle.
---@param fd integer
---@param fn function
---@param ... any
---@return neap.Handle
function neap.add_writer(fd, fn, ...) end

---Removes the handler. To be called before the descriptor is closed; afterwards it is no error.
---
---Raises: an argument error for what is no number.
---Suspends: no. asyncio: loop.remove_reader.
---@param fd integer
---@return boolean removed false: there was none
function neap.remove_reader(fd) end

---As `remove_reader`, of the handler of `add_writer`.
---Suspends: no. asyncio: loop.remove_writer.
---@param fd integer
---@return boolean removed
function neap.remove_writer(fd) end
