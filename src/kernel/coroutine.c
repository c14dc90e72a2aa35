/* SPDX-License-Identifier: MIT */
#include "kernel/coroutine.h"

#include <limits.h>

#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/trace.h"

int k_call(lua_State *L, int status, lua_KContext context) {
  UNUSED(status), UNUSED(context);
  return lua_gettop(L) - 1;
}

static void coro_use(lua_State *L, Coro *coro) {
  if (coro->used) fail_raise(L, FAIL_RUNTIME, "the coroutine object was awaited already");
  coro->used = true;
}

/* Pushes the function and the arguments of the coroutine object at `index`. */
static void coro_push(lua_State *L, int index, const Coro *coro) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, coro->count + 2, "too many arguments");
  for (int i = 0; i <= coro->count; i++) lua_getiuservalue(L, index, i + 1);
}

static int coro_await(lua_State *L, Core *core, Head *head) {
  Coro *coro = (Coro *)head;
  UNUSED(core);
  coro_use(L, coro);
  coro_push(L, 1, coro);
  lua_callk(L, coro->count, LUA_MULTRET, 0, k_call);
  return lua_gettop(L) - 1;
}

/* Pushes a coroutine object of the function at `function` and the n arguments that begin at `first`. */
static Coro *coro_make(lua_State *L, Core *core, int function, int first, int n, bool debug) {
  if (UNLIKELY(n > USHRT_MAX - 8)) luaL_error(L, "too many arguments");
  Coro *coro = object_make(L, core, debug ? &coro_debug_type : &coro_type, sizeof *coro, n + 1 + debug);
  coro->count = (uint16_t)n;
  lua_pushvalue(L, function);
  lua_setiuservalue(L, -2, 1);
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, first + i);
    lua_setiuservalue(L, -2, i + 2);
  }
  return coro;
}

/* coroutine object = async_function(...); upvalue 2: the function */
static int async_call(lua_State *L) {
  Core *core = core_of(L);
  int n = lua_gettop(L);
  bool debug = core->debug;
  if (UNLIKELY(debug)) trace_where(L, L, 1);
  coro_make(L, core, lua_upvalueindex(2), 1, n, debug);
  if (UNLIKELY(debug)) {
    lua_pushvalue(L, n + 1);
    lua_setiuservalue(L, -2, n + 2);
  }
  return 1;
}

void async_push(lua_State *L, Core *core) {
  lua_pushlightuserdata(L, core);
  lua_insert(L, -2);
  lua_pushcclosure(L, async_call, 2);
}

/* async function = async(fn) */
int async_function(lua_State *L) {
  if (!lua_isfunction(L, 1)) {
    if (luaL_getmetafield(L, 1, "__call") == LUA_TNIL) return argument_error(L, 1, "function");
  }
  lua_settop(L, 1);
  async_push(L, core_of(L));
  return 1;
}

/* Debug mode: a coroutine object that nobody awaited. */
static int coro_gc(lua_State *L) {
  Coro *coro = lua_touserdata(L, 1);
  Core *core = core_of(L);
  if (coro->used || core->closed) return 0;
  lua_getiuservalue(L, 1, coro->count + 2);
  report_text(L, core, "a coroutine object was never awaited (made at %s)", lua_tostring(L, -1));
  return 0;
}

void coro_discard(lua_State *L, int index) { ((Coro *)lua_touserdata(L, index))->used = true; }

/* coro:close(): it will not be awaited */
static int coro_close(lua_State *L) {
  Coro *coro = object_check(L, 1, &coro_type);
  coro->used = true;
  return 0;
}

static int coro_tostring(lua_State *L) {
  Coro *coro = object_check(L, 1, &coro_type);
  lua_pushfstring(L, "neap.Coroutine (%s)", coro->used ? "awaited" : "not awaited yet");
  return 1;
}

void coro_take(lua_State *L, Head *head) {
  if (head && object_is(head, &coro_type)) coro_use(L, (Coro *)head);
}

void coro_pack(lua_State *L, Core *core, int first) {
  coro_make(L, core, first, first + 1, lua_gettop(L) - first, false);
  lua_replace(L, first);
  lua_settop(L, first);
}

int coro_unpack(lua_State *service, int index, const Coro *coro) {
  int n = coro->count;
  if (UNLIKELY(n >= LUA_MINSTACK / 2 && !lua_checkstack(service, n + LUA_MINSTACK))) return -1;
  for (int i = 0; i <= n; i++) lua_getiuservalue(service, index, i + 1);
  return n;
}

static const luaL_Reg coro_methods[] = {{"close", coro_close}, {NULL, NULL}};
static const luaL_Reg coro_metamethods[] = {{"__tostring", coro_tostring}, {NULL, NULL}};
static const luaL_Reg coro_debug_metamethods[] = {{"__gc", coro_gc}, {NULL, NULL}};
const Type coro_type = {.name = "neap.Coroutine", .await = coro_await, .methods = coro_methods, .metamethods = coro_metamethods, .meta = SERVICE_CORO};
const Type coro_debug_type = {.name = "neap.Coroutine", .base = &coro_type, .await = coro_await, .metamethods = coro_debug_metamethods, .meta = SERVICE_CORO_DEBUG};
