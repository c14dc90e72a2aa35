/* SPDX-License-Identifier: MIT
 * create_task and the methods of tasks: the Lua face of task.c. */
#ifndef NEAP_KERNEL_SPAWN_H
#define NEAP_KERNEL_SPAWN_H

#include "kernel/task.h"

extern const luaL_Reg spawn_functions[]; /* create_task, current_task, all_tasks, is */

/* Options of create_task: {name =, context =, eager_start =} at `options` (nil or none: no options). */
void spawn_check_options(lua_State *L, int options);
/* Makes a task of the awaitable at `index`; leaves it at the top. */
Task *spawn_task(lua_State *L, Core *core, int index, int options);

#endif
