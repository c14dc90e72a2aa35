/* SPDX-License-Identifier: MIT
 * The options of run() and Runner. */
#include <string.h>

#include "kernel/run.h"
#include "kernel/stack.h"
#include "kernel/watchdog.h"

enum {
  GRACE = 10,          /* seconds a task may take to end when run() does, before cancellation repeats */
  DEBUG_STEP_LIMIT = 1 /* second, in debug mode */
};

RunOptions run_defaults(const Core *core) {
  return (RunOptions){GRACE, CLOCK_REAL, core->debug, STACK_USUAL, core->debug ? deadline_at(DEBUG_STEP_LIMIT) : 0, false};
}

RunOptions run_options(lua_State *L, Core *core, int arg) {
  RunOptions o = run_defaults(core);
  if (lua_isnoneornil(L, arg)) return o;
  check_fields(L, arg, "clock debug stack_size step_limit shutdown_grace");
  if (lua_getfield(L, arg, "clock") != LUA_TNIL) {
    const char *clock = lua_tostring(L, -1);
    if (clock && strcmp(clock, "virtual") == 0)
      o.clock = CLOCK_VIRTUAL;
    else if (!clock || strcmp(clock, "real") != 0)
      luaL_argerror(L, arg, "field 'clock': \"real\" or \"virtual\" expected");
  }
  if (lua_getfield(L, arg, "debug") != LUA_TNIL) o.debug = lua_toboolean(L, -1);
  o.step_limit = o.debug ? deadline_at(DEBUG_STEP_LIMIT) : 0;
  if (lua_getfield(L, arg, "step_limit") != LUA_TNIL) {
    double limit = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(limit > 0 && limit < 1e9))
      luaL_argerror(L, arg, "field 'step_limit': seconds, more than 0, expected");
    o.step_limit = deadline_at(limit);
  }
  if (lua_getfield(L, arg, "shutdown_grace") != LUA_TNIL) {
    o.grace = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(o.grace >= 0 && o.grace < 1e9))
      luaL_argerror(L, arg, "field 'shutdown_grace': seconds, not negative, expected");
  }
  if (lua_getfield(L, arg, "stack_size") != LUA_TNIL) {
    o.stack_size = (size_t)lua_tointeger(L, -1);
    if (!lua_isinteger(L, -1) || o.stack_size < STACK_LEAST || o.stack_size > 1 << 30)
      luaL_argerror(L, arg, "field 'stack_size': bytes, from 65536 to 2^30, expected");
  }
  lua_pop(L, 5);
  return o;
}

void run_set_step_limit(Core *core, uint64_t limit) {
  if (core->step_limit) watchdog_release(core);
  __atomic_store_n(&core->step_limit, limit, __ATOMIC_RELAXED);
  if (limit) watchdog_want(core);
}
