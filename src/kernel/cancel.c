/* SPDX-License-Identifier: MIT
 * Cancelling a task cancels what it awaits: along a chain of tasks the last one. */
#include "kernel/await.h"
#include "kernel/task.h"
#include "kernel/watchdog.h"

/* The task that this one awaits, if it is not done: it is cancelled in its place, which always is
 * accepted. */
static Task *awaited(const Task *task) {
  if (task->wait.abort != future_abort_await) return NULL;
  Future *next = task->wait.u.future;
  return next->head.type == &task_type.type && !future_done(next) ? (Task *)next : NULL;
}

/* The last task of the chain. It may raise before anything is done. */
static void cancel_last(Core *core, Task *task, lua_State *L, int index, int message) {
  if (task->wait.abort && task->wait.abort(core, task, L, message)) return;
  if (L)
    slot_set_flag(L, index, &task->future, SLOT_MESSAGE, FUTURE_MESSAGE, message);
  else
    task->future.flags &= (uint8_t)~FUTURE_MESSAGE;
  task->must_cancel = true;
  if (UNLIKELY(task == core->current) && watchdog_once(core)) watchdog_at(core, 0);
}

/* Of tasks that await each other one is cancelled alone, not through what it awaits. */
static void cancel_alone(Core *core, Task *task, lua_State *L, int index, int message) {
  int depth = core->cancel_depth;
  core->cancel_depth = CANCEL_DEPTH;
  cancel_last(core, task, L, index, message);
  core->cancel_depth = depth;
}

bool task_cancel(Core *core, Future *future, lua_State *L, int index, int message) {
  if (future_done(future)) {
    future_seen(future);
    return false;
  }
  Task *task = (Task *)future, *last = task;
  uint32_t length = 0;
  for (Task *next; (next = awaited(last)) != NULL && length < core->live; length++) last = next;
  if (UNLIKELY(length == core->live)) {
    cancel_alone(core, task, L, index, message);
    task->cancels++;
    task->reached = true;
    return true;
  }
  if (last != task && L) {
    task_push(L, core, last);
    index = lua_gettop(L);
  }
  cancel_last(core, last, L, index, message);
  if (last != task && L) lua_pop(L, 1);
  for (; task; task = awaited(task)) {
    task->cancels++;
    task->reached = true;
  }
  return true;
}

void task_cancel_new(Core *core, Task *task) {
  Task *last = NULL;
  uint32_t length = 0;
  for (Task *it = task; it && !it->reached; it = awaited(it), length++) {
    it->cancels++;
    it->reached = true;
    last = it;
  }
  if (!last) return;
  Task *next = awaited(last);
  if (!next) {
    cancel_last(core, last, NULL, 0, 0);
    return;
  }
  for (; next && length > 0; next = awaited(next), length--) {
    if (next != last) continue;
    cancel_alone(core, last, NULL, 0, 0); /* it awaits one of those just reached */
    return;
  }
}

/* The continuation of an await of a future bears that it is not done, and what is awaited is not to be cancelled:
 * it is unwound in its turn, or was never more than Lua's memory. */
bool wait_give_up(Core *core, Task *task) {
  bool undone = true;
  if (wait_pending(task) && task->wait.abort != future_abort_await)
    undone = task->wait.abort && task->wait.abort(core, task, NULL, 0) && !wait_pending(task);
  list_remove(&task->wait.job.link);
  if (wait_pending(task)) task->wait_state = WAIT_DONE; /* nobody posts it */
  task->wait.abort = NULL;
  task->must_cancel = task->parked = false;
  task->throwing = true;
  task->cancels++;
  return undone;
}

uint32_t task_uncancel(Task *task) {
  if (task->cancels > 0 && --task->cancels == 0) task->must_cancel = task->insist = false;
  return task->cancels;
}
