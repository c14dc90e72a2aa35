/* SPDX-License-Identifier: MIT
 * How the watchdog's thread gets at a step: SIGURG to the thread that runs it, whose handler arms a Lua hook. */
#ifndef NEAP_KERNEL_ALARM_H
#define NEAP_KERNEL_ALARM_H

#include <stdbool.h>

#include "kernel/core.h"

/* The handler is ours from now on, and calls who had the signal before. Again before every use, as others may
 * have put theirs in its place. */
bool alarm_take_signal(void);

enum { COROUTINES_DEEP = 200 }; /* Lua nests no more */

/* In a signal handler, of a thread that has stood in one C function for long: the coroutine that this one resumes;
 * NULL if it is none of what the function holds. */
lua_State *alarm_resumed(lua_State *L);

#endif
