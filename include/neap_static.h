/* SPDX-License-Identifier: MIT
 *
 * neap compiled into a program, or linked as a library (libneap.a, libneap.so, neap.c): no file of it is
 * looked for when the program runs. luv is not in it: it comes by require, or from the program as well:
 *
 *   lua_State *L = luaL_newstate();
 *   luaL_openlibs(L);
 *   luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
 *   lua_pushcfunction(L, luaopen_luv);      only where luv is linked in too
 *   lua_setfield(L, -2, "luv");
 *   lua_pop(L, 1);
 *   neap_preload(L);
 *   if (neap_open(L, NULL) != LUA_OK) die(lua_tostring(L, -1));
 *
 * From there on everything is as neap.h tells. This build links libuv by name; luv must use the same copy
 * of it, and neap refuses to open when it does not. These two functions are all that the library exports. */
#ifndef NEAP_STATIC_H
#define NEAP_STATIC_H

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

/* neap_preload: [-0, +0]
 *
 * Puts neap, neap.core and every neap.* module written in Lua into package.preload, where `require` and
 * neap_open find them before they look at files. It loads nothing yet. To be called once a state, after the
 * package library was opened, where a Lua error may be raised: for want of memory only. */
void neap_preload(lua_State *L);

/* The C part alone, as `require "neap.core"` opens it. Programs have no need to call it. */
int luaopen_neap_core(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
