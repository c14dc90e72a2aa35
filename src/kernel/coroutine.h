/* SPDX-License-Identifier: MIT
 * Coroutine objects: a function and arguments to be called, once, by whoever awaits them. */
#ifndef NEAP_KERNEL_COROUTINE_H
#define NEAP_KERNEL_COROUTINE_H

#include "kernel/object.h"

typedef struct {
  Head head;      /* user values: the function, its arguments, in debug mode where it was made */
  uint16_t count; /* of arguments */
  bool used;
} Coro;

extern const Type coro_type, coro_debug_type;

int async_function(lua_State *L);                      /* async function = async(fn) */
void async_push(lua_State *L, Core *core);             /* the function at the top becomes an async function */
void coro_take(lua_State *L, Head *head);              /* if it is a coroutine object: it is used now, or raises */
void coro_discard(lua_State *L, int index);            /* it will not be awaited */
void coro_pack(lua_State *L, Core *core, int first);   /* a function and arguments become a coroutine object */

/* Pushes the function and the arguments of the coroutine object at `index`; returns their number, -1
 * without memory. Never raises. */
int coro_unpack(lua_State *service, int index, const Coro *coro);

int k_call(lua_State *L, int status, lua_KContext context); /* results above index 1 */

#endif
