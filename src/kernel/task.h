/* SPDX-License-Identifier: MIT
 * Tasks. A task is a future with a coroutine of the pool. The core's anchor table holds both, the task
 * until it is done; its main slot holds what it is to run until it starts. The body runs inside
 * lua_pcallk, so that an error unwinds <close> variables in place.
 *
 * One door to sleep: wait_park. A task sleeps on one thing at a time, its wait: whoever parks it has
 * linked the wait where it will be posted, and supplies the abort that cancel() calls. */
#ifndef NEAP_KERNEL_TASK_H
#define NEAP_KERNEL_TASK_H

#include "kernel/future.h"

/* Undoes the wait of a parked task and posts it: true; false if it was posted already or cannot be
 * undone, then the cancellation is delivered at the step. L and message as for CancelFn. */
typedef bool (*AbortFn)(Core *core, Task *task, lua_State *L, int message);

typedef enum { WAIT_NONE, WAIT_PENDING, WAIT_DONE, WAIT_CANCELLED } WaitState;

typedef struct {
  Job job; /* resumes the task; while it sleeps until a time: its Timer's job */
  union {
    HeapNode node;  /* with job, a Timer */
    Link link;      /* in the list of waiters of a lock, a queue, ... */
    Future *future; /* borrowed (the task's stack holds it) */
    void *on;       /* borrowed: an operation's own record */
  } u;
  AbortFn abort; /* NULL: cannot be undone */
} Wait;

enum { OVER_MOST = 31 };

struct Task {
  Future future;
  uint8_t wait_state;   /* WaitState */
  uint8_t outcome : 3;  /* FutureState, between the end of the body and that of the step */
  uint8_t over : 5;     /* of its time limits so many are over, and their stretches not left */
  uint8_t top;          /* of the stack, when it parked, if that is so small */
  bool started : 1;
  bool parked : 1;
  bool must_cancel : 1; /* a cancellation to deliver at the next step */
  bool throwing : 1;    /* this step delivers one */
  bool insist : 1;      /* cancel again at every await */
  bool reached : 1;     /* cancelled since run() began to end */
  bool aside : 1;       /* what it awaits, it awaits with its C stack: see worker.h */
  uint32_t slot;        /* anchor */
  uint32_t co_slot;     /* the coroutine's */
  uint32_t cancels;     /* requests not taken back: cancelling() */
  uint32_t number;      /* of its default name */
  uint32_t slice;       /* microseconds of CPU time a step of it has; 0: no limit */
  lua_State *co;        /* borrowed, from its start to its end */
  lua_State *guest;     /* borrowed: aside, the thread that called await: `co`, or a coroutine of the user's in it */
  Worker *stack;        /* borrowed: what is parked; NULL: it yielded */
  Wait wait;
};

extern const FutureType task_type;

/* Pushes a task of the awaitable at `index`; it starts when task_start is called, eagerly (its first step
 * runs at once) or in the next tick: nothing may raise in between. One anchor more is free then.
 * options: the index of {name =, context =}, or 0. */
Task *task_new(lua_State *L, Core *core, int index, int options);
void task_start(lua_State *L, Core *core, Task *task, bool eager);
/* Both, of the awaitable, or function and arguments, from `first` to the top; leaves it in their place. */
Task *task_spawn(lua_State *L, Core *core, int first);
int task_body(lua_State *L); /* the function at the bottom of every coroutine; upvalue 1: the core */
bool task_cancel(Core *core, Future *future, lua_State *L, int index, int message);
void task_cancel_new(Core *core, Task *task); /* with what it awaits, but for what was reached before */
bool future_abort_await(Core *core, Task *task, lua_State *L, int message); /* of a task that awaits a future */
uint32_t task_uncancel(Task *task);
Task *task_check(lua_State *L, int arg);
void task_push(lua_State *L, Core *core, const Task *task); /* one that is not done */
void task_push_name(lua_State *L, int index, Task *task);
void task_step(Core *core, Job *job);                       /* what a posted wait runs */
void task_abandon(Core *core, Task *task);                  /* it ends cancelled, its coroutine never goes on */

/* Tasks that are not done, by slot: task = task_each(core, &slot) until NULL, from slot 0. */
Task *task_each(Core *core, uint32_t *slot);

/* ---- waiting ---- */

/* The thread whose stack awaits: `co`, or a coroutine of the user's. */
static inline lua_State *wait_thread(const Task *task) { return task->aside ? task->guest : task->co; }

/* The task that may park here, or an error saying why nobody may. */
Task *wait_task(lua_State *L, Core *core);

/* Parks. On resumption `k` runs; it must ask wait_ended (or throwing) first. */
int wait_park(lua_State *L, Core *core, Task *task, AbortFn abort, lua_KFunction k, lua_KContext context);

/* From the hook of the watchdog: the code of the current task goes on in the next tick. Raises its cancellation. */
void wait_preempt(lua_State *L, Core *core, Task *task);

/* The usual abort: marks the wait cancelled and posts it; the waiter's continuation unlinks it. */
bool wait_abort(Core *core, Task *task, lua_State *L, int message);

/* Its two halves, for a wait that is pending and has something to undo in between: the message, which
 * may raise, and the rest, which does not. */
void wait_note(Core *core, Task *task, lua_State *L, int message);
static inline void wait_cut(Core *core, Task *task) {
  task->wait_state = WAIT_CANCELLED;
  job_post(core, &task->wait.job);
}

/* coroutine.resume() of a task's coroutine, which coroutine.running() gives to anybody, is not its wake-up: a
 * continuation begins with this, and the task sleeps on. */
#define WAIT_MINE(L, core, k, context) \
  if (UNLIKELY(!wait_mine(L, core))) return wait_sleep_on(L, core, k, context)
static inline bool wait_mine(const lua_State *L, const Core *core) {
  return core->current && (core->current->co == L || (core->current->aside && core->current->guest == L));
}
int wait_sleep_on(lua_State *L, Core *core, lua_KFunction k, lua_KContext context);

/* Was the wait cancelled, or the task since? Then the continuation undoes and calls wait_raise. */
static inline bool wait_cancelled(const Task *task) { return task->throwing || task->wait_state == WAIT_CANCELLED; }
int wait_raise(lua_State *L, Core *core, Task *task); /* the CancelledError */
/* The state closes: undoes the wait, for k to be called and to raise; false: it cannot be undone, raise without. */
bool wait_give_up(Core *core, Task *task);
void wait_push_error(lua_State *L, Core *core, Task *task);
void wait_keep_error(lua_State *L, Core *core); /* pushes it, or the error that there is no memory; never raises */

/* Completes a pending wait: the task runs in the next tick. */
static inline void wait_post(Core *core, Task *task) {
  task->wait_state = WAIT_DONE;
  job_post(core, &task->wait.job);
}
static inline bool wait_pending(const Task *task) { return task->wait_state == WAIT_PENDING; }

static inline Task *task_of_link(Link *link) { return container_of(link, Task, wait.u.link); }

#endif
