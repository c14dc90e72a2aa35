/* SPDX-License-Identifier: MIT */
#include "io/secure.h"

#include "kernel/compat.h"

static bool wanted(lua_State *L) {
  if (lua_type(L, -1) != LUA_TTABLE) return false;
  lua_getfield(L, -1, "tls");
  bool is = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

bool secure(lua_State *L, const char *name) {
  if (!wanted(L)) return false;
  int n = lua_gettop(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "neap.tls.streams");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, name);
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  lua_call(L, n, 1);
  return true;
}
