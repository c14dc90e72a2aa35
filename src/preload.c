/* SPDX-License-Identifier: MIT
 * What only the library for embedding has: neap's modules in package.preload. It is no part of neap/core.so. */
#include "preload.h"

#include <lauxlib.h>

#include "neap_static.h"

/* the results of a script, called with what require gives; upvalue 1: the script */
static int load_script(lua_State *L) {
  const Script *script = lua_touserdata(L, lua_upvalueindex(1));
  int n = lua_gettop(L);
  if (luaL_loadbufferx(L, script->text, script->size, script->chunk, "t") != LUA_OK) return lua_error(L);
  lua_insert(L, 1);
  lua_call(L, n, 1);
  return 1;
}

__attribute__((visibility("default"))) void neap_preload(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const Script *script = preload_scripts; script->module; script++) {
    lua_pushlightuserdata(L, (void *)script);
    lua_pushcclosure(L, load_script, 1);
    lua_setfield(L, -2, script->module);
  }
  lua_pushcfunction(L, luaopen_neap_core);
  lua_setfield(L, -2, "neap.core");
  lua_pop(L, 1);
}
