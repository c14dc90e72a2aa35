/* SPDX-License-Identifier: MIT */
#include "kernel/sleep.h"

#include <math.h>

#include "kernel/op.h"

static bool abort_sleep(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_pending(task)) return false;
  wait_note(core, task, L, message);
  timer_disarm(core, (Timer *)(void *)&task->wait);
  task->wait.job.run = task_step;
  wait_cut(core, task);
  return true;
}

/* The time has come: the task runs in the next tick, as after any other wait. */
static void on_due(Core *core, Job *job) {
  Task *task = container_of(job, Task, wait.job);
  job->run = task_step;
  wait_post(core, task);
}

int k_sleep(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_sleep, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return 0;
}

int sleep_park(lua_State *L, Core *core, Task *task, uint64_t ns, lua_KFunction k) {
  if (ns == 0) { /* one tick; nothing to abort: a cancellation is delivered by the step */
    job_post(core, &task->wait.job);
    return wait_park(L, core, task, NULL, k, (lua_KContext)core);
  }
  _Static_assert(offsetof(Wait, u.node) == offsetof(Timer, node), "a Wait begins like a Timer");
  timer_reserve(L, core);
  task->wait.job.run = on_due;
  task->wait.u.node.place = 0;
  timer_arm(core, (Timer *)(void *)&task->wait, deadline_after(core, ns));
  return wait_park(L, core, task, abort_sleep, k, (lua_KContext)core);
}

static int k_results(lua_State *L, int status, lua_KContext context) {
  WAIT_MINE(L, (Core *)context, k_results, context);
  k_sleep(L, status, context);
  int n = (int)((Op *)lua_touserdata(L, 1))->integer;
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++) lua_getiuservalue(L, 1, i + 1);
  return n;
}

static int start_sleep(lua_State *L, Core *core, Task *task, Op *op) {
  return sleep_park(L, core, task, deadline_at(op->number), k_results);
}

double check_seconds(lua_State *L, int arg) {
  if (lua_type(L, arg) != LUA_TNUMBER) argument_error(L, arg, "number of seconds");
  double seconds = lua_tonumber(L, arg);
  luaL_argcheck(L, !isnan(seconds), arg, "number of seconds expected, got NaN");
  luaL_argcheck(L, !isinf(seconds), arg, "finite number of seconds expected, got infinity");
  return seconds;
}

void timer_reserve(lua_State *L, Core *core) {
  if (UNLIKELY(core->closed)) luaL_error(L, "the Lua state is closing");
  if (UNLIKELY(!heap_reserve(&core->timers))) luaL_error(L, "not enough memory");
}

/* sleep(seconds, ...): an awaitable that gives back the rest */
int sleep_function(lua_State *L) {
  int n = lua_gettop(L) - 1;
  if (n == 0 && lua_isinteger(L, 1) && lua_tointegerx(L, 1, NULL) == 0) {
    lua_pushlightuserdata(L, (void *)SLEEP_MARK);
    return 1;
  }
  if (LIKELY(n == 0 && lua_type(L, 1) == LUA_TNUMBER)) {
    double us = lua_tonumber(L, 1) * 1e6;
    if (LIKELY(us < (double)SLEEP_MASK && us > -INFINITY)) { /* not for NaN */
      if (us <= 0) us = 0;
      uintptr_t whole = (uintptr_t)us;
      lua_pushlightuserdata(L, (void *)(SLEEP_MARK | (whole + ((double)whole < us))));
      return 1;
    }
  }
  double seconds = check_seconds(L, 1);
  lua_pushboolean(L, 0);
  lua_insert(L, 2);
  Op *op = op_new(L, start_sleep, "neap.sleep", 2, n);
  op->number = seconds;
  op->integer = n;
  return 1;
}
