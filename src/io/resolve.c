/* SPDX-License-Identifier: MIT */
#include "io/resolve.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "kernel/fail.h"

struct Resolve {
  uv_getaddrinfo_t request;
  Core *core;
  Handles *handles; /* held */
  Task *task;       /* borrowed: it waits */
  Addresses *owner; /* borrowed; NULL: nobody wants the answer any more */
};

Addresses *addresses_new(lua_State *L) { return object_new(L, &addresses_type, sizeof(Addresses), 0); }

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  Resolve *resolve = container_of(request, Resolve, request);
  Addresses *owner = resolve->owner;
  if (owner) {
    owner->pending = NULL;
    owner->status = status;
    owner->list = owner->next = status == 0 ? list : NULL;
    if (wait_pending(resolve->task)) wait_post(resolve->core, resolve->task);
  } else if (list) {
    uv_freeaddrinfo(list);
  }
  handles_release(resolve->handles);
  memory_delete(resolve);
}

void resolve_ask(lua_State *L, Core *core, Task *task, Addresses *addresses, const char *host, const char *service,
                 const struct addrinfo *hints) {
  Resolve *block = memory_new(sizeof *block);
  if (!block) luaL_error(L, "not enough memory");
  block->core = core;
  block->task = task;
  block->owner = addresses;
  int status = uv_getaddrinfo(core->loop, &block->request, on_resolved, host, service, hints);
  if (status < 0) {
    memory_delete(block);
    raise_unresolved(L, status, host);
  }
  handles_hold(block->handles = core->handles);
  addresses->pending = block;
  task->wait.u.on = addresses;
}

bool resolve(lua_State *L, Core *core, Task *task, Addresses *addresses, const char *host, int port, int family, bool passive) {
  char service[16];
  if (host && address_parse(&addresses->numeric, host, port) &&
      (family == 0 || family == addresses->numeric.any.sa_family))
    return addresses->numeric_left = true;
  struct addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  snprintf(service, sizeof service, "%d", port);
  resolve_ask(L, core, task, addresses, host, service, &hints);
  return false;
}

int raise_unresolved(lua_State *L, int status, const char *host) {
  return fail_raise_uv(L, status, host ? lua_pushfstring(L, "resolve %s", host) : "resolve");
}

static void drop(Addresses *addresses) {
  Resolve *pending = addresses->pending;
  if (!pending) return;
  addresses->pending = NULL;
  pending->owner = NULL;
  uv_cancel((uv_req_t *)&pending->request); /* if a thread is at it already, its answer is dropped */
}

bool abort_resolve(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_abort(core, task, L, message)) return false;
  drop(task->wait.u.on);
  return true;
}

bool addresses_next(Addresses *addresses, Address *address) {
  if (addresses->numeric_left) {
    addresses->numeric_left = false;
    *address = addresses->numeric;
    return true;
  }
  while (addresses->next) {
    struct addrinfo *next = addresses->next;
    addresses->next = next->ai_next;
    if (address_copy(address, next->ai_addr)) return true;
  }
  return false;
}

size_t addresses_count(const Addresses *addresses) {
  size_t n = addresses->numeric_left ? 1 : 0;
  for (const struct addrinfo *next = addresses->next; next; next = next->ai_next) n++;
  return n;
}

static int addresses_gc(lua_State *L) {
  Addresses *addresses = lua_touserdata(L, 1);
  drop(addresses);
  if (addresses->list) uv_freeaddrinfo(addresses->list);
  addresses->list = addresses->next = NULL;
  return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", addresses_gc}, {NULL, NULL}};
const Type addresses_type = {.name = "neap.Addresses", .metamethods = metamethods};
