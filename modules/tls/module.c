/* SPDX-License-Identifier: MIT
 * The module neap.tls.core: what is in it is for neap.tls and neap.tls.streams, which Lua code uses. */
#include "tls.h"

const char tls_shared_key = 0, tls_classes_key = 0;

static int shared_gc(lua_State *L) {
  Shared **box = lua_touserdata(L, 1);
  shared_release(*box);
  *box = NULL;
  return 0;
}

static void shared_open(lua_State *L) {
  Shared **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, shared_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  *box = shared_new();
  if (!*box) luaL_error(L, "not enough memory");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tls_shared_key);
}

int luaopen_neap_tls_core(lua_State *L);

__attribute__((visibility("default"))) int luaopen_neap_tls_core(lua_State *L) {
  if (neap_open(L, NULL) != LUA_OK) return lua_error(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tls_classes_key); /* neap_open pushed the module */
  lua_settop(L, 0);
  if (!OPENSSL_init_ssl(0, NULL)) return luaL_error(L, "OpenSSL cannot be initialised");
  shared_open(L);
  context_open(L);
  handshake_open(L);
  info_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, context_functions, 0);
  luaL_setfuncs(L, handshake_functions, 0);
  luaL_setfuncs(L, info_functions, 0);
  return 1;
}
