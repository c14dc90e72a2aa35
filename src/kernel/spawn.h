/* SPDX-License-Identifier: MIT
 * create_task and the methods of tasks: the Lua face of task.c. */
#ifndef NEAP_KERNEL_SPAWN_H
#define NEAP_KERNEL_SPAWN_H

#include "kernel/task.h"

extern const luaL_Reg spawn_functions[]; /* create_task, current_task, all_tasks, is */

/* Options are {name =, context =, eager_start =} at `options`, or nil. Checks raise first. */
void spawn_check(lua_State *L, int index, int options);
void spawn_discard(lua_State *L, int index); /* an awaitable that will not be used */

/* Makes a task of the checked awaitable at `index`, leaves it at the top; task_start is to follow. */
Task *spawn_new(lua_State *L, Core *core, int index, int options, bool *eager);

#endif
