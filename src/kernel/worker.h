/* SPDX-License-Identifier: MIT
 * Await anywhere. A task that awaits where its coroutine cannot yield to the scheduler (a C function is in between, or a
 * coroutine of the user's) parks the C stack it runs on.
 *
 * Steps run on the stacks of workers. A worker is a C stack and a Lua thread of its own, from which it resumes
 * tasks: so no error of one stack ever unwinds another. One worker drains the ready queue at a time; what it is in
 * the middle of when it parks stays on its stack, and another worker goes on draining. Whoever wakes a parked task
 * switches to its worker, which ends the step and then drains in its turn; the one that switched rests. A worker
 * that rests is always between two jobs, so any of them will do. uv_run goes on only when the slice is over, on the
 * stack that called it: home. A step that runs at once (create_task with eager_start) has a worker of its
 * own, so that it may park without parking who started it.
 *
 * An await that yields costs nothing for this, but two switches for each slice.
 *
 * When the state closes what is parked is unwound, for C functions may hold what only they can free. That must come
 * before any finalizer of what they use, so each park makes an object whose finalizer is the first of those: they
 * run in the reverse order. What is parked is switched to one by one, its await raises, and so does every other. */
#ifndef NEAP_KERNEL_WORKER_H
#define NEAP_KERNEL_WORKER_H

#include "kernel/task.h"

bool worker_open(Core *core);                   /* false: no memory */
void worker_set_size(Core *core, size_t bytes); /* of the stacks made from now on */
void worker_close(Core *core);                  /* frees the stacks, but for the one that runs */

/* In place of an await while the state closes: raises. */
int worker_refuse(lua_State *L, Core *core, Task *task);

void core_jobs(Core *core);    /* in loop.c: runs the jobs of the slice */
void worker_drain(Core *core); /* core_jobs on a worker's stack; without memory for one, on this */

/* L is not to yield: may this task park its stack? Raises if not; else a worker is there to go on. */
void worker_check(lua_State *L, Core *core, Task *task);

/* The same question without an error; then worker_aside, and worker_park. */
bool worker_may_park(lua_State *L, Core *core);
bool worker_aside(lua_State *L, Core *core, Task *task);

/* After it, with what worker_aside gave: what a continuation calls was interrupted, and goes on, so the next await
 * may still be that of the continuation itself. */
void worker_reopen(Core *core, bool open);

/* The tasks whose steps started, at once, the one that runs: the next outer one; from *at = NULL. */
Task *worker_outer(const Core *core, Worker **at);

/* What wait_park does then, in the place of lua_yieldk: returns what k returns. */
int worker_park(lua_State *L, Core *core, Task *task, lua_KFunction k, lua_KContext context);

/* Yields, or else parks. */
static inline int wait_sleep(lua_State *L, Core *core, Task *task, lua_KFunction k, lua_KContext context) {
  if (UNLIKELY(task->aside)) {
    if (task->co != L || !lua_isyieldable(L)) return worker_park(L, core, task, k, context);
    task->aside = false;
  }
  return lua_yieldk(L, 0, context, k);
}

void worker_resume(Core *core, Task *task);   /* the step of a task whose stack is parked */
void worker_unhook(Core *core, lua_Hook hook); /* from the threads of all workers */
void worker_start(Core *core, Job *job);      /* runs the job, a task's first step, at once on a stack of its own */

#endif
