/* SPDX-License-Identifier: MIT
 * run, Runner and await outside tasks: entering the loop until something is done. */
#ifndef NEAP_KERNEL_RUN_H
#define NEAP_KERNEL_RUN_H

#include "kernel/task.h"

extern const luaL_Reg run_functions[];
extern const Type runner_type;

bool run_active(const Core *core);             /* is the loop running, by us or by uv.run? */
int run_function(lua_State *L);                /* run() of a function and its arguments; upvalue 1: the core */
int run_end(lua_State *L, Core *core);         /* ends all tasks, as Runner:close() */
int run_await(lua_State *L, Core *core);       /* awaits the value at index 1 from outside any task */

#endif
