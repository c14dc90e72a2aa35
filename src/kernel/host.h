/* SPDX-License-Identifier: MIT
 * What a host does with the loop by itself: turns it, asks when to come again, forks, closes. */
#ifndef NEAP_KERNEL_HOST_H
#define NEAP_KERNEL_HOST_H

#include "kernel/core.h"

bool host_turn(lua_State *L, Core *core, double seconds);
int host_timeout(Core *core);
int host_after_fork(Core *core);
void host_close(lua_State *L, Core *core, void (*close_io)(lua_State *L, Core *core));

void fork_watch(void); /* from now on forks are counted */
unsigned fork_count(void);
void fork_check(lua_State *L, const Core *core); /* raises in a child that did not call after_fork */

extern const luaL_Reg host_functions[];

#endif
