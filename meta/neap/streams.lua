---@meta
-- TCP: connections and servers.

---@class neap
local neap = {}

---@class neap.StreamOptions
---@field tls? boolean|neap.tls.Context secure: see neap.TLSOptions, whose fields stand beside it (open_connection: true is the default context)
---@field limit? integer bytes: the longest line and the farthest separator; reading pauses at twice that (65536)
---@field nodelay? boolean small writes are sent at once (true)

---@alias neap.PeerAddress string|{ip: string, port: integer?}|[string, integer?] numeric

---@class neap.ConnectOptions: neap.StreamOptions
---@field local_addr? {ip: string, port: integer?}|[string, integer?] to bind to; numeric
---@field family? "inet"|"inet6" tries addresses of this family only (that of local_addr, or both)
---@field happy_eyeballs_delay? number|false seconds until the next address is tried; false: when one has failed (0.25)
---@field interleave? integer addresses of the first family before the families take turns; 0: never (1, or 0 without a delay)

---Connects to a host. Its addresses are tried by Happy Eyeballs (RFC 8305): the families take turns, an attempt
---starts some time after the one before or at once when one fails, the first to be connected wins.
---
---Raises (when awaited): ResolveError; ConnectionRefusedError, TimeoutError or another OSError, with what
---happened at each address in the message, and the errors of several in `attempts`.
---Suspends: awaiting it does.
---Cancellation: closes the sockets of all attempts.
---asyncio: open_connection. Different: one duplex stream; Happy Eyeballs unless switched off.
---@param host string|neap.PeerAddress[] a name, a numeric address, or a list of addresses
---@param port integer? 1 to 65535; may be nil if every address of a list has one
---@param options? neap.ConnectOptions
---@return neap.Operation awaiting it gives a neap.Stream
function neap.open_connection(host, port, options) end

---A connection. One task may read and others write at the same time. Closed by `<close>`.
---@class neap.Stream: userdata
neap.Stream = {}

---Reads: a number of bytes: as soon as there is at least one, up to so many; "l": a line without its
---end; "L": a line with it; "a", -1 or nothing: all until the end of the stream. At the end of the
---stream gives nil, or "" for "a".
---
---Raises (when awaited): LimitOverrunError for a line over the limit, which is dropped;
---ConnectionResetError and other OSErrors; RuntimeError when another task is reading.
---Suspends: awaiting it does, unless what is asked for has arrived.
---Cancellation: no byte is lost.
---asyncio: StreamReader.read. Different: Lua's formats, nil at the end.
---@param format? integer|"a"|"l"|"L"
---@return neap.Operation awaiting it gives string?
function neap.Stream:read(format) end

---Reads exactly so many bytes.
---
---Raises (when awaited): IncompleteReadError with `partial` and `expected` when the stream ends
---before; as `read`.
---Suspends: awaiting it does, unless they have arrived.
---Cancellation: no byte is lost.
---asyncio: StreamReader.readexactly.
---@param n integer bytes
---@return neap.Operation awaiting it gives string
function neap.Stream:readexactly(n) end

---Reads up to and with the separator, or the one of several that ends first.
---
---Raises (when awaited): IncompleteReadError with `partial` when the stream ends before;
---LimitOverrunError with `consumed` when it is farther than the limit, and the bytes stay; as `read`.
---Suspends: awaiting it does, unless it has arrived.
---Cancellation: no byte is lost.
---asyncio: StreamReader.readuntil.
---@param separator? string|string[] ("\n")
---@return neap.Operation awaiting it gives string
function neap.Stream:readuntil(separator) end

---As `read "L"`: a line with its end; the last one may be without; nil at the end of the stream.
---
---Raises (when awaited): as `read`.
---Suspends: awaiting it does, unless the line has arrived.
---Cancellation: no byte is lost.
---asyncio: StreamReader.readline. Different: nil at the end.
---@return neap.Operation awaiting it gives string?
function neap.Stream:readline() end

---For a generic `for`: the lines until the end of the stream.
---
---Raises (in the loop): as `read`.
---Suspends: each turn of the `for` may.
---Cancellation: no byte is lost.
---asyncio: async for line in reader. Different: without the ends of the lines, unless "L" is asked for.
---@param format? "l"|"L" ("l")
---@return fun(): string?
function neap.Stream:lines(format) end

