---@meta
-- Queues between tasks.

---@class neap
local neap = {}

---First in, first out. Items may be nil. An item stays in the queue until the task that gets it runs:
---a `get` that is cancelled loses nothing.
---@class neap.Queue: userdata
---@overload fun(maxsize?: integer): neap.Queue 0 or less, and none: unbounded
neap.Queue = {}

---Waits until there is an item, and takes it.
---
---Raises (when awaited): QueueShutDown when the queue is shut down and empty.
---Suspends: awaiting it does, unless there is an item.
---Cancellation: no item is taken.
---asyncio: Queue.get.
---@return neap.Operation
function neap.Queue:get() end

---Takes an item if there is one.
---
---Raises: QueueEmpty; QueueShutDown when it is empty and shut down.
---Suspends: no. asyncio: Queue.get_nowait.
---@return any item
function neap.Queue:get_nowait() end

---Waits until there is room, and puts the item.
---
---Raises (when awaited): QueueShutDown.
---Suspends: awaiting it does, unless there is room.
---Cancellation: the item is not put.
---asyncio: Queue.put.
---@param item any
---@return neap.Operation
function neap.Queue:put(item) end

---Puts the item if there is room.
---
---Raises: QueueFull; QueueShutDown.
---Suspends: no. asyncio: Queue.put_nowait.
---@param item any
function neap.Queue:put_nowait(item) end

---Waits until `task_done` was called for every item that was put.
---
---Suspends: awaiting it does, unless that is so already.
---Cancellation: no effect on the queue.
---asyncio: Queue.join.
---@return neap.Operation
function neap.Queue:join() end

---Tells that an item that was taken has been dealt with.
---
---Raises: ValueError when called more often than items were put.
---Suspends: no. asyncio: Queue.task_done.
function neap.Queue:task_done() end

---How many items there are.
---Suspends: no. asyncio: Queue.qsize.
---@return integer
function neap.Queue:qsize() end

---Suspends: no. asyncio: Queue.empty.
---@return boolean
function neap.Queue:empty() end

---Suspends: no. asyncio: Queue.full.
---@return boolean
function neap.Queue:full() end

---How many items fit; 0: any number.
---Suspends: no. asyncio: Queue.maxsize (an attribute).
---@return integer
function neap.Queue:maxsize() end

---Iterates over the items as they come: `for item in queue:iter() do`. The loop ends when the queue is
---shut down and empty; an item that is nil ends it too. Each step awaits queue:get().
---Suspends: while the queue is empty. Cancellation: as of get(); no item is lost. asyncio: none (a loop over get()).
---@return fun(queue: neap.Queue): any
---@return neap.Queue
function neap.Queue:iter() end

---Ends the queue: nothing can be put any more, what is in it can still be taken, and all who wait are
---woken. With `immediate` the items are dropped; they count as done.
---
---Suspends: no. asyncio: Queue.shutdown.
---@param immediate? boolean
function neap.Queue:shutdown(immediate) end

---Last in, first out.
---@class neap.LifoQueue: neap.Queue
---@overload fun(maxsize?: integer): neap.LifoQueue
neap.LifoQueue = {}

---The smallest first, by `<`; equal ones in no particular order. An error in a comparison is raised by
---the `put` or `get`, and changes nothing.
---@class neap.PriorityQueue: neap.Queue
---@overload fun(maxsize?: integer): neap.PriorityQueue
neap.PriorityQueue = {}
