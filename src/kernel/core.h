/* SPDX-License-Identifier: MIT
 * The core: one a Lua state, on luv's loop. It holds the ready queue, the timers, the anchors and
 * the pool of coroutines. Every C function of the library has it as its first upvalue.
 *
 * A Job is a thing to do soon: a link and a function. uv callbacks and everything that completes
 * something append jobs to the ready queue; drain() runs them, first in, first out. Everything that
 * was ready when a tick began runs in that tick, what it adds in the next (asyncio's _run_once); the
 * end of a tick is a mark in the queue. Appending never fails and needs no Lua. */
#ifndef NEAP_KERNEL_CORE_H
#define NEAP_KERNEL_CORE_H

#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "kernel/compat.h"

typedef struct Core Core;
typedef struct Job Job;
typedef struct Task Task;
typedef struct Future Future;
typedef struct Worker Worker;

typedef void (*JobFn)(Core *core, Job *job);

struct Job {
  Link link; /* in the ready queue, or in the list of callbacks of a future */
  JobFn run;
};

/* A Job that becomes ready at a time. */
typedef struct {
  Job job;
  HeapNode node;
} Timer;

typedef struct {
  lua_State *co; /* anchored in `slot`: ended or fresh, its stack empty */
  uint32_t slot;
} Pooled;

/* The handles outlive the state where the loop is the host's. */
typedef struct {
  Core *core;      /* borrowed; NULL once the state closed */
  uv_idle_t idle;  /* active if and only if `ready` is not empty */
  uv_check_t check;
  uv_timer_t timer; /* the next deadline, real clock */
  uv_async_t async;
  int open; /* of the four, and who else holds this */
  int lost; /* in the child of a fork: requests that only the parent's threads end */
} Handles;

void handles_hold(Handles *handles);    /* a request of ours is under way */
void handles_release(Handles *handles);

typedef enum { CLOCK_REAL, CLOCK_VIRTUAL } ClockMode;

struct Core {
  Link ready;      /* Jobs */
  Job mark;        /* ends a tick; in `ready` while a tick runs */
  Task *current;   /* borrowed: the task whose step runs; NULL in callbacks and outside */
  lua_State *main; /* borrowed: the state's main thread */
  lua_State *from; /* borrowed: the thread that entered the loop, for lua_resume */
  uv_loop_t *loop; /* borrowed: luv's */
  Heap timers;
  uint64_t now;      /* nanoseconds, of the clock in use; refreshed each slice */
  uint64_t armed_ms; /* what `timer` was started for; UINT64_MAX: stopped */
  ClockMode clock;
  bool running;    /* inside run() or a top-level await */
  bool draining;   /* inside drain() */
  uint32_t ignoring; /* tasks at the end of run() that ignore every cancellation */
  bool until_empty; /* stop when the last task is done */
  bool stopping;   /* leave uv_run at the end of the tick */
  bool debug;
  bool stress_gc;
  bool stress_park;
  bool contexts; /* a context variable was ever set */
  bool closed; /* the state is closing: nothing is armed or woken any more */
  int eager_depth;
  int cancel_depth; /* of cancels within cancels */
  uint32_t task_count; /* of tasks ever made: their default names */
  uint32_t live;       /* tasks not done */
  lua_State *service;  /* anchored: its stack holds the anchors table at 1; runs nothing */
  uint32_t *free_slots; /* block */
  uint32_t free_count, slot_count, slot_room;
  int anchors;    /* registry reference */
  Pooled *pool;   /* block */
  uint32_t pooled, pool_room, coroutines;
  int handler;    /* registry reference of the exception handler, LUA_NOREF: the default one */
  int context;    /* registry reference of the context outside tasks, LUA_NOREF: empty */
  Link failures;  /* Failure: errors nobody has looked at, oldest first */
  Link orphans;   /* Failure: their futures were collected; to be reported */
  uint64_t step_started; /* debug: when the step that runs began */
  volatile int interrupts; /* SIGINTs since run() began; written by the signal handler */
  int interrupts_seen;
  uint32_t rethrown_in; /* the number of the task in which an await last raised an error again; 0: outside */
  bool thrown; /* a KeyboardInterrupt was raised in a callback or a task: run() raises it again */
  LuvContext *luv; /* borrowed; its mode tells whether uv.run is active */
  Handles *handles; /* block; NULL once closed */
  struct Mailbox *mailbox; /* held until the state is gone: neap_wake looks at it */
  Link outside;        /* neap_futures */
  int expected;        /* of those outside who may wake the loop */
  int listening;       /* to so many signals, which do not keep the loop alive, but may end what looks like a deadlock */
  uint64_t budget;     /* hrtime at which drain() gives up its turn; 0: none */
  unsigned lost;       /* requests of the loop that never end, since only the parent of a fork has the threads */
  unsigned forks;      /* of the process, when the loop was made or mended */
  int left;            /* jobs of this slice; the watchdog's thread reads it */
  int pace;            /* the clock is looked at when `left` has none of these bits */
  uint32_t moment;     /* of the coarse clock, when the slice began */
  bool slow;           /* the slice ended because of it */
  uint32_t turn;       /* drains, while there is a watchdog: counted at their begin and end, so odd inside of them */
  uint32_t wanted;     /* of the watchdog: time limits that run, slices, limits of steps */
  uint32_t sliced;     /* tasks that have slices; the watchdog's thread reads it, and the next */
  uint64_t limit_at;   /* hrtime before which no time limit ends a step; may be too early */
  uint64_t step_limit; /* nanoseconds after which a step is reported while it runs; 0: never */
  uint64_t grace_over; /* hrtime after which run(), which ends, insists */
  uint32_t over;       /* time limits that are over, and whose stretches are not left: the sum of the tasks' */
  const char *library;   /* borrowed: a string of the registry; how the names of our own Lua chunks begin; NULL: not known */
  struct Watchdog *watchdog; /* block; NULL while nobody ever wanted it */
  void (*overstayed)(lua_State *L, Core *core); /* a step has used more time than it may, and is just now at an instruction of L */
  int held;            /* Lua code of reports runs: nothing may park */
  Worker *home;        /* block: stands for the stack that the loop is on */
  Worker *worker;      /* borrowed: whose stack runs; NULL: home */
  lua_State *turner;   /* borrowed: the thread that entered the loop, while a worker drains */
  Link idle;           /* Workers */
  Link workers;        /* all */
  uint32_t idle_count;
  Worker *closer;      /* borrowed: while the state closes, whose stack unwinds the others; then every await raises */
  int refused;         /* awaits of the stack that is unwound */
  const void *watch;   /* borrowed: the object whose finalizer does it */
  size_t stack_size;   /* bytes, of the next one */
};

