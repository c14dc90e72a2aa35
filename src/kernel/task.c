/* SPDX-License-Identifier: MIT */
#include "kernel/task.h"

#include "base/memory.h"
#include "kernel/await.h"
#include "kernel/context.h"
#include "kernel/coroutine.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/run.h"
#include "kernel/step.h"
#include "kernel/trace.h"
#include "kernel/watchdog.h"
#include "kernel/worker.h"

/* The coroutine's stack while the body runs: the task, the message handler, the function called and
 * its arguments; later its results or the error. */
enum { AT_TASK = 1, AT_HANDLER, AT_BODY };

Task *task_check(lua_State *L, int arg) { return object_check(L, arg, &task_type.type); }
void task_push(lua_State *L, Core *core, const Task *task) { anchor_push(core, L, task->slot); }

Task *task_each(Core *core, uint32_t *slot) {
  lua_State *service = core->service;
  while (++*slot <= core->slot_count) {
    anchor_push(core, service, *slot);
    Task *task = object_test(service, -1, &task_type.type);
    lua_pop(service, 1);
    if (task && !future_done(&task->future)) return task;
  }
  return NULL;
}

void task_push_name(lua_State *L, int index, Task *task) {
  if (task->future.flags & FUTURE_NAME)
    slot_push(L, index, &task->future, SLOT_NAME);
  else
    lua_pushfstring(L, "Task-%I", (lua_Integer)task->number);
}

/* ---- the end of a body ---- */

static void swallowed(lua_State *L, Core *core, Task *task) {
  if (core->debug && task->cancels > 0 && task->outcome == FUTURE_FINISHED) debug_report_swallowed(L, core, task);
}

/* Runs on the task's coroutine, protected by lua_resume: stores how the body ended. */
static int k_body(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  Task *task = lua_touserdata(L, AT_TASK);
  Future *future = &task->future;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (task->must_cancel) { /* cancelled by itself, and no await since */
      task->must_cancel = false;
      lua_settop(L, AT_HANDLER);
      future_store(L, AT_TASK, future, 0);
      task->outcome = FUTURE_CANCELLED;
    } else {
      future_store(L, AT_TASK, future, lua_gettop(L) - AT_HANDLER);
      task->outcome = FUTURE_FINISHED;
      swallowed(L, core, task);
    }
  } else if (fail_is(L, -1, FAIL_CANCELLED)) {
    future_store(L, AT_TASK, future, 1);
    future->flags = (uint8_t)((future->flags | FUTURE_ERROR) & ~FUTURE_MESSAGE);
    task->outcome = FUTURE_CANCELLED;
  } else {
    if (fail_is(L, -1, FAIL_INTERRUPT)) {
      lua_pushvalue(L, -1);
      core_throw(L, core);
    }
    task->wait.u.on = future_store_error(L, AT_TASK, future);
    task->outcome = FUTURE_FAILED;
  }
  return 0;
}

/* task, handler, fn, ...; upvalue 1: the core. The function at the bottom of every coroutine. */
int task_body(lua_State *L) {
  Core *core = core_of(L);
  Task *task = lua_touserdata(L, AT_TASK);
  int status;
  if (task->throwing) { /* cancelled before it started: the body never runs */
    wait_push_error(L, core, task);
    status = LUA_ERRRUN;
  } else if (UNLIKELY(core->stress_park)) { /* nothing below can yield: every await parks */
    status = lua_pcall(L, lua_gettop(L) - AT_BODY, LUA_MULTRET, AT_HANDLER);
  } else {
    status = lua_pcallk(L, lua_gettop(L) - AT_BODY, LUA_MULTRET, AT_HANDLER, (lua_KContext)core, k_body);
  }
  return k_body(L, status, (lua_KContext)core);
}

/* The coroutine died outside the body's protection: no memory to store the result, or a yield that
 * was not ours. The error is at the top of its stack. */
static void crashed(Core *core, Task *task) {
  lua_State *co = task->co, *service = core->service;
  if (lua_gettop(co) > 0) {
    task_push(service, core, task);
    lua_xmove(co, service, 1);
    slot_replace(service, -2, &task->future);
    lua_pop(service, 1);
    task->future.count = 1;
  }
  task->outcome = FUTURE_FAILED;
  task->wait.u.on = NULL;
}

/* task, core: the error in the main slot is to be reported if nobody looks at it */
static int remember_error(lua_State *L) {
  Task *task = lua_touserdata(L, 1);
  slot_push(L, 1, &task->future, SLOT_MAIN);
  task->wait.u.on = future_store_error(L, 1, &task->future);
  return 0;
}

static void finish(Core *core, Task *task, bool reusable) {
  Future *future = &task->future;
  if (UNLIKELY(!reusable && task->outcome == FUTURE_FAILED))
    core_call(core, remember_error, task->slot, "the error of a task will not be reported");
  lua_State *co = task->co;
  task->co = NULL;
  watchdog_end(core, task);
  if (--core->live <= core->ignoring && core->until_empty) core_stop(core);
  if (task->outcome == FUTURE_FAILED)
    future_fail(core, future, task->wait.u.on);
  else
    future_finish(core, future, task->outcome);
  if (reusable) {
    pool_give(core, co, task->co_slot);
  } else if (co) {
    core->coroutines--;
    anchor_delete(core, task->co_slot);
  }
  anchor_delete(core, task->slot);
}

