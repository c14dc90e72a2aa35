/* SPDX-License-Identifier: MIT
 * Signals of the process: handlers that are called, and tasks that wait. */
#ifndef NEAP_IO_SIGNAL_H
#define NEAP_IO_SIGNAL_H

#include "io/io.h"
#include "kernel/object.h"

extern const Type signals_type;
extern const luaL_Reg signal_functions[];

void signals_end(Io *io); /* what was there before each of them comes back */

/* The number of the signal at `arg`: a number, or a name with or without SIG; one that can be caught. */
int check_signal(lua_State *L, int arg);

#endif
