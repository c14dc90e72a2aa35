/* SPDX-License-Identifier: MIT */
#include "kernel/await.h"

#include "kernel/coroutine.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/run.h"
#include "kernel/sleep.h"
#include "kernel/worker.h"

/* ---- who may await ---- */

Task *wait_task(lua_State *L, Core *core) {
  Task *task = core->current;
  if (UNLIKELY(!task)) fail_raise(L, FAIL_RUNTIME, "await outside a task: in a callback of the loop");
  if (UNLIKELY(core->closer)) worker_refuse(L, core, task);
  if (UNLIKELY(task->co != L || !lua_isyieldable(L))) worker_check(L, core, task);
  return task;
}

/* ---- await ---- */

static bool is_sleep(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && sleep_is((uintptr_t)lua_touserdata(L, index));
}

static int not_awaitable(lua_State *L, int arg) {
  return argument_error(L, arg, "awaitable (coroutine object, future, task, operation, function or a value with __await)");
}

/* Replaces the value at index 1 by its __await function and itself, or raises. */
static void push_await_method(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__await") == LUA_TNIL) not_awaitable(L, 1);
  lua_pushvalue(L, 1);
}

static int await_other(lua_State *L) {
  if (lua_isfunction(L, 1)) {
    lua_pushvalue(L, 1);
    lua_callk(L, 0, LUA_MULTRET, 0, k_call);
  } else {
    push_await_method(L);
    lua_callk(L, 1, LUA_MULTRET, 0, k_call);
  }
  return lua_gettop(L) - 1;
}

/* The task may park here. Extra values above index 1 are dropped. */
static inline int dispatch(lua_State *L, Core *core, Task *task) {
  uintptr_t address = (uintptr_t)lua_touserdata(L, 1); /* no object's address looks like a sleep */
  if (sleep_is(address)) return sleep_await(L, core, task, address);
  if (UNLIKELY(lua_gettop(L) != 1)) lua_settop(L, 1);
  Head *head = object_in(L, 1, (void *)address);
  if (UNLIKELY(!head)) return await_other(L);
  if (UNLIKELY(!head->type->await)) return not_awaitable(L, 1);
  return head->type->await(L, core, head);
}

int await_value(lua_State *L, Core *core) { return dispatch(L, core, wait_task(L, core)); }

static int await_elsewhere(lua_State *L, Core *core) {
  lua_settop(L, 1);
  if (core->current || run_active(core)) return await_value(L, core);
  check_awaitable(L, 1);
  return run_await(L, core);
}

/* ... = await(awaitable) */
int await_function(lua_State *L) {
  Core *core = core_draining; /* faster than the upvalue; whose task runs on L is the right one */
  Task *task = core ? core->current : NULL;
  if (UNLIKELY(!task || task->co != L || !lua_isyieldable(L))) return await_elsewhere(L, core_of(L));
  return dispatch(L, core, task);
}

void await_push_function(lua_State *L, Core *core) {
  lua_pushvalue(core->service, SERVICE_AWAIT);
  lua_xmove(core->service, L, 1);
}

bool awaitable(lua_State *L, int index) {
  Head *head = object_at(L, index);
  if (head) return head->type->await != NULL;
  if (lua_isfunction(L, index) || is_sleep(L, index)) return true;
  if (luaL_getmetafield(L, index, "__await") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void check_awaitable(lua_State *L, int arg) {
  if (!awaitable(L, arg)) not_awaitable(L, arg);
}

/* is = isawaitable(value): functions are awaitable too */
static int f_isawaitable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, awaitable(L, 1) && !lua_isfunction(L, 1));
  return 1;
}

int await_unpack(Core *core, int index) {
  lua_State *service = core->service;
  Head *head = object_at(service, index);
  if (LIKELY(head && (head->type == &coro_type || head->type == &coro_debug_type)))
    return coro_unpack(service, index, (Coro *)head);
  bool function = lua_isfunction(service, index);
  if (!function) lua_pushvalue(service, SERVICE_AWAIT);
  lua_pushvalue(service, index);
  return !function;
}

Future *ensure_future(lua_State *L, Core *core, int index) {
  lua_pushvalue(L, index);
  Future *future = future_test(L, -1);
  return future ? future : &task_spawn(L, core, lua_gettop(L))->future;
}

/* future = ensure_future(awaitable) */
static int f_ensure_future(lua_State *L) {
  check_awaitable(L, 1);
  ensure_future(L, core_of(L), 1);
  return 1;
}

/* neap.pcall: all errors but the task's own cancellation */
static int k_pcall(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  if (status == LUA_OK || status == LUA_YIELD) {
    return lua_gettop(L); /* true, results */
  }
  Task *task = core->current;
  if (task && task->cancels > 0 && fail_is(L, -1, FAIL_CANCELLED)) return lua_error(L);
  if (fail_is(L, -1, FAIL_INTERRUPT)) return lua_error(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* ok, ... = pcall(fn, ...) */
static int f_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext context = (lua_KContext)core_of(L);
  return k_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, context, k_pcall), context);
}

const luaL_Reg await_functions[] = {
    {"async", async_function},
    {"await", await_function},
    {"sleep", sleep_function},
    {"isawaitable", f_isawaitable},
    {"ensure_future", f_ensure_future},
    {"pcall", f_pcall},
    {NULL, NULL},
};
