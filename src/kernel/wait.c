/* SPDX-License-Identifier: MIT
 * The one door to sleep, and what comes through it: see task.h. */
#include "kernel/debug.h"
#include "kernel/fail.h"
#include "kernel/task.h"
#include "kernel/watchdog.h"
#include "kernel/worker.h"

void wait_note(Core *core, Task *task, lua_State *L, int message) {
  if (L) {
    luaL_checkstack(L, 6, NULL);
    task_push(L, core, task);
    slot_set_flag(L, -1, &task->future, SLOT_WAIT_MESSAGE, FUTURE_WAIT_MESSAGE, message);
    lua_pop(L, 1);
  } else {
    task->future.flags &= (uint8_t)~FUTURE_WAIT_MESSAGE;
  }
}

bool wait_abort(Core *core, Task *task, lua_State *L, int message) {
  if (task->wait_state != WAIT_PENDING) return false;
  wait_note(core, task, L, message);
  wait_cut(core, task);
  return true;
}

/* Nothing posts the task any more. */
static void wait_detach(Core *core, Task *task) {
  if (task->wait.job.run != task_step) timer_disarm(core, (Timer *)(void *)&task->wait);
  list_remove(&task->wait.job.link);
  task->wait_state = WAIT_DONE;
  task->wait.abort = NULL;
}

enum { IGNORED_LIMIT = 1000 }; /* cancellations a task may swallow while they are repeated */

/* anything, message, core: what the current task waits on is cancelled at once */
static int abort_new(lua_State *L) {
  Core *core = lua_touserdata(L, 3);
  lua_pushboolean(L, core->current->wait.abort(core, core->current, L, 2));
  return 1;
}

/* The wait is linked already, so nothing may be raised: without memory there is no message. */
static bool abort_with_message(lua_State *L, Core *core, Task *task, int message) {
  lua_pushcfunction(L, abort_new);
  lua_pushvalue(L, 1); /* as future_abort_await wants it: await's argument */
  lua_pushvalue(L, message);
  lua_pushlightuserdata(L, core);
  core->cancel_depth = 0;
  bool raised = lua_pcall(L, 3, 1, 0) != LUA_OK, accepted = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!raised) return accepted;
  core->cancel_depth = 0;
  return task->wait.abort(core, task, NULL, 0);
}

/* What the resumption brought is dropped. */
int wait_sleep_on(lua_State *L, Core *core, lua_KFunction k, lua_KContext context) {
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) {
    if (task->co != L) continue;
    if (task->top < lua_gettop(L) && task->top < UINT8_MAX) lua_settop(L, task->top);
    break;
  }
  return lua_yieldk(L, 0, context, k);
}

int wait_park(lua_State *L, Core *core, Task *task, AbortFn abort, lua_KFunction k, lua_KContext context) {
  int top = lua_gettop(L);
  task->top = top < UINT8_MAX ? (uint8_t)top : UINT8_MAX;
  task->wait_state = WAIT_PENDING;
  task->wait.abort = abort;
  task->parked = true;
  if (UNLIKELY(task->insist)) {
    if (task->cancels >= IGNORED_LIMIT) { /* left alone: run() abandons it */
      wait_detach(core, task);
      if (++core->ignoring >= core->live && core->until_empty) core_stop(core);
      return wait_sleep(L, core, task, k, context);
    }
    task->cancels++;
    task->must_cancel = true;
  }
  if (UNLIKELY(task->must_cancel)) { /* asyncio: the future just awaited is cancelled */
    int message = 0;
    if (task->future.flags & FUTURE_MESSAGE) {
      task_push(L, core, task);
      slot_push(L, -1, &task->future, SLOT_MESSAGE);
      message = lua_gettop(L);
    }
    if (abort && (message ? abort_with_message(L, core, task, message) : abort(core, task, NULL, 0))) task->must_cancel = false;
    if (message) lua_pop(L, 2);
  }
  return wait_sleep(L, core, task, k, context);
}

static int k_preempted(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  return wait_cancelled(core->current) ? wait_raise(L, core, core->current) : 0;
}

void wait_preempt(lua_State *L, Core *core, Task *task) {
  if (!worker_may_park(L, core)) return;
  bool open = worker_aside(L, core, task);
  job_post(core, &task->wait.job);
  task->wait_state = WAIT_PENDING;
  task->wait.abort = NULL;
  task->parked = true;
  if (task->insist) task->must_cancel = true;
  core_set_left(core, 0); /* I/O and timers have waited for long */
  worker_park(L, core, task, k_preempted, (lua_KContext)core);
  worker_reopen(core, open);
}

/* Whatever the task waits on may still have its wait linked, so its memory must stay: it keeps its
 * anchor for ever. Nothing posts it any more. */
void task_abandon(Core *core, Task *task) {
  wait_detach(core, task);
  watchdog_end(core, task);
  core->live--;
  future_finish(core, &task->future, FUTURE_CANCELLED);
}

void wait_push_error(lua_State *L, Core *core, Task *task) {
  Future *future = &task->future;
  int slot = 0;
  if (task->wait_state == WAIT_CANCELLED)
    slot = future->flags & FUTURE_WAIT_MESSAGE ? SLOT_WAIT_MESSAGE : 0;
  else if (future->flags & FUTURE_MESSAGE)
    slot = SLOT_MESSAGE;
  if (UNLIKELY(core->closer)) {
    lua_pushliteral(L, "the state is closing");
  } else if (slot) {
    task_push(L, core, task);
    slot_push(L, -1, future, slot);
    lua_remove(L, -2);
  } else {
    lua_pushnil(L);
  }
  fail_push_cancelled(L);
}

static int push_error(lua_State *L) {
  Core *core = lua_touserdata(L, 1);
  wait_push_error(L, core, core->current);
  return 1;
}

void wait_keep_error(lua_State *L, Core *core) {
  lua_pushcfunction(L, push_error);
  lua_pushlightuserdata(L, core);
  lua_pcall(L, 1, 1, 0);
}

int wait_raise(lua_State *L, Core *core, Task *task) {
  watchdog_told(core);
  wait_push_error(L, core, task);
  if (UNLIKELY(core->debug)) debug_note_delivery(L, core, task);
  return lua_error(L);
}
