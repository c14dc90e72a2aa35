---@meta
-- Child processes.

---@class neap
local neap = {}

---@alias neap.Stdio "inherit"|"pipe"|"devnull"|integer|neap.Stream

---@class neap.ProcessOptions
---@field stdin? neap.Stdio ("inherit")
---@field stdout? neap.Stdio ("inherit")
---@field stderr? neap.Stdio|"stdout" ("inherit")
---@field cwd? string its folder
---@field env? table<string, string|number> its whole environment
---@field uid? integer whose process it is
---@field gid? integer
---@field detached? boolean in a session of its own (false)
---@field limit? integer bytes, of its streams (65536)
---@field kill_on_cancel? boolean cancelling a wait or communicate kills it (false)

---Starts a program. A stream among the options is read or written by the process; its other end here is still to be
---closed.
---
---Raises: an argument error. When awaited: OSError, "ENOENT", "EACCES", "EPERM", "EAGAIN" in `code`; RuntimeError for a
---stream that has received something already, or that somebody reads from; ConnectionAbortedError for one that is closed.
---Suspends: no, though it is awaited.
---Cancellation: nothing is started.
---asyncio: create_subprocess_exec.
---@param args (string|number)[] the program first; searched for in PATH
---@param options? neap.ProcessOptions
---@return neap.Operation awaiting it gives a neap.Process
function neap.create_subprocess_exec(args, options) end

---Starts `/bin/sh -c command`.
---
---Raises: as create_subprocess_exec.
---Suspends: no, though it is awaited.
---Cancellation: nothing is started.
---asyncio: create_subprocess_shell.
---@param command string
---@param options? neap.ProcessOptions
---@return neap.Operation awaiting it gives a neap.Process
function neap.create_subprocess_shell(command, options) end

---A child process. `<close>` kills it if it still runs, closes its pipes and waits for its end.
---@class neap.Process
---@field pid integer
---@field returncode integer? nil while it runs; negative: the signal that ended it
---@field stdin neap.Stream? with "pipe"
---@field stdout neap.Stream? with "pipe"
---@field stderr neap.Stream? with "pipe"
---@field args string[]
neap.Process = {}

---Waits for its end, not for that of its pipes.
---
---Suspends: awaiting it does, unless it has ended.
---Cancellation: no effect on the process, unless kill_on_cancel is set: then it is killed and has ended afterwards.
---asyncio: Process.wait, as in 3.15.
---@return neap.Operation awaiting it gives the returncode
function neap.Process:wait() end

---Writes the input and ends it, reads both outputs to their ends, and waits.
---
---Raises: ValueError for an input without a pipe. (When awaited:) what reading the outputs raises; RuntimeError when another
---task reads them. A process that does not take its input is no error.
---Suspends: awaiting it does.
---Cancellation: no output is lost, and the process goes on, unless kill_on_cancel is set.
---asyncio: Process.communicate.
---@param input? string
---@return neap.Operation awaiting it gives stdout and stderr, nil for what is no pipe
function neap.Process:communicate(input) end

---Sends a signal; nothing when it has ended.
---
---Raises: an argument error; OSError "EPERM".
---Suspends: no. asyncio: Process.send_signal.
---@param signal integer|string 15, "TERM" or "SIGTERM"
function neap.Process:send_signal(signal) end

---Sends SIGTERM. Suspends: no. asyncio: Process.terminate.
function neap.Process:terminate() end

---Sends SIGKILL. Suspends: no. asyncio: Process.kill.
function neap.Process:kill() end

---@class neap.RunSpec: neap.ProcessOptions
---@field [integer] string the program and its arguments
---@field shell? string a command in their place
---@field input? string
---@field capture_output? boolean pipes for stdout and stderr (false)
---@field timeout? number seconds
---@field check? boolean an end other than 0 raises (false)

---@class neap.RunResult
---@field command string
---@field returncode integer
---@field stdout string? of a pipe
---@field stderr string? of a pipe

---@class neap.subprocess
neap.subprocess = {}

---Starts a program, communicates, and waits. Whatever happens, it has ended afterwards.
---
---Raises: an argument error. When awaited: as create_subprocess_exec; TimeoutError with `cmd`, `timeout`, `stdout`,
---`stderr`; CalledProcessError with `check`.
---Suspends: awaiting it does.
---Cancellation: kills the process.
---asyncio: subprocess.run of Python.
---@param spec neap.RunSpec
---@return neap.Operation awaiting it gives a neap.RunResult
function neap.subprocess.run(spec) end

---A command that was to succeed did not.
---@class neap.CalledProcessError: neap.Error
---@field cmd string
---@field returncode integer
---@field stdout string?
---@field stderr string?
neap.subprocess.CalledProcessError = {}
