/* SPDX-License-Identifier: MIT */
#include "combine/members.h"

#include <limits.h>
#include <math.h>

void watch_future(Core *core, Watch *watch, Future *future, void *owner, JobFn run) {
  watch->job.run = run;
  watch->future = future;
  watch->owner = owner;
  if (future_done(future))
    job_post(core, &watch->job);
  else
    list_append(&future->u.callbacks, &watch->job.link);
}

void members_check(lua_State *L, int first, int n, int list, bool futures) {
  for (int i = 0; i < n; i++) {
    int at = first + i;
    if (futures ? future_test(L, at) != NULL : awaitable(L, at)) continue;
    const char *expected = futures ? "future or task" : "awaitable";
    if (!list) argument_error(L, at, expected);
    luaL_argerror(L, list, lua_pushfstring(L, "element %d: %s expected, got %s", i + 1, expected, type_name(L, at)));
  }
}

void members_check_one(lua_State *L, int at, int list, int i) {
  if (awaitable(L, at)) return;
  const char *got = type_name(L, at);
  if (list) luaL_argerror(L, list, lua_pushfstring(L, "element %d: awaitable expected, got %s", i, got));
  luaL_argerror(L, i, lua_pushfstring(L, "awaitable expected, got %s", got));
}

int members_count(lua_State *L, int index) {
  int integral = 0;
  lua_Integer n = lua_getfield(L, index, "n") == LUA_TNUMBER ? lua_tointegerx(L, -1, &integral) : 0;
  if (!integral) n = luaL_len(L, index);
  lua_pop(L, 1);
  luaL_argcheck(L, n >= 0 && n < INT_MAX / 64, index, "list too long");
  return (int)n;
}

int members_push(lua_State *L, int index) {
  int n = members_count(L, index);
  luaL_argcheck(L, n < LUAI_MAXSTACK - 1000, index, "list too long");
  luaL_checkstack(L, n + LUA_MINSTACK, "list too long");
  for (int i = 1; i <= n; i++) lua_geti(L, index, i);
  return n;
}

bool members_is_list(lua_State *L, int index) {
  if (!lua_istable(L, index)) return false;
  if (luaL_getmetafield(L, index, "__await") == LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

double members_timeout(lua_State *L, int index) {
  double seconds = NAN;
  if (lua_getfield(L, index, "timeout") != LUA_TNIL) {
    seconds = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(seconds))
      luaL_argerror(L, index, "field 'timeout': finite number of seconds expected");
  }
  lua_pop(L, 1);
  return seconds;
}
