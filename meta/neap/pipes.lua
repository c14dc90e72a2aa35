---@meta
-- Unix domain sockets, pipes, terminals, and streams of any descriptor.

---@class neap
local neap = {}

---@class neap.UnixOptions
---@field limit? integer bytes: the longest line and the farthest separator; reading pauses at twice that (65536)

---Connects to a Unix domain socket. A path that begins with "\0" is an abstract name (Linux).
---While the server's queue is full it tries again, at intervals of up to 0.1 s.
---
---Raises: an argument error for a path that is empty, too long (107 bytes) or holds a zero byte. When
---awaited: OSError "ENOENT", ConnectionRefusedError when nothing listens, "EACCES".
---Suspends: awaiting it does, while the queue is full.
---Cancellation: nothing is left open.
---asyncio: open_unix_connection. Different: one duplex stream.
---@param path string
---@param options? neap.UnixOptions
---@return neap.Operation awaiting it gives a neap.Stream
function neap.open_unix_connection(path, options) end

---@class neap.UnixServerOptions
---@field backlog? integer connections that wait to be accepted (128)
---@field limit? integer bytes, of its streams (65536)
---@field max_connections? integer open at once; the others wait in the backlog (no limit)
---@field cleanup_socket? boolean remove the file when the server is closed, if it is still its own (true)

---As start_server, on a Unix domain socket. A socket file that is there is removed first, whoever made it.
---
---Raises: an argument error, as open_unix_connection. When awaited: OSError, "EADDRINUSE" for a file that is no
---socket or an abstract name that is taken, "EACCES", "ENOENT" for a directory that is not there.
---Suspends: no, though it is awaited.
---Cancellation: nothing is left open.
---asyncio: start_unix_server, with the cleanup_socket of 3.13. Different: one duplex stream; it serves at once.
---@param handler fun(stream: neap.Stream): any
---@param path string
---@param options? neap.UnixServerOptions
---@return neap.Operation awaiting it gives a neap.Server, whose getsockname() is the path
function neap.start_unix_server(handler, path, options) end

---@class neap.FdOptions
---@field limit? integer bytes: the longest line and the farthest separator; reading pauses at twice that (65536)
---@field readable? boolean false: it is not read from (what the descriptor allows)
---@field writable? boolean false: it is not written to (what the descriptor allows)

---A stream of a descriptor: a connected TCP or Unix domain socket, a pipe or FIFO, a terminal, a file. The descriptor
---belongs to the stream, which makes it non-blocking and closes it. Files, and devices other than terminals, are read
---and written by libuv's threads, from where the descriptor stands.
---
---A stream that is only read closes by itself at its end; `write_eof` closes one that is only written. A
---terminal, or a pipe or file open in both directions, has no `write_eof`: a RuntimeError.
---
---Raises: an argument error; OSError: "EBADF", "EISDIR", "EPROTOTYPE" for a datagram
---socket, "EEXIST" when another handle of the loop has it. Then the descriptor is still the caller's.
---Suspends: no.
---asyncio: loop.connect_read_pipe, connect_write_pipe, connect_accepted_socket, as streams.
---@param fd integer
---@param options? neap.FdOptions
---@return neap.Stream
function neap.open_fd(fd, options) end

---A pipe: what is written to the second stream is read from the first.
---
---Raises: OSError "EMFILE" and the like.
---Suspends: no. asyncio: os.pipe() with connect_read_pipe and connect_write_pipe.
---@param options? neap.UnixOptions
---@return neap.Stream reader
---@return neap.Stream writer
function neap.pipe(options) end

---Two streams that are connected to each other, by a pair of Unix domain sockets.
---
---Raises: OSError "EMFILE" and the like.
---Suspends: no. asyncio: socket.socketpair() with open_connection(sock=).
---@param options? neap.UnixOptions
---@return neap.Stream one
---@return neap.Stream other
function neap.socketpair(options) end

---The standard input, whatever it is; the same stream each time while it is open. Nothing is read before
---somebody asks for it. Closing the stream leaves descriptor 0 open.
---
---Raises: OSError "EBADF" when it is not open for reading; as open_fd.
---Suspends: no. asyncio: loop.connect_read_pipe(protocol, sys.stdin).
---@param options? neap.UnixOptions used when it is opened
---@return neap.Stream
function neap.stdin(options) end

---The standard output, as stdin. It need not be closed: what is written leaves before the Lua state closes.
---
---Raises: OSError "EBADF" when it is not open for writing; as open_fd.
---Suspends: no. asyncio: loop.connect_write_pipe(protocol, sys.stdout).
---@param options? neap.UnixOptions used when it is opened
---@return neap.Stream
function neap.stdout(options) end

---The standard error, as stdout.
---
---Raises: as stdout.
---Suspends: no. asyncio: loop.connect_write_pipe(protocol, sys.stderr).
---@param options? neap.UnixOptions used when it is opened
---@return neap.Stream
function neap.stderr(options) end

---Is it a terminal?
---Suspends: no. asyncio: file.isatty().
---@return boolean
function neap.Stream:isatty() end

---The size of a terminal, in characters.
---Raises: OSError "ENOTTY" for anything else.
---Suspends: no. asyncio: os.get_terminal_size.
---@return integer columns
---@return integer rows
function neap.Stream:get_winsize() end

---"cbreak": no line editing and no echo; "raw": no signals and no translation either; "normal": as it was when
---the first of them was set, which is also restored when the stream is closed and when the process exits.
---Raises: OSError "ENOTTY" for anything else.
---Suspends: no. asyncio: tty.setcbreak, tty.setraw.
---@param mode "normal"|"cbreak"|"raw"
function neap.Stream:set_tty_mode(mode) end
