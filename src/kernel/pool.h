/* SPDX-License-Identifier: MIT
 * Coroutines of ended tasks, kept for the next ones: making one costs three times a reuse. */
#ifndef NEAP_KERNEL_POOL_H
#define NEAP_KERNEL_POOL_H

#include "kernel/core.h"

enum { SERVICE_ANCHORS = 1, SERVICE_BODY, SERVICE_HANDLER, SERVICE_BAD_YIELD, SERVICE_TOP = SERVICE_BAD_YIELD };

void pool_open(lua_State *L, Core *core, lua_CFunction body, lua_CFunction handler);
lua_State *pool_take(lua_State *L, Core *core, uint32_t *slot); /* pushes it too; it is anchored in the slot */
void pool_give(Core *core, lua_State *co, uint32_t slot);       /* ended well; the slot holds it */
void pool_push_bad_yield(Core *core, lua_State *co);            /* the error text; does not allocate */
void pool_prepare(Core *core, lua_State *co);                   /* pushes body and handler */

#endif
