---@meta
-- Lock, Event, Condition, Semaphore, Barrier. All are fair: who came first is woken first.

---@class neap
local neap = {}

---Held by one task at a time. Not re-entrant. Closed by `<close>`: released.
---@class neap.Lock: userdata
---@overload fun(): neap.Lock
neap.Lock = {}

---Waits until the lock is free, takes it, and gives the lock itself, to be closed:
---`local held <close> = await(lock:acquire())`.
---
---Suspends: awaiting it does, unless the lock is free.
---Cancellation: the lock is not taken; the next in the queue is woken.
---asyncio: Lock.acquire. Different: gives the lock.
---@return neap.Operation
function neap.Lock:acquire() end

---Frees it and wakes the first who waits. Any task may call it.
---
---Raises: RuntimeError when it is not held.
---Suspends: no. asyncio: Lock.release.
function neap.Lock:release() end

---Suspends: no. asyncio: Lock.locked.
---@return boolean
function neap.Lock:locked() end

---Set or not; who waits goes on when it is set.
---@class neap.Event: userdata
---@overload fun(): neap.Event
neap.Event = {}

---Waits until it is set. Gives true, also if it was cleared again before the task ran.
---
---Suspends: awaiting it does, unless it is set.
---Cancellation: no effect on the event.
---asyncio: Event.wait.
---@return neap.Operation
function neap.Event:wait() end

---Sets it and wakes all that wait.
---Suspends: no. asyncio: Event.set.
function neap.Event:set() end

---Suspends: no. asyncio: Event.clear.
function neap.Event:clear() end

---Suspends: no. asyncio: Event.is_set.
---@return boolean
function neap.Event:is_set() end

---A lock, and tasks that wait for news about what it protects. Closed by `<close>`: its lock is
---released.
---@class neap.Condition: userdata
---@overload fun(lock?: neap.Lock): neap.Condition
neap.Condition = {}

---Releases the lock, waits for a notification, takes the lock again. Gives true. Wake-ups without a
---notification are possible: see `wait_for`.
---
---Raises (when awaited): RuntimeError when the lock is not held.
---Suspends: awaiting it does, always.
---Cancellation: raised once the lock is held again; a notification that came is passed on.
---asyncio: Condition.wait.
---@return neap.Operation
function neap.Condition:wait() end

---Waits until `predicate()` is true, and gives its value. The predicate may await.
---
---Raises (when awaited): RuntimeError when the lock is not held; what the predicate raises.
---Suspends: awaiting it does, unless the predicate is true at once.
---Cancellation: as `wait`.
---asyncio: Condition.wait_for.
---@param predicate fun(): any
---@return neap.Operation
function neap.Condition:wait_for(predicate) end

---Wakes some that wait. They go on when the lock is released.
---
---Raises: RuntimeError when the lock is not held.
---Suspends: no. asyncio: Condition.notify.
---@param n? integer how many (1)
function neap.Condition:notify(n) end

---Wakes all that wait.
---
---Raises: RuntimeError when the lock is not held.
---Suspends: no. asyncio: Condition.notify_all.
function neap.Condition:notify_all() end

---Its lock's `acquire`; gives the lock, to be closed.
---Suspends: awaiting it does, unless the lock is free. asyncio: Condition.acquire.
---@return neap.Operation
function neap.Condition:acquire() end

---Its lock's `release`.
---
---Raises: RuntimeError when the lock is not held.
---Suspends: no. asyncio: Condition.release.
function neap.Condition:release() end

---Its lock's `locked`.
---Suspends: no. asyncio: Condition.locked.
---@return boolean
function neap.Condition:locked() end

---Held by a number of tasks at a time. Closed by `<close>`: one unit is released.
---
---Raises: an argument error for a negative value.
---@class neap.Semaphore: userdata
---@overload fun(value?: integer): neap.Semaphore
neap.Semaphore = {}

---Waits for a unit, takes it, and gives the semaphore itself, to be closed.
---
---Suspends: awaiting it does, unless there is a unit and nobody waits.
---Cancellation: no unit is taken; one that was handed over goes to the next.
---asyncio: Semaphore.acquire. Different: gives the semaphore.
---@return neap.Operation
function neap.Semaphore:acquire() end

---Gives a unit back, to the first who waits.
---
---Raises: ValueError for a BoundedSemaphore above its initial value.
---Suspends: no. asyncio: Semaphore.release.
function neap.Semaphore:release() end

---Would `acquire` wait?
---Suspends: no. asyncio: Semaphore.locked.
---@return boolean
function neap.Semaphore:locked() end

---A semaphore that refuses to be released more often than it was acquired.
---@class neap.BoundedSemaphore: neap.Semaphore
---@overload fun(value?: integer): neap.BoundedSemaphore
neap.BoundedSemaphore = {}

---A number of tasks wait for each other, again and again.
---@class neap.Barrier: userdata
---@overload fun(parties: integer): neap.Barrier
neap.Barrier = {}

---Waits until all parties wait. Gives the number of this one, from 0, in the order of arrival.
---
---Raises (when awaited): BrokenBarrierError when the barrier is reset or aborted.
---Suspends: awaiting it does, except for the last party.
---Cancellation: the place is free again; the barrier is not broken.
---asyncio: Barrier.wait.
---@return neap.Operation
function neap.Barrier:wait() end

---Sends those who wait away with a BrokenBarrierError; the barrier is as new then.
---
---Suspends: awaiting it does, while others are on their way through.
---asyncio: Barrier.reset.
---@return neap.Operation
function neap.Barrier:reset() end

---Breaks the barrier: those who wait and those who come get a BrokenBarrierError, until it is reset.
---
---Suspends: awaiting it does, while others are on their way through.
---asyncio: Barrier.abort.
---@return neap.Operation
function neap.Barrier:abort() end

---How many pass together.
---Suspends: no. asyncio: Barrier.parties (an attribute).
---@return integer
function neap.Barrier:parties() end

---How many wait now.
---Suspends: no. asyncio: Barrier.n_waiting (an attribute).
---@return integer
function neap.Barrier:n_waiting() end

---Suspends: no. asyncio: Barrier.broken (an attribute).
---@return boolean
function neap.Barrier:broken() end