/* The core whose jobs this thread runs just now; NULL outside drain(). */
extern _Thread_local Core *core_draining __attribute__((tls_model("initial-exec")));

static inline Core *core_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

void core_open(lua_State *L);         /* -> the box on the stack; sets up everything; raises */
void core_wake(Core *core);           /* starts the idle handle */
void core_stop(Core *core);           /* leave uv_run at the end of this tick */
bool core_io_pending(Core *core);     /* do handles or requests that are not ours keep the loop alive? */
bool core_advance(Core *core);        /* virtual clock: jump to the next deadline; false: there is none */
void core_nudge(Core *core);           /* makes a blocked poll return; from any thread */
void core_throw(lua_State *L, Core *core); /* pops a KeyboardInterrupt; the loop is left */
void core_interrupt(Core *core);      /* from a signal handler: wakes the loop */

static inline void core_set_left(Core *core, int jobs) { __atomic_store_n(&core->left, jobs, __ATOMIC_RELAXED); }

static inline void job_post(Core *core, Job *job) {
  if (list_empty(&core->ready)) core_wake(core);
  list_append(&core->ready, &job->link);
}

/* A list of jobs becomes ready at once, in order. */
static inline void jobs_post(Core *core, Link *jobs) {
  if (list_empty(jobs)) return;
  if (list_empty(&core->ready)) core_wake(core);
  list_splice(&core->ready, jobs);
}

/* ---- clock and timers ---- */
uint64_t core_now(Core *core);                                         /* nanoseconds */
uint64_t deadline_in(Core *core, double seconds);                      /* never early; saturates */
uint64_t deadline_at(double seconds);
uint64_t deadline_after(Core *core, uint64_t ns);                      /* saturates */
double check_seconds(lua_State *L, int arg);                           /* a number, neither NaN nor infinite */
void timer_reserve(lua_State *L, Core *core);                          /* room for one more timer, or raises */
void timer_arm(Core *core, Timer *timer, uint64_t when);               /* after timer_reserve */
void timer_disarm(Core *core, Timer *timer);                           /* also when due but not yet run */
static inline void timer_setup(Timer *timer, JobFn run) {
  list_create(&timer->job.link);
  timer->job.run = run;
  timer->node.place = 0;
}

/* ---- anchors: strong references that C holds, in numbered slots ---- */
uint32_t anchor_new(lua_State *L, Core *core, int index); /* raises when out of memory and none is reserved */
void anchors_make(lua_State *L, Core *core, uint32_t n);
static inline void anchors_reserve(lua_State *L, Core *core, uint32_t n) { /* free ones; runs no finalizers */
  if (UNLIKELY(core->free_count < n)) anchors_make(L, core, n);
}
void anchor_delete(Core *core, uint32_t slot);            /* never raises */
void anchor_push(Core *core, lua_State *L, uint32_t slot);
void anchor_set(lua_State *L, Core *core, uint32_t slot); /* pops the value; the slot exists */

void anchors_purge(lua_State *L, Core *core); /* run() ends: what waits for the loop gives up */

/* A protected call of function(anchored object or nil, core) from the loop, outside any task. False: it
 * failed, as a rule for want of memory; then `lost`, unless NULL, is told on stderr. */
bool core_call(Core *core, lua_CFunction function, uint32_t slot, const char *lost);

#endif
