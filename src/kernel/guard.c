/* SPDX-License-Identifier: MIT */
#include "kernel/guard.h"

#include <string.h>

#include "kernel/fail.h"
#include "kernel/task.h"

/* Is the function at the bottom of the coroutine's stack a task's? */
static bool of_task(lua_State *co) {
  lua_Debug bottom, frame;
  int level = 0;
  while (lua_getstack(co, level, &frame)) bottom = frame, level++;
  if (level == 0 || !lua_checkstack(co, 1)) return false;
  lua_getinfo(co, "f", &bottom);
  bool is = lua_tocfunction(co, -1) == task_body;
  lua_pop(co, 1);
  return is;
}

/* coroutine.close(co); upvalue 1: Lua's own */
static int guarded_close(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co && lua_status(co) == LUA_YIELD && of_task(co))
    return luaL_error(L, "cannot close the coroutine of a task: cancel the task");
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  return lua_gettop(L);
}

/* Lua 5.4.4 and later tell so, in coroutines too: all options of lua_gc are invalid then. */
bool guard_in_finalizer(lua_State *L) {
  int running = lua_gc(L, LUA_GCISRUNNING);
  if (running != 0) return running < 0;
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "n", &frame);
    if (frame.name && strcmp(frame.namewhat, "metamethod") == 0 && strcmp(frame.name, "__gc") == 0) return true;
  }
  return false;
}

void guard_finalizer(lua_State *L, const char *what) {
  if (guard_in_finalizer(L)) fail_raise(L, FAIL_RUNTIME, "%s inside a finalizer (__gc)", what);
}

void guard_open(lua_State *L) {
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE && lua_getfield(L, -1, "close") == LUA_TFUNCTION &&
      lua_tocfunction(L, -1) != guarded_close) {
    lua_pushcclosure(L, guarded_close, 1);
    lua_setfield(L, -2, "close");
  }
  lua_settop(L, top);
}
