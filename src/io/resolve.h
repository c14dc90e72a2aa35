/* SPDX-License-Identifier: MIT
 * From a host and a port to addresses: at once for a numeric host, else by getaddrinfo on libuv's
 * threads. Addresses is the userdata that owns the list and, while it is made, the request. */
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
 * refuses. host NULL: any address, passive. */
bool resolve(lua_State *L, Core *core, Task *task, Addresses *addresses, const char *host, int port, bool passive);
bool abort_resolve(Core *core, Task *task, lua_State *L, int message);

/* The next address, false at the end. */
bool addresses_next(Addresses *addresses, Address *address);

#endif
