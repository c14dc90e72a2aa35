/* SPDX-License-Identifier: MIT
 * Debug mode: what it watches besides coroutine objects (coroutine.c) and streams. */
#ifndef NEAP_KERNEL_DEBUG_H
#define NEAP_KERNEL_DEBUG_H

#include "kernel/task.h"

void debug_note_delivery(lua_State *L, Core *core, Task *task);    /* a CancelledError is about to be raised */
void debug_report_swallowed(lua_State *L, Core *core, Task *task); /* the task, at index 1, ended as if nothing was */
void debug_check_step(Core *core, Task *task);                     /* was the step that ended too long? */

#endif
