/* SPDX-License-Identifier: MIT
 * The watchdog: time limits that end code which never awaits, slices, reports of steps that hold up the loop.
 *
 * One thread of the process looks every few milliseconds whether the step that a core runs is still the one it saw
 * last. A step says nothing of itself: it is told by how many jobs of which turn were done. Once a step has used
 * more of its thread's CPU time than it may, the thread sends its loop's thread a signal, whose handler arms a Lua hook,
 * as lua.c does for Ctrl-C; the hook runs at the next Lua instruction, where everything is in order, and calls
 * core->overstayed, which decides. Nothing is armed while no step overstays, and the thread sleeps while the
 * loop does, or while nobody wants it.
 *
 * Which Lua thread runs nobody knows but Lua. The hook is set for the task's coroutine; if that answers nothing while
 * the step goes on using CPU, a C function is on top of it, and what coroutines that one has in its arguments,
 * locals or upvalues it may be resuming: they are armed too, and so on inward. No C function is ever interrupted.
 *
 * The signal is SIGURG, which by default is ignored: one that comes too late does no harm. Others'
 * handlers of it are called for what is not ours. */
#ifndef NEAP_KERNEL_WATCHDOG_H
#define NEAP_KERNEL_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernel/task.h"

typedef struct {
  lua_State *L; /* borrowed: only compared */
  lua_Hook hook;
  int mask, count;
} SavedHook;

/* A time limit that was let expire to end the step, and whose stretch the step has not left. */
typedef struct {
  const void *of;   /* only compared: the limit, or `task`, for all that were over when it was told */
  const Task *task; /* only compared: whose limit it is; NULL: the end of run() */
  uint64_t at;    /* hrtime of the last cancellation it raised */
  uint32_t bites; /* such cancellations */
} Reason;

enum { SAVED_HOOKS = 16, REASONS = 8, HELD_UP_TEXT = 1500 };

/* What code has used, and what it was told, since its last await: through steps that were preempted in between. */
typedef struct {
  uint64_t used; /* CPU time, nanoseconds, of steps before the one that runs */
  Reason reasons[REASONS];
  int count;
} Stretch;

typedef enum { TEXT_NONE, TEXT_READY, TEXT_PRINTED } TextState;

/* Fields are the loop's own thread's, but where others are named. */
typedef struct Watchdog {
  Link link; /* of all; under the lock */
  Core *core;
  _Atomic(bool) asleep;  /* the thread does not look at this core until it is told to */
  _Atomic(uint64_t) once; /* the step that is watched though nobody wants others to be */
  _Atomic(bool) calling; /* the thread is about to send a signal, or has just sent it */
  _Atomic(bool) rung;    /* by the thread; taken by the handler */
  _Atomic(uint64_t) period; /* nanoseconds between two looks */
  _Atomic(uint64_t) allowance; /* of CPU time, nanoseconds, before a step is asked */
  pthread_t thread;      /* which drains; of the thread's, while the turn is odd */
  /* the thread's, of the step it sees: */
  uint64_t step, since, first_used;
  uint32_t idle;
  /* the thread's; read by the hook while the step lasts */
  _Atomic(uint64_t) suspect; /* the step it rang for */
  _Atomic(uint64_t) used;    /* CPU time of that step, nanoseconds */
  _Atomic(uint64_t) lasted;  /* wall time of it */
  /* the hook's; read by the thread: */
  _Atomic(uint64_t) calm, calm_until; /* the step that no limit ends before that hrtime */
  /* the handler's and the hook's: */
  uint64_t asked;      /* the step that was asked; 0: it has answered */
  uint64_t asked_used; /* CPU time it had used then */
  uint32_t asks;       /* without an answer */
  SavedHook saved[SAVED_HOOKS];
  int saved_count;
  _Atomic(bool) busy; /* the hook changes them: the handler, which may come in between, leaves them alone */
  /* of core->overstayed, for the step `bitten`: */
  uint64_t bitten;
  Stretch stretch; /* that of preempted code is on its C stack */
  uint64_t told;   /* the step in which an await raised an error while a limit was over */
  uint64_t reported; /* the step that was */
  /* a report of a C function, from the handler to the thread: */
  _Atomic(int) text_state; /* TextState */
  char text[HELD_UP_TEXT];
} Watchdog;

#define NS_PER_MS UINT64_C(1000000)

enum { OVERSTAY_MS = 50 }; /* of CPU time: a shorter step is left to end by itself */

/* Somebody wants steps watched from now on, until watchdog_release. False: no memory for it, or no
 * thread; then nothing is watched. */
bool watchdog_want(Core *core);
static inline void watchdog_release(Core *core) { __atomic_store_n(&core->wanted, core->wanted - 1, __ATOMIC_RELAXED); }
bool watchdog_once(Core *core); /* the step that runs, until it ends */

/* From `when` on (hrtime) a step that overstays is asked; before, only for the sake of slices and step_limit. */
static inline void watchdog_at(Core *core, uint64_t when) {
  if (when < core->limit_at) __atomic_store_n(&core->limit_at, when, __ATOMIC_RELAXED);
  if (UNLIKELY(core->watchdog && when < core->watchdog->calm_until)) core->watchdog->calm_until = when;
}

/* The step that runs has answered: no limit ends it before `calm_until`, and others none before `limit_at`. */
void watchdog_calm(Core *core, uint64_t calm_until, uint64_t limit_at);

/* One more task, or one less, has slices, of so many nanoseconds; after watchdog_once. */
void watchdog_slice(Core *core, uint64_t slice);
void watchdog_unslice(Core *core);

/* The task is done: neither slices nor limits of it are left. */
static inline void watchdog_end(Core *core, Task *task) {
  if (UNLIKELY(task->slice)) watchdog_unslice(core);
  if (LIKELY(task->over == 0)) return;
  core->over -= task->over;
  task->over = 0;
}

void watchdog_close(Core *core);

/* The step that runs, as a number that no other has; 0 between steps. */
static inline uint64_t watchdog_step(const Core *core) {
  uint32_t turn = __atomic_load_n(&core->turn, __ATOMIC_SEQ_CST);
  return turn & 1 ? (uint64_t)turn << 32 | (uint32_t)__atomic_load_n(&core->left, __ATOMIC_RELAXED) : 0;
}

/* Around every drain, of a core that is watched. */
void watchdog_enter(Core *core);
void watchdog_leave(Core *core);

/* An await raises an error: perhaps because of a limit that is over. Who swallows it and awaits no more is told again. */
void watchdog_tell(Core *core);
static inline void watchdog_told(Core *core) {
  if (UNLIKELY(core->over > 0)) watchdog_tell(core);
}

/* A task that the step started at once is done or waits; preempted, it has made another step of the rest of this one, that
 * was `from`. If a limit was let expire, the step is asked at the next instruction of L: it may start the next task before
 * it is looked at. */
void watchdog_back(lua_State *L, Core *core, uint64_t from);

/* The stretch of a time limit is left: it ends no step any more. */
void watchdog_forgive(Core *core, const void *limit);

/* From core->overstayed, which runs in the hook on L: call again at the n-th instruction from now. */
void watchdog_again(lua_State *L, int n);

#endif
