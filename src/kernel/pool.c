/* SPDX-License-Identifier: MIT */
#include "kernel/pool.h"

#include "base/memory.h"

enum { POOL_LIMIT = 16384 }; /* some 17 MB of idle coroutines at most */

void pool_open(lua_State *L, Core *core, lua_CFunction body, lua_CFunction handler) {
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, body, 1);
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, handler, 1);
  lua_pushliteral(L, "coroutine.yield outside a coroutine of your own: use await, or yield inside coroutine.wrap");
  lua_xmove(L, core->service, 3);
}

void pool_push_bad_yield(Core *core, lua_State *co) {
  lua_pushvalue(core->service, SERVICE_BAD_YIELD);
  lua_xmove(core->service, co, 1);
}

static void reserve(lua_State *L, Core *core) {
  if (core->coroutines < core->pool_room || core->pool_room >= POOL_LIMIT) return;
  uint32_t room = core->pool_room ? core->pool_room * 2 : 64;
  Pooled *pool = memory_resize(core->pool, room * sizeof *pool);
  if (!pool) luaL_error(L, "not enough memory");
  core->pool = pool;
  core->pool_room = room;
}

lua_State *pool_take(lua_State *L, Core *core, uint32_t *slot) {
  if (LIKELY(core->pooled > 0)) {
    Pooled pooled = core->pool[--core->pooled];
    anchor_push(core, L, *slot = pooled.slot);
    return pooled.co;
  }
  reserve(L, core);
  lua_State *co = lua_newthread(L);
  *slot = anchor_new(L, core, -1);
  core->coroutines++;
  return co;
}

void pool_give(Core *core, lua_State *co, uint32_t slot) {
  lua_settop(co, 0);
  if (core->pooled < core->pool_room) {
    core->pool[core->pooled++] = (Pooled){co, slot};
  } else {
    core->coroutines--;
    anchor_delete(core, slot);
  }
}

void pool_prepare(Core *core, lua_State *co) {
  lua_State *service = core->service;
  lua_pushvalue(service, SERVICE_BODY);
  lua_pushvalue(service, SERVICE_HANDLER);
  lua_xmove(service, co, 2);
}
