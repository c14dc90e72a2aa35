/* SPDX-License-Identifier: MIT
 * What every task waits for, in words. */
#ifndef NEAP_KERNEL_DEADLOCK_H
#define NEAP_KERNEL_DEADLOCK_H

#include "kernel/task.h"

void wait_describe(lua_State *L, Core *core, Task *task); /* pushes "neap.Queue:get of ..., at x.lua:3" */
int deadlock_raise(lua_State *L, Core *core, const char *why); /* a DeadlockError that names all waiting tasks */

#endif
