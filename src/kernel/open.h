/* SPDX-License-Identifier: MIT
 * Makes the core of a state, once: luv, libuv's table, the handles, the kernel's classes. */
#ifndef NEAP_KERNEL_OPEN_H
#define NEAP_KERNEL_OPEN_H

#include "kernel/core.h"
#include "neap.h"

/* The module table is at the top, and stays; the kernel's functions and classes are set in it. */
Core *kernel_open(lua_State *L, const neap_api *api);
Core *core_find(lua_State *L); /* of this state; NULL: none yet */

#endif
