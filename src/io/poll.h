/* SPDX-License-Identifier: MIT
 * Waiting for descriptors that other libraries own. */
#ifndef NEAP_IO_POLL_H
#define NEAP_IO_POLL_H

#include "io/io.h"
#include "kernel/task.h"

/* Parks the current task until the descriptor is ready: see neap_wait_fd. */
int poll_park(lua_State *L, Core *core, int fd, int events, lua_KFunction k, lua_KContext context);
void polls_close(Io *io); /* nobody waits any more */

extern const luaL_Reg poll_functions[];

#endif
