/* SPDX-License-Identifier: MIT
 * Tracebacks that go on through awaits: the stack of the task that failed, then that of the task
 * that awaited it, and so on. Taken where the error is raised, by the message handler of the body. */
#ifndef NEAP_KERNEL_TRACE_H
#define NEAP_KERNEL_TRACE_H

#include "kernel/core.h"

void trace_open(lua_State *L, Core *core);
int trace_on_error(lua_State *L);                  /* message handler of task bodies; upvalue 1: the core */
int trace_on_callback_error(lua_State *L);         /* of callbacks: error -> {exception, traceback} */
void trace_rethrow(lua_State *L, Core *core);      /* error, trace: pops the trace and remembers both */
int trace_throw(lua_State *L, Core *core);         /* raises what core_throw kept */
bool trace_push(lua_State *L, Core *core, int error); /* the trace remembered for this error */
void trace_where(lua_State *L, lua_State *of, int level); /* pushes "file:line" of the first Lua frame, or "?" */

extern const luaL_Reg trace_functions[];

#endif
