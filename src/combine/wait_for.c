/* SPDX-License-Identifier: MIT
 * wait_for: a time limit around one await, in the caller's task. Without time left the awaitable is
 * cancelled and waited for; a coroutine object is not started then. */
#include <math.h>

#include "combine/combine.h"
#include "combine/members.h"
#include "combine/scope.h"
#include "kernel/fail.h"
#include "kernel/pool.h"

static int raise_timeout(lua_State *L) {
  fail_push(L, FAIL_TIMEOUT, NULL);
  return lua_error(L);
}

/* wait_for, results or the error */
static int k_limited(lua_State *L, int status, lua_KContext context) {
  UNUSED(context);
  Core *core = core_of(L);
  bool failed = status != LUA_OK && status != LUA_YIELD;
  bool expired = scope_exit(L, core, lua_touserdata(L, 1), failed ? lua_gettop(L) : 0);
  if (!failed) return lua_gettop(L) - 1;
  return expired ? raise_timeout(L) : lua_error(L);
}

/* Lives on the waiter's stack. */
typedef struct {
  Watch watch;
  Task *task;
} Ending;

static void on_ended(Core *core, Job *job) {
  Ending *ending = container_of(job, Ending, watch.job);
  if (wait_pending(ending->task)) wait_post(core, ending->task);
}

/* op, future, ending */
static int k_ended(lua_State *L, int status, lua_KContext context) {
  UNUSED(status), UNUSED(context);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_ended, context);
  Future *future = lua_touserdata(L, 2);
  list_remove(&((Ending *)lua_touserdata(L, 3))->watch.job.link);
  if (wait_cancelled(core->current)) return wait_raise(L, core, core->current);
  if (future->state == FUTURE_CANCELLED) {
    future_push_cancelled(L, 2, future); /* taken, as by result() */
    return raise_timeout(L);
  }
  if (future->state == FUTURE_FAILED) { /* a gather that was cancelled fails with a CancelledError */
    slot_push(L, 2, future, SLOT_MAIN);
    if (fail_is(L, -1, FAIL_CANCELLED)) {
      future_seen(future);
      return raise_timeout(L);
    }
  }
  return future_result(L, core, 2, future);
}

static int end_now(lua_State *L, Core *core, Task *task) {
  Future *future = ensure_future(L, core, 2);
  lua_replace(L, 2);
  if (future_done(future)) return future_result(L, core, 2, future);
  Ending *ending = lua_newuserdatauv(L, sizeof *ending, 0);
  ending->task = task;
  task->wait_state = WAIT_NONE;
  watch_future(core, &ending->watch, future, ending, on_ended);
  future_cancel(core, future, NULL, 0, 0);
  return wait_park(L, core, task, wait_abort, k_ended, 0);
}

/* The awaitable of wait_for is a scope: user value 1 is what it awaits. */
static int wait_for_await(lua_State *L, Core *core, Head *head) {
  Scope *scope = (Scope *)head;
  Task *task = core->current;
  if (scope->task) return fail_raise(L, FAIL_RUNTIME, "the wait_for was awaited already");
  scope->task = task;
  if (isnan(scope->when)) {
    lua_getiuservalue(L, 1, 1);
    lua_replace(L, 1);
    return await_value(L, core);
  }
  if (scope->when <= 0) {
    lua_getiuservalue(L, 1, 1);
    return end_now(L, core, task);
  }
  timer_reserve(L, core);
  scope->cancelling = task->cancels;
  await_push_function(L, core);
  lua_getiuservalue(L, 1, 1);
  uint64_t when = deadline_in(core, scope->when);
  timer_arm(core, &scope->timer, when);
  scope_watch(core, scope, when);
  return k_limited(L, lua_pcallk(L, 1, LUA_MULTRET, 0, 0, k_limited), 0);
}

/* ... = wait_for(awaitable, seconds or nil): to be awaited, once */
static int f_wait_for(lua_State *L) {
  check_awaitable(L, 1);
  luaL_checkany(L, 2);
  double seconds = check_deadline(L, 2);
  scope_make(L, core_of(L), &wait_for_type, seconds);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int wait_for_tostring(lua_State *L) {
  lua_pushliteral(L, "neap.wait_for");
  return 1;
}

static const luaL_Reg metamethods[] = {{"__tostring", wait_for_tostring}, {NULL, NULL}};
const Type wait_for_type = {.name = "neap.WaitFor", .await = wait_for_await, .metamethods = metamethods, .meta = SERVICE_WAIT_FOR};

const luaL_Reg wait_for_functions[] = {{"wait_for", f_wait_for}, {NULL, NULL}};
