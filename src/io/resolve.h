/* SPDX-License-Identifier: MIT
 * From a host and a port to addresses: at once for a numeric host, else by getaddrinfo on libuv's
 * threads. Addresses is the userdata that owns the list and, while it is made, the request.
 *
 * There is no limit of our own on how many names are resolved at once: libuv (1.44 to 1.52) takes getaddrinfo and
 * getnameinfo for slow work, keeps them in a queue of their own and gives them at most half of its threads,
 * rounded up, over all loops of the process. Of the usual four, two are always free for files; with
 * UV_THREADPOOL_SIZE=1 there is none. A request in that queue is withdrawn when its task is cancelled. */
#ifndef NEAP_IO_RESOLVE_H
#define NEAP_IO_RESOLVE_H

#include "io/address.h"
#include "kernel/task.h"

typedef struct Resolve Resolve;

typedef struct {
  Head head;
  Resolve *pending;      /* block, while getaddrinfo runs; freed in its callback */
  struct addrinfo *list; /* libuv's */
  struct addrinfo *next; /* borrowed, of the list */
  Address numeric;
  bool numeric_left;
  int status; /* of getaddrinfo */
} Addresses;

extern const Type addresses_type;

/* Pushes an empty list. */
Addresses *addresses_new(lua_State *L);

/* Fills it: true at once, false when the task must park with abort_resolve; raises what libuv
 * refuses. host NULL: any address. family: AF_INET, AF_INET6 or 0. */
bool resolve(lua_State *L, Core *core, Task *task, Addresses *addresses, const char *host, int port, int family, bool passive);

/* Asks getaddrinfo: the task must park with abort_resolve. host or service may be NULL. */
void resolve_ask(lua_State *L, Core *core, Task *task, Addresses *addresses, const char *host, const char *service,
                 const struct addrinfo *hints);
bool abort_resolve(Core *core, Task *task, lua_State *L, int message);
int raise_unresolved(lua_State *L, int status, const char *host); /* host NULL: the service */

/* The next address, false at the end. */
bool addresses_next(Addresses *addresses, Address *address);
size_t addresses_count(const Addresses *addresses); /* of those that are left, at most */

#endif