void task_ended(Core *core, Task *task, int status) {
  lua_State *co = task->co;
  if (LIKELY(status == LUA_OK)) {
    finish(core, task, true);
  } else if (status == LUA_YIELD) {
    lua_settop(co, 0);
    lua_resetthread(co); /* closes what is to be closed */
    lua_settop(co, 0);
    pool_push_bad_yield(core, co);
    crashed(core, task);
    finish(core, task, false);
  } else {
    crashed(core, task);
    lua_resetthread(co);
    finish(core, task, false);
  }
}

void task_step(Core *core, Job *job) { task_run(core, container_of(job, Task, wait.job), 0); }

/* ---- starting ---- */

/* nil, core: one more coroutine for the pool */
static int fill_pool(lua_State *L) {
  pool_fill(L, lua_touserdata(L, 2));
  return 0;
}

/* No memory for a coroutine: the task fails without one. */
static void fail_start(Core *core, Task *task) {
  lua_State *service = core->service;
  task_push(service, core, task);
  lua_pushvalue(service, SERVICE_NO_MEMORY);
  slot_replace(service, -2, &task->future);
  lua_pop(service, 1);
  task->future.count = 1;
  task->outcome = task->must_cancel ? FUTURE_CANCELLED : FUTURE_FAILED;
  task->wait.u.on = NULL;
  finish(core, task, false);
}

/* Gives the task a coroutine only now: tasks that end in their first step share one, which stays in
 * the cache. */
static void on_start(Core *core, Job *job) {
  Task *task = container_of(job, Task, wait.job);
  lua_State *service = core->service;
  if (UNLIKELY(core->pooled == 0)) core_call(core, fill_pool, 0, NULL);
  if (UNLIKELY(core->pooled == 0)) {
    fail_start(core, task);
    return;
  }
  Pooled pooled = core->pool[--core->pooled];
  task_push(service, core, task);
  slot_push(service, SERVICE_TOP + 1, &task->future, SLOT_MAIN);
  lua_pushvalue(service, SERVICE_BODY);
  lua_pushvalue(service, SERVICE_TOP + 1);
  lua_pushvalue(service, SERVICE_HANDLER);
  int nargs = await_unpack(core, SERVICE_TOP + 2);
  if (UNLIKELY(nargs < 0 || !lua_checkstack(pooled.co, nargs + LUA_MINSTACK))) {
    lua_settop(service, SERVICE_TOP);
    pool_give(core, pooled.co, pooled.slot);
    fail_start(core, task);
    return;
  }
  lua_xmove(service, pooled.co, nargs + 4);
  lua_settop(service, SERVICE_TOP + 1);
  lua_pushboolean(service, 0); /* the arguments are the body's alone from now on */
  slot_replace(service, SERVICE_TOP + 1, &task->future);
  lua_settop(service, SERVICE_TOP);
  task->co = pooled.co;
  task->co_slot = pooled.slot;
  task->started = true;
  job->run = task_step;
  task_run(core, task, nargs + 3);
}

/* ---- creation ---- */

static void set_options(lua_State *L, Core *core, Task *task, int self, int options) {
  int top = lua_gettop(L);
  lua_getfield(L, options, "name");
  slot_set_flag(L, self, &task->future, SLOT_NAME, FUTURE_NAME, top + 1);
  if (lua_getfield(L, options, "context") != LUA_TNIL)
    slot_set_flag(L, self, &task->future, SLOT_CONTEXT, FUTURE_CONTEXT, top + 2);
  if (lua_getfield(L, options, "slice") != LUA_TNIL) {
    if (!watchdog_once(core)) luaL_error(L, "a task with slices needs a thread that watches it: not enough memory or threads");
    task->slice = (uint32_t)(lua_tonumber(L, -1) * 1e6);
  }
  lua_settop(L, top);
}

Task *task_new(lua_State *L, Core *core, int index, int options) {
  Task *task = (Task *)future_new(L, core, &task_type, sizeof *task);
  int self = lua_gettop(L);
  if (UNLIKELY(core->contexts) && context_push(L, core)) {
    slot_set_flag(L, self, &task->future, SLOT_CONTEXT, FUTURE_CONTEXT, self + 1);
    lua_settop(L, self);
  }
  if (options) set_options(L, core, task, self, options);
  anchors_reserve(L, core, 2);
  coro_take(L, object_at(L, index));
  lua_pushvalue(L, index);
  slot_replace(L, self, &task->future); /* from here on nothing raises */
  task->slot = anchor_new(L, core, self);
  task->number = ++core->task_count;
  task->wait.job.run = on_start;
  list_create(&task->wait.job.link);
  core->live++;
  if (UNLIKELY(task->slice)) watchdog_slice(core, task->slice * UINT64_C(1000));
  return task;
}

enum { EAGER_DEPTH = 60 }; /* each nests a lua_resume: beyond, tasks start in the next tick */

void task_start(lua_State *L, Core *core, Task *task, bool eager) {
  if (!eager || core->eager_depth >= EAGER_DEPTH || !run_active(core)) {
    job_post(core, &task->wait.job);
    return;
  }
  lua_State *from = core->from;
  core->from = L;
  uint64_t step = watchdog_step(core);
  core->eager_depth++;
  worker_start(core, &task->wait.job);
  core->eager_depth--;
  core->from = from;
  if (UNLIKELY(core->watchdog)) watchdog_back(L, core, step);
}

Task *task_spawn(lua_State *L, Core *core, int first) {
  if (lua_gettop(L) > first) coro_pack(L, core, first);
  Task *task = task_new(L, core, first, 0);
  lua_replace(L, first);
  task_start(L, core, task, false);
  return task;
}
