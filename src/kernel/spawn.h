/* SPDX-License-Identifier: MIT
 * create_task and the methods of tasks: the Lua face of task.c. */
#ifndef NEAP_KERNEL_SPAWN_H
#define NEAP_KERNEL_SPAWN_H

#include "kernel/task.h"

extern const luaL_Reg spawn_functions[]; /* create_task, current_task, all_tasks, is */

typedef struct {
  int options; /* for task_new: where they are, 0 if it has to know none */
  bool eager;
} Spawn;

/* An awaitable and options {name =, context =, eager_start =, slice =}, or nil; raises if they are not good. */
Spawn spawn_check(lua_State *L, int index, int options);
void spawn_discard(lua_State *L, int index); /* an awaitable that will not be used */

#endif
