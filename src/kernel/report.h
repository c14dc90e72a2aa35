/* SPDX-License-Identifier: MIT
 * What nobody catches goes to the exception handler: errors in callbacks, errors that nobody looked
 * at, what debug mode has to say. Nothing is printed but by the default handler. */
#ifndef NEAP_KERNEL_REPORT_H
#define NEAP_KERNEL_REPORT_H

#include "kernel/future.h"

extern const Type failure_type;
extern const luaL_Reg report_functions[]; /* set_exception_handler and its like */

/* Calls the handler with {message =, ...}: the table at the top, which is popped. Raises nothing. */
void report(lua_State *L, Core *core);
void report_text(lua_State *L, Core *core, const char *format, ...); /* a message only; printf's format; raises nothing */
void report_orphans(lua_State *L, Core *core);  /* failed futures that were collected unseen */
void report_failures(lua_State *L, Core *core); /* and all others: the loop ends */
int handler_copy(lua_State *L, Core *core);     /* another reference of the exception handler, or LUA_NOREF */
void failure_remember(lua_State *L, const Failure *failure); /* the one at the top, which stays */
void failure_describe(lua_State *L, int index, Future *future); /* pushes "task Task-3", ... */

#endif
