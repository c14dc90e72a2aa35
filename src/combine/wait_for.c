/* SPDX-License-Identifier: MIT
 * wait_for: a time limit around one await, in the caller's task. Without time left the awaitable is
 * cancelled and waited for; a coroutine object is not started then. */
#include <math.h>

#include "combine/combine.h"
#include "combine/members.h"
#include "combine/scope.h"
#include "kernel/fail.h"

static int raise_timeout(lua_State *L) {
  fail_push(L, FAIL_TIMEOUT, NULL);
  return lua_error(L);
}

/* op, scope, results or the error */
static int k_limited(lua_State *L, int status, lua_KContext context) {
  UNUSED(context);
  Core *core = core_of(L);
  bool failed = status != LUA_OK && status != LUA_YIELD;
  bool expired = scope_exit(L, core, lua_touserdata(L, 2), failed ? lua_gettop(L) : 0);
  if (!failed) return lua_gettop(L) - 2;
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

static int start(lua_State *L, Core *core, Task *task, Op *op) {
  lua_getiuservalue(L, 1, 1);
  if (isnan(op->number)) {
    lua_replace(L, 1);
    return await_value(L, core);
  }
  if (op->number <= 0) return end_now(L, core, task);
  Scope *scope = scope_new(L, core, NAN);
  timer_reserve(L, core);
  lua_insert(L, 2);
  await_push_function(L, core);
  lua_insert(L, 3);
  timer_arm(core, &scope->timer, deadline_in(core, op->number));
  return k_limited(L, lua_pcallk(L, 1, LUA_MULTRET, 0, 0, k_limited), 0);
}

/* ... = wait_for(awaitable, seconds or nil): an operation */
static int f_wait_for(lua_State *L) {
  check_awaitable(L, 1);
  luaL_checkany(L, 2);
  double seconds = check_deadline(L, 2);
  lua_settop(L, 1);
  Op *op = op_new(L, start, "neap.wait_for", 1, 0);
  op->number = seconds;
  return 1;
}

const luaL_Reg wait_for_functions[] = {{"wait_for", f_wait_for}, {NULL, NULL}};
