/* SPDX-License-Identifier: MIT */
#include "kernel/deadlock.h"

#include "kernel/await.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

enum { TASKS_NAMED = 50 };

void wait_describe(lua_State *L, Core *core, Task *task) {
  UNUSED(core);
  luaL_checkstack(L, 8, NULL);
  if (!task->started || !task->parked) {
    lua_pushstring(L, task->started ? "its turn" : "its first step");
    return;
  }
  lua_State *at = wait_thread(task);
  lua_pushvalue(at, 1); /* what await was called with */
  lua_xmove(at, L, 1);
  Op *op = object_test(L, -1, &op_type);
  if (op) {
    lua_getiuservalue(L, -1, 1);
    if (lua_type(L, -1) == LUA_TUSERDATA)
      lua_pushfstring(L, "%s of %s", op->what, luaL_tolstring(L, -1, NULL));
    else
      lua_pushstring(L, op->what);
  } else if (lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
    lua_pushliteral(L, "neap.sleep");
  } else {
    luaL_tolstring(L, -1, NULL);
  }
  trace_where(L, at, 0);
  lua_pushfstring(L, "%s, at %s", lua_tostring(L, -2), lua_tostring(L, -1));
}

int deadlock_raise(lua_State *L, Core *core, const char *why) {
  int top = lua_gettop(L), named = 0;
  lua_pushfstring(L, "deadlock: %s", why);
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL && named < TASKS_NAMED; named++) {
    int base = lua_gettop(L);
    task_push(L, core, task);
    task_push_name(L, -1, task);
    const char *name = lua_tostring(L, -1);
    wait_describe(L, core, task);
    lua_pushfstring(L, "\n  task %s waits for %s", name, lua_tostring(L, -1));
    lua_replace(L, base + 1);
    lua_settop(L, base + 1);
    lua_concat(L, 2);
  }
  if (named == 0) lua_pushliteral(L, " what is awaited cannot be completed by anybody"), lua_concat(L, 2);
  if (core->live > (uint32_t)named) {
    lua_pushfstring(L, "\n  and %d more", (int)core->live - named);
    lua_concat(L, 2);
  }
  fail_push(L, FAIL_DEADLOCK, lua_tostring(L, -1));
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_error(L);
}
