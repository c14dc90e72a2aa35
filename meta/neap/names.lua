---@meta
-- Names of hosts and services.

---@class neap
local neap = {}

---@class neap.AddressOptions
---@field family? "inet"|"inet6" (both)
---@field type? "stream"|"dgram"|"raw" (each)
---@field proto? "tcp"|"udp"|"icmp"|"icmpv6" (each)
---@field flags? neap.AddressFlag|neap.AddressFlag[]

---@alias neap.AddressFlag "passive"|"canonname"|"numerichost"|"numericserv"|"addrconfig"|"v4mapped"|"all"

---@class neap.AddressInfo: neap.Address
---@field type "stream"|"dgram"|"raw"|integer
---@field proto "tcp"|"udp"|"icmp"|"icmpv6"|integer
---@field canonname string? of the first, with the flag "canonname"

---The addresses of a host, in the order in which they are to be tried (RFC 6724). Runs on libuv's threads, of
---which names get at most half.
---
---Raises: an argument error for what is no host, port or option. (When awaited:) ResolveError.
---Suspends: awaiting it does.
---Cancellation: the request is withdrawn, or its answer dropped.
---asyncio: loop.getaddrinfo. Different: tables, and words for constants.
---@param host string? a name or a numeric address; nil: this machine
---@param port integer|string|nil 0 to 65535, or the name of a service
---@param options? neap.AddressOptions
---@return neap.Operation awaiting it gives neap.AddressInfo[]
function neap.getaddrinfo(host, port, options) end

---@alias neap.NameFlag "numerichost"|"numericserv"|"namereqd"|"nofqdn"|"dgram"

---The names of an address and its port; numbers where there is no name.
---
---Raises: an argument error for what is no numeric address or no flag. (When awaited:) ResolveError, with
---"namereqd" also when there is no name.
---Suspends: awaiting it does.
---Cancellation: the request is withdrawn, or its answer dropped.
---asyncio: loop.getnameinfo. Different: two results.
---@param address neap.Address|{ip: string, port: integer?}|[string, integer?]
---@param flags? neap.NameFlag|neap.NameFlag[]
---@return neap.Operation awaiting it gives string, string: the host and the service
function neap.getnameinfo(address, flags) end
