/* SPDX-License-Identifier: MIT
 * Context variables (PEP 567). A map is a table that is never changed once shared: setting a
 * variable makes a new one, so that a copy of a context is a reference. What is current is a map, a
 * Context object that holds one, or nothing: the empty context. */
#ifndef NEAP_KERNEL_CONTEXT_H
#define NEAP_KERNEL_CONTEXT_H

#include "kernel/object.h"

extern const Type context_type, context_var_type, context_token_type;

bool context_push(lua_State *L, Core *core);  /* the current map for somebody who copies it; false: empty, nothing pushed */
/* Outside tasks, never raising: what is at the top is current from now on, and is replaced by what was. */
void context_enter(lua_State *L, Core *core);
void context_leave(lua_State *L, Core *core); /* pops what is current again */
void context_new_of_map(lua_State *L);         /* the map or nil at the top becomes a Context */
void context_open(lua_State *L, Core *core);

extern const luaL_Reg context_functions[]; /* copy_context */

#endif
