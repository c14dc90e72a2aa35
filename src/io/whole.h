/* SPDX-License-Identifier: MIT
 * Reading a whole file. One job on libuv's thread pool in the place of the four requests that opening,
 * asking for the size, reading and closing are: for a small file the pool costs more than the file. */
#ifndef NEAP_IO_WHOLE_H
#define NEAP_IO_WHOLE_H

#include "kernel/core.h"

/* Makes the module neap.core.files, which the scripts require: {read = function}. */
void whole_open(lua_State *L, Core *core);

#endif
