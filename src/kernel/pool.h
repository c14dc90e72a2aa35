/* SPDX-License-Identifier: MIT
 * Coroutines of ended tasks, kept for the next ones: making one costs three times a reuse. */
#ifndef NEAP_KERNEL_POOL_H
#define NEAP_KERNEL_POOL_H

#include "kernel/core.h"

/* What the service thread's stack holds. */
enum {
  SERVICE_ANCHORS = 1,
  SERVICE_BODY,
  SERVICE_HANDLER,
  SERVICE_AWAIT,
  SERVICE_BAD_YIELD,
  SERVICE_NO_MEMORY,
  SERVICE_FUTURE, /* metatables */
  SERVICE_TASK,
  SERVICE_CORO,
  SERVICE_CORO_DEBUG,
  SERVICE_CALLBACK,
  SERVICE_SCOPE,
  SERVICE_WAIT_FOR,
  SERVICE_TOP = SERVICE_WAIT_FOR
};

void pool_open(lua_State *L, Core *core, lua_CFunction body, lua_CFunction handler, lua_CFunction await);
void pool_fill(lua_State *L, Core *core);                       /* one more, or raises */
void pool_give(Core *core, lua_State *co, uint32_t slot);       /* ended well; the slot holds it */
void pool_push_bad_yield(Core *core, lua_State *co);            /* the error text; does not allocate */
#endif