---Has everything been read that will ever come?
---Suspends: no. asyncio: StreamReader.at_eof.
---@return boolean
function neap.Stream:at_eof() end

---Sends the strings and numbers, one after the other, as soon as possible, also if nobody awaits.
---Awaiting it waits while more than the high-water mark is buffered.
---
---Raises: RuntimeError after `write_eof`. (When awaited:) ConnectionResetError, BrokenPipeError,
---ConnectionAbortedError after `close`.
---Suspends: no; awaiting it does above the high-water mark.
---Cancellation: what was written is sent all the same.
---asyncio: StreamWriter.write, with StreamWriter.drain when awaited.
---@param ... string|number
---@return neap.Operation
function neap.Stream:write(...) end

---As `write` with the elements of a list.
---
---Raises: as `write`.
---Suspends: no; awaiting it does above the high-water mark.
---Cancellation: what was written is sent all the same.
---asyncio: StreamWriter.writelines.
---@param list (string|number)[]
---@return neap.Operation
function neap.Stream:writelines(list) end

---Waits while more than the high-water mark is buffered, until it is the low one.
---
---Raises (when awaited): as `write`.
---Suspends: awaiting it does above the high-water mark, and for one tick when the stream is closing.
---Cancellation: no effect on the stream.
---asyncio: StreamWriter.drain.
---@return neap.Operation
function neap.Stream:drain() end

---Sends the end of the stream after what was written. Reading goes on.
---Suspends: no. asyncio: StreamWriter.write_eof.
function neap.Stream:write_eof() end

---True: TCP can.
---Suspends: no. asyncio: StreamWriter.can_write_eof.
---@return boolean
function neap.Stream:can_write_eof() end

---@class neap.WriteLimits
---@field high? integer bytes (65536, or four times `low`)
---@field low? integer bytes (a quarter of `high`)

---Sets the water marks of the write buffer.
---Suspends: no. asyncio: WriteTransport.set_write_buffer_limits.
---@param limits? neap.WriteLimits
function neap.Stream:set_write_buffer_limits(limits) end

---How many bytes wait to be sent.
---Suspends: no. asyncio: WriteTransport.get_write_buffer_size.
---@return integer bytes
function neap.Stream:get_write_buffer_size() end

---Sends what is buffered, then closes. Who reads or waits for room is woken with
---ConnectionAbortedError.
---Suspends: no. asyncio: StreamWriter.close.
function neap.Stream:close() end

---Waits until it is closed.
---
---Raises (when awaited): ConnectionResetError or another OSError when the connection was lost.
---Suspends: awaiting it does, unless it is closed.
---Cancellation: no effect on the stream.
---asyncio: StreamWriter.wait_closed.
---@return neap.Operation
function neap.Stream:wait_closed() end

---Closes at once: drops what is buffered and resets the connection.
---Suspends: no. asyncio: WriteTransport.abort.
function neap.Stream:abort() end

---Suspends: no. asyncio: StreamWriter.is_closing.
---@return boolean
function neap.Stream:is_closing() end

---@class neap.Address
---@field ip string of IPv6 with its zone, if it has one: "fe80::1%eth0"
---@field port integer
---@field family "inet"|"inet6"

---"peername" and "sockname" give a neap.Address, of a Unix domain socket the path ("" without one), "socket" or, of what
---is none, "pipe" the number of the descriptor, "fd" the same of any, "peercred" of a Unix domain socket {pid =, uid =,
---gid =} of the peer when it connected. With TLS "version", "cipher", "alpn_protocol", "server_hostname", "peercert",
---"peercert_der", "tls_session", "session_reused" and "sslcontext" too, until the stream is closed: see docs/tls.md.
---Suspends: no. asyncio: StreamWriter.get_extra_info.
---@param name "peername"|"sockname"|"socket"|"pipe"|"fd"|"peercred"|string
---@param default? any for a name it does not know
---@return any
function neap.Stream:get_extra_info(name, default) end

