/* SPDX-License-Identifier: MIT
 * What Lua code must not do to the coroutines of tasks, and in finalizers. */
#ifndef NEAP_KERNEL_GUARD_H
#define NEAP_KERNEL_GUARD_H

#include "kernel/core.h"

/* coroutine.close refuses the coroutine of a task: what the task waits on, and maybe only its stack keeps alive,
 * knows it. (coroutine.resume of one does nothing: see WAIT_MINE.) */
void guard_open(lua_State *L);

bool guard_in_finalizer(lua_State *L);

/* Raises if L runs a finalizer: nothing may wait there. */
void guard_finalizer(lua_State *L, const char *what);

#endif
