/* SPDX-License-Identifier: MIT
 * Callbacks: Lua functions that the loop calls (call_soon, call_later, done callbacks). Anchored
 * from creation until they ran or were cancelled. */
#ifndef NEAP_KERNEL_CALLBACK_H
#define NEAP_KERNEL_CALLBACK_H

#include "kernel/object.h"

typedef struct {
  Head head; /* user values: the function, its arguments, and the context last */
  Timer timer;
  double when; /* seconds; NaN: soon */
  uint32_t anchor;
  uint16_t count; /* of arguments */
  bool cancelled;
  bool context; /* has one, as the last user value */
  bool spent; /* called or cancelled */
} Callback;

extern const Type callback_type;

/* The function at `first` and the values above it become a Callback, left at the top; its job is to
 * be posted or armed by the caller, at once. */
Callback *callback_new(lua_State *L, Core *core, int first);
bool callback_calls(lua_State *L, Core *core, Link *link, int function); /* is it a Callback of this function? */
void callback_drop(Core *core, Link *link);
void insist_later(lua_State *L, Core *core, int task, double seconds);

extern const luaL_Reg callback_functions[]; /* call_soon, call_later, call_at, call_soon_threadsafe */

#endif
