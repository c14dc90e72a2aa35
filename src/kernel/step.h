/* SPDX-License-Identifier: MIT
 * One step of a task: the one place where Lua code is resumed. Inline, as drain() and the start of a
 * task are its only callers and a switch costs little more than this. */
#ifndef NEAP_KERNEL_STEP_H
#define NEAP_KERNEL_STEP_H

#include "kernel/debug.h"
#include "kernel/task.h"
#include "kernel/worker.h"

/* The step did not end in a park: the body ended, or yielded by itself. */
void task_ended(Core *core, Task *task, int status);

static inline __attribute__((always_inline)) void task_run(Core *core, Task *task, int nargs) {
  Task *outer = core->current;
  int nresults;
  core->current = task;
  task->parked = false;
  task->throwing = task->must_cancel;
  task->must_cancel = false;
  task->wait.abort = NULL;
  if (UNLIKELY(core->debug)) core->step_started = uv_hrtime();
  if (UNLIKELY(task->stack)) {
    worker_resume(core, task);
    return;
  }
  int status = lua_resume(task->co, core->from, nargs, &nresults);
  if (UNLIKELY(core->debug)) debug_check_step(core, task);
  core->current = outer;
  if (UNLIKELY(status != LUA_YIELD || !task->parked)) task_ended(core, task, status);
}

#endif
