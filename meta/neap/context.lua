---@meta
-- Context variables.

---@class neap
local neap = {}

---A variable with a value of its own in each context. A task starts with a copy of the context it was
---created in; a callback runs in the one it was scheduled in.
---@class neap.ContextVar: userdata
---@overload fun(name: string, options?: {default: any}): neap.ContextVar
neap.ContextVar = {}

---Its value here; else the default given here, else the variable's own.
---
---Raises: ValueError when there is neither.
---Suspends: no. Python: ContextVar.get, LookupError.
---@param default? any
---@return any
function neap.ContextVar:get(default) end

---Sets it, in the current task or context only.
---Suspends: no. Python: ContextVar.set.
---@param value any
---@return userdata token for `reset`
function neap.ContextVar:set(value) end

---Restores what it was before that `set`.
---
---Raises: ValueError for a token of another variable or another context; RuntimeError for one that was used.
---Suspends: no. Python: ContextVar.reset.
---@param token userdata
function neap.ContextVar:reset(token) end

---Suspends: no. Python: ContextVar.name (an attribute).
---@return string
function neap.ContextVar:name() end

---The values of all variables.
---@class neap.Context: userdata
---@overload fun(): neap.Context
neap.Context = {}

---Calls a function in the context; what it sets stays in there. It may await.
---
---Raises: what the function raises; RuntimeError when the context is entered already.
---Suspends: if the function does.
---Python: Context.run.
---@param fn function
---@param ... any
---@return any ...
function neap.Context:run(fn, ...) end

---A variable's value in it; nil when it has none.
---Suspends: no. Python: Context.get.
---@param var neap.ContextVar
---@return any
function neap.Context:get(var) end

---Suspends: no. Python: Context.copy.
---@return neap.Context
function neap.Context:copy() end

---A copy of the current context.
---Suspends: no. Python: copy_context.
---@return neap.Context
function neap.copy_context() end