---@class neap.ServerOptions
---@field backlog? integer connections that wait to be accepted (128)
---@field limit? integer bytes, of its streams (65536)
---@field max_connections? integer open at once; the others wait in the backlog (no limit)
---@field nodelay? boolean of its streams (true)
---@field reuse_port? boolean several servers on one port (false)
---@field tls? neap.tls.Context secure: see neap.TLSOptions, whose fields stand beside it

---@class neap.Inherited
---@field fd integer a socket that may listen
---@field name? string

---Starts listening. For each connection a task calls the handler, awaits what it gives if that is
---awaitable, and closes the stream. An error in it goes to the exception handler and aborts the
---connection.
---
---Raises (when awaited): ResolveError; OSError with "EADDRINUSE", "EACCES" and the like in `code`; for an
---inherited socket that is none "EBADF", "ENOTSOCK", "EPROTOTYPE", "EAFNOSUPPORT", "EISCONN".
---Suspends: awaiting it may, for a host that has to be resolved.
---Cancellation: nothing is left open.
---asyncio: start_server. Different: one duplex stream; it serves at once; one port for all hosts.
---@param handler fun(stream: neap.Stream): any
---@param host string|string[]|neap.Inherited|nil nil: all interfaces
---@param port integer? 0: any that is free; nil for an inherited socket
---@param options? neap.ServerOptions
---@return neap.Operation awaiting it gives a neap.Server
function neap.start_server(handler, host, port, options) end

---The sockets this process was started with: LISTEN_FDS from descriptor 3 on, if LISTEN_PID is this process. They
---are not inherited any further.
---
---Raises: OSError "EBADF" when one is not open.
---Suspends: no. asyncio: none; sd_listen_fds(3) of systemd.
---@return neap.Inherited[]
function neap.listen_fds() end

---What listens. Closed by `<close>`.
---@class neap.Server: userdata
neap.Server = {}

---Stops listening. Connections go on.
---Suspends: no. asyncio: Server.close.
function neap.Server:close() end

---Waits until it is closed and all its connections are.
---
---Suspends: awaiting it does, unless that is so.
---Cancellation: no effect on the server.
---asyncio: Server.wait_closed.
---@return neap.Operation
function neap.Server:wait_closed() end

---Closes the server, waits for its connections to end, and aborts those that are left after a time, as
---`abort_clients`.
---
---Raises: an argument error for what is no time.
---Suspends: awaiting it does, unless there is no connection.
---Cancellation: the connections that are left go on; the server stays closed.
---asyncio: none; Server.close, wait_for(Server.wait_closed), Server.abort_clients.
---@param timeout? number seconds (no limit)
---@return neap.Operation awaiting it gives integer: the number of connections it aborted
function neap.Server:shutdown(timeout) end

---Waits until it is cancelled, then closes the server and waits for its connections.
---
---Raises (when awaited): CancelledError, also when somebody closes the server; RuntimeError when the
---server is closed, or another task is in it.
---Suspends: awaiting it does, always.
---asyncio: Server.serve_forever.
---@return neap.Operation
function neap.Server:serve_forever() end

---Suspends: no. asyncio: Server.is_serving.
---@return boolean
function neap.Server:is_serving() end

---Where it listens; nil once closed.
---Suspends: no. asyncio: Server.sockets[0].getsockname().
---@return neap.Address?
function neap.Server:getsockname() end

---@class neap.Socket: neap.Address
---@field fd integer the server's own
---@field path string? of a Unix domain socket, which has nothing else

---All the sockets at which it listens; none once closed.
---Suspends: no. asyncio: Server.sockets. Different: addresses with their descriptors.
---@return neap.Socket[]
function neap.Server:sockets() end

---How many of its connections are open.
---Suspends: no. asyncio: none.
---@return integer
function neap.Server:connections() end

---How often it could not accept for want of descriptors or memory; each time it pauses for a second.
---Suspends: no. asyncio: none.
---@return integer
function neap.Server:accept_errors() end

---Closes each connection, as `stream:close()`.
---Suspends: no. asyncio: Server.close_clients.
function neap.Server:close_clients() end

---Aborts each connection, as `stream:abort()`.
---Suspends: no. asyncio: Server.abort_clients.
function neap.Server:abort_clients() end
