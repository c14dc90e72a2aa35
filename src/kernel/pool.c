/* SPDX-License-Identifier: MIT */
#include "kernel/pool.h"

#include "base/memory.h"

enum { POOL_LIMIT = 16384 }; /* some 17 MB of idle coroutines at most */

static void push_function(lua_State *L, Core *core, lua_CFunction function) {
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, function, 1);
}

void pool_open(lua_State *L, Core *core, lua_CFunction body, lua_CFunction handler, lua_CFunction await) {
  push_function(L, core, body);
  push_function(L, core, handler);
  push_function(L, core, await);
  lua_pushliteral(L, "coroutine.yield outside a coroutine of your own: use await, or yield inside coroutine.wrap");
  lua_pushliteral(L, "not enough memory");
  lua_xmove(L, core->service, SERVICE_NO_MEMORY - SERVICE_ANCHORS);
  lua_settop(core->service, SERVICE_TOP); /* the metatables: see class_open */
}

void pool_push_bad_yield(Core *core, lua_State *co) {
  lua_pushvalue(core->service, SERVICE_BAD_YIELD);
  lua_xmove(core->service, co, 1);
}

static void reserve(lua_State *L, Core *core) {
  if (core->coroutines < core->pool_room || core->pool_room >= POOL_LIMIT) return; /* it is empty: one fits */
  uint32_t room = core->pool_room ? core->pool_room * 2 : 64;
  Pooled *pool = memory_resize(core->pool, room * sizeof *pool);
  if (!pool) luaL_error(L, "not enough memory");
  core->pool = pool;
  core->pool_room = room;
}

void pool_fill(lua_State *L, Core *core) {
  reserve(L, core);
  lua_State *co = lua_newthread(L);
  uint32_t slot = anchor_new(L, core, -1);
  lua_pop(L, 1);
  core->coroutines++;
  core->pool[core->pooled++] = (Pooled){co, slot};
}

void pool_give(Core *core, lua_State *co, uint32_t slot) {
  lua_settop(co, 0);
  if (core->pooled < core->pool_room && !lua_gethook(co)) { /* a hook ends with the task that has set it */
    core->pool[core->pooled++] = (Pooled){co, slot};
  } else {
    core->coroutines--;
    anchor_delete(core, slot);
  }
}
