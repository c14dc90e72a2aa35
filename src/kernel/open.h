/* SPDX-License-Identifier: MIT
 * Makes the core of a state, once: luv, libuv's table, the handles, the kernel's classes. */
#ifndef NEAP_KERNEL_OPEN_H
#define NEAP_KERNEL_OPEN_H

#include "kernel/core.h"

/* The module table is at the top, and stays; the kernel's functions and classes are set in it. */
Core *kernel_open(lua_State *L);

#endif
