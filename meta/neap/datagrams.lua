---@meta
-- UDP.

---@class neap
local neap = {}

---@class neap.DatagramOptions
---@field local_addr? [string?, integer?]|neap.Address where to bind to: {host, port}, or {ip =, port =}; without a host any address, without a port any that is free
---@field remote_addr? [string, integer]|neap.Address where to connect to: only its datagrams come, and sending needs no address
---@field family? "inet"|"inet6" where the addresses leave it open ("inet", or the remote address's)
---@field reuse_port? boolean other sockets may bind to the port too (false)
---@field broadcast? boolean it may send to broadcast addresses (false)
---@field ttl? integer hops, 1 to 255
---@field limit? integer bytes in its queue, above which it stops to receive (262144)
---@field max_size? integer bytes of a datagram that are kept; the rest is cut off (65536)
---@field recv_buffer_size? integer bytes: the system's own queue (SO_RCVBUF)
---@field send_buffer_size? integer bytes (SO_SNDBUF)
---@field fd? integer a datagram socket that is there already, and is the object's from now on; without addresses

---Opens a UDP socket. Names are resolved; of the addresses of both ends the first pair of one family that
---works is used.
---
---Raises: argument errors, at once. When awaited: ResolveError, also when the ends have no family in common;
---an OSError for what the system refuses, of the last pair that was tried: EADDRINUSE, EACCES, ...
---Suspends: awaiting it does while a name is resolved.
---Cancellation: nothing stays open.
---asyncio: loop.create_datagram_endpoint. Different: an object to await in the place of a protocol;
---`allow_broadcast` is `broadcast`, `sock` is `fd`.
---@param options? neap.DatagramOptions
---@return neap.Operation awaiting it gives a neap.Datagram
function neap.open_datagram(options) end

---A UDP socket. Any number of tasks may send and receive. Closed by `<close>`.
---
---What comes stands in a queue of bounded size. While that is full nothing is taken from the system's own,
---and when that is full too, the system drops what comes; `dropped` tells how many. The socket is listened
---to from the first recv on, and keeps the loop alive while somebody waits in it.
---@class neap.Datagram: userdata
neap.Datagram = {}

---Sends one datagram, at once, also if nobody awaits; to a name, when it is awaited, which resolves it.
---What the system does not take at once is copied and sent when it does; awaiting waits for that.
---
---Raises: argument errors, also for an address on a connected socket and for none on another;
---ConnectionAbortedError when the socket is closed. When awaited an OSError: EMSGSIZE, ENETUNREACH, ...; on a
---connected socket the error of one sent before, ConnectionRefusedError: then this one was not sent.
---What fails and is not awaited is counted: see `dropped`.
---Suspends: awaiting it does, for a name, or while the system has no room.
---Cancellation: what was taken is sent; to a name that is not resolved yet nothing is sent.
---asyncio: DatagramTransport.sendto.
---@param data string|number
---@param host? string numeric or a name; not on a connected socket
---@param port? integer 1 to 65535
---@return neap.Awaitable
function neap.Datagram:send(data, host, port) end

---Another name of `send`.
---Suspends: as `send`.
---@param data string|number
---@param host? string
---@param port? integer
---@return neap.Awaitable
function neap.Datagram:sendto(data, host, port) end

---Receives one datagram. Those who wait are served in the order they came.
---
---Raises (when awaited): ConnectionAbortedError when the socket is closed, also meanwhile; on a connected
---socket the error of a datagram sent before, once: ConnectionRefusedError; other OSErrors.
---Suspends: awaiting it does, unless one has come.
---Cancellation: no datagram is lost.
---asyncio: DatagramProtocol.datagram_received, error_received.
---@return neap.Operation awaiting it gives data, host, port, and of one that was cut its size in bytes
function neap.Datagram:recv() end

---@class neap.Packet
---@field data string
---@field host string numeric
---@field port integer
---@field size? integer bytes, of a datagram that was cut

---Receives what is there, at least one datagram.
---
---Raises: an argument error; when awaited as `recv`.
---Suspends: awaiting it does, unless one has come.
---Cancellation: no datagram is lost.
---asyncio: nothing like it.
---@param most? integer at most so many (64)
---@return neap.Operation awaiting it gives a list of neap.Packet with `n`
function neap.Datagram:recv_many(most) end

---An iterator for the generic for: `for data, host, port, size in socket:iter()`. It ends when the socket is
---closed; errors are raised, as by `recv`.
---Suspends: each step does, unless a datagram has come.
---Cancellation: no datagram is lost.
---@return function step
---@return neap.Operation
function neap.Datagram:iter() end

---How many datagrams were lost here.
---Suspends: no.
---@return integer received dropped by the system since its queue was full (Linux; elsewhere 0)
---@return integer sent that could not be sent, awaited or not
function neap.Datagram:dropped() end

---Closes it: what was taken for sending is sent, what was received is dropped, and who waits gets a
---ConnectionAbortedError.
---Suspends: no. asyncio: DatagramTransport.close.
function neap.Datagram:close() end

---Closes it, and drops what was not sent yet.
---Suspends: no. asyncio: DatagramTransport.abort.
function neap.Datagram:abort() end

---Suspends: no. asyncio: DatagramTransport.is_closing.
---@return boolean
function neap.Datagram:is_closing() end

---Waits until it is closed.
---Suspends: awaiting it does, unless it is.
---Cancellation: no effect on the socket.
---@return neap.Operation
function neap.Datagram:wait_closed() end

---Where it is bound to.
---Suspends: no.
---@return neap.Address
function neap.Datagram:getsockname() end

---Suspends: no. asyncio: DatagramTransport.get_extra_info.
---@param name "sockname"|"peername"|"socket" the last one is the number of the descriptor
---@param default? any
---@return neap.Address|integer|any
function neap.Datagram:get_extra_info(name, default) end

---Becomes a member of a multicast group.
---
---Raises: argument errors; OSError: EADDRINUSE when it is one already, ENODEV when no interface fits.
---Suspends: no. libuv: uv_udp_set_membership, uv_udp_set_source_membership.
---@param group string numeric
---@param interface? string an address of it; for IPv6 "::%eth0" will do; nil: the system's choice
---@param source? string numeric: only what comes from there
function neap.Datagram:join(group, interface, source) end

---Leaves a group, with what it was joined with.
---
---Raises: as `join`; EADDRNOTAVAIL when it is no member.
---Suspends: no. libuv: uv_udp_set_membership.
---@param group string
---@param interface? string
---@param source? string
function neap.Datagram:leave(group, interface, source) end

---May it send to broadcast addresses?
---Suspends: no. libuv: uv_udp_set_broadcast.
---@param on boolean
function neap.Datagram:set_broadcast(on) end

---Suspends: no. libuv: uv_udp_set_ttl.
---@param hops integer 1 to 255
function neap.Datagram:set_ttl(hops) end

---Suspends: no. libuv: uv_udp_set_multicast_ttl.
---@param hops integer 0 to 255
function neap.Datagram:set_multicast_ttl(hops) end

---Does this machine hear what it sends to groups?
---Suspends: no. libuv: uv_udp_set_multicast_loop.
---@param on boolean
function neap.Datagram:set_multicast_loop(on) end

---The interface over which it sends to groups.
---Suspends: no. libuv: uv_udp_set_multicast_interface.
---@param interface? string an address of it; nil: the system's choice
function neap.Datagram:set_multicast_interface(interface) end
