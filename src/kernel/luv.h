/* SPDX-License-Identifier: MIT
 * luv: finding its loop and its libuv, and stepping around its traps, each of which was reproduced
 * with Debian's luv 1.44.2 (2026-11). */
#ifndef NEAP_KERNEL_LUV_H
#define NEAP_KERNEL_LUV_H

#include "kernel/core.h"

/* Requires luv, fills the table of libuv's functions and leaves luv's module table on the stack. */
LuvContext *luv_open(lua_State *L);

/* Errors in luv's callbacks go to the exception handler (luv would exit the process), uv.walk skips
 * our handles. The module table and the core are at the top; pops the core. */
void luv_tame(lua_State *L, Core *core);

#endif
