/* SPDX-License-Identifier: MIT
 * await, async and what is awaitable: coroutine objects (run in place, once), futures and tasks,
 * operations, plain functions, values with __await, and sleeps. */
#ifndef NEAP_KERNEL_AWAIT_H
#define NEAP_KERNEL_AWAIT_H

#include "kernel/op.h"

extern const luaL_Reg await_functions[];

/* Awaits the value at index 1, alone on the stack, and returns its results: what await() does. */
int await_value(lua_State *L, Core *core);

int await_function(lua_State *L); /* ... = await(awaitable); upvalue 1: the core */
void await_push_function(lua_State *L, Core *core);

bool awaitable(lua_State *L, int index);
void check_awaitable(lua_State *L, int arg);

/* A future for the awaitable at `index`: itself, or a new task. Pushes it. */
Future *ensure_future(lua_State *L, Core *core, int index);

/* On the service thread, pushes a function that runs the awaitable at `index`, and its arguments; returns
 * their number, -1 without memory. Never raises. */
int await_unpack(Core *core, int index);

#endif
