---@meta
-- Signals of the process.

---@class neap
local neap = {}

---A name, "HUP" or "SIGHUP", in either case, or a number.
---@alias neap.Signal string|integer

---Calls fn(...) after the signal was received, in place of what the signal would do. It replaces the handler
---that was there, not luv's handles nor loops over `signals`. It stays until it is removed, which the end of
---run() does too; then what was there before comes back, for SIGINT inside run() KeyboardInterrupt.
---
---The call is one of the loop's, like those of `call_soon`: with the context of now; an error goes to the
---exception handler. Signals that come before the call are one. A handler does not keep the loop alive, but
---run() waits for the signal and does not call it a deadlock.
---
---Raises: an argument error for what is no signal, or for one that cannot be caught (KILL, STOP);
---RuntimeError outside the main thread; OSError.
---Suspends: no. asyncio: loop.add_signal_handler. Different: it gives the handle; `cancel()` removes it.
---@param signal neap.Signal
---@param fn function
---@param ... any
---@return neap.Handle
function neap.add_signal_handler(signal, fn, ...) end

---Removes the handler.
---
---Raises: an argument error, as `add_signal_handler`.
---Suspends: no. asyncio: loop.remove_signal_handler.
---@param signal neap.Signal
---@return boolean removed false: there was none
function neap.remove_signal_handler(signal) end

---An iterator over signals for the generic for: `for name in neap.signals("INT", "HUP") do`. Each step awaits
---the next one and gives it as it was called here. From the call to the end of the loop, by break, error or
---cancellation too, the signals do not do what they would do otherwise. What comes between two steps is kept,
---each signal once, in the order they came.
---
---Raises: an argument error, as `add_signal_handler`, also for a signal named twice; RuntimeError outside the
---main thread; OSError.
---Suspends: each step does, unless a signal was kept.
---Cancellation: of a step ends the loop; outside a loop the signal stays for the next step.
---trio: open_signal_receiver.
---@param ... neap.Signal
---@return fun(signals: neap.Awaitable): neap.Signal step
---@return neap.Awaitable signals awaiting it is a step; nil once it is closed
---@return nil
---@return neap.Awaitable closing closed by `<close>`
function neap.signals(...) end
