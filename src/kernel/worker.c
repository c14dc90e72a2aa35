/* SPDX-License-Identifier: MIT */
#include "kernel/worker.h"

#include <string.h>

#include "base/memory.h"
#include "kernel/debug.h"
#include "kernel/fail.h"
#include "kernel/guard.h"
#include "kernel/host.h"
#include "kernel/report.h"
#include "kernel/stack.h"
#include "kernel/trace.h"

enum {
  IDLE_LIMIT = 64,  /* stacks kept for the next ones */
  ROOM = 16 << 10   /* bytes of its stack that a task has left when it parks */
};

struct Worker {
  Stack stack;
  Core *core;    /* borrowed */
  lua_State *L;  /* anchored in `slot`: steps are resumed from it */
  uint32_t slot;
  Link idle;     /* in core->idle, while it rests */
  Link link;     /* in core->workers */
  Job *start;    /* what to run when it wakes; NULL: it drains */
  Worker *back;  /* who waits for the end of `start`'s step, or for a park */
  Task *outer;   /* borrowed, while there is `back`: the task that started that step; NULL: none */
  Task *task;    /* borrowed: what is parked here; NULL: nothing */
  bool again;    /* the continuation called wait_park, and returned for it */
  bool open;     /* a continuation runs, and has awaited nothing anew */
  lua_KFunction k; /* `again`: the next */
  lua_KContext context;
};

/* ---- resting and waking ---- */

static void rest_as_idle(Core *core, Worker *self) {
  list_append(&core->idle, &self->idle);
  core->idle_count++;
}

static Worker *take_idle(Core *core) {
  core->idle_count--;
  return container_of(list_shift(&core->idle), Worker, idle);
}

/* Control is with `worker`, which drains. */
static void hand_over(Core *core, Worker *worker) {
  core->worker = worker;
  core->from = worker->L;
  core->current = NULL;
}

/* What a worker does when somebody switched to it while it rested. */
static void woken(Core *core, Worker *self) {
  while (self->start) {
    Job *job = self->start;
    self->start = NULL;
    job->run(core, job);
    Worker *back = self->back;
    if (!back) return; /* the step was parked meanwhile, and the drain went on here */
    self->back = NULL;
    rest_as_idle(core, self);
    stack_switch(&self->stack, &back->stack);
  }
}

static void work(void *arg) {
  Worker *self = arg;
  Core *core = self->core;
  for (;;) {
    woken(core, self);
    core_jobs(core);
    rest_as_idle(core, self);
    stack_switch(&self->stack, &(core->closer ? core->closer : core->home)->stack);
  }
}

/* ---- making ---- */

static int no_stack(lua_State *L) { return luaL_error(L, "not enough memory for a C stack"); }

/* One more, idle; or raises. */
static void worker_make(lua_State *L, Core *core) {
  lua_State *own = lua_newthread(L);
  anchors_reserve(L, core, 1);
  Worker *worker = memory_new(sizeof *worker);
  if (!worker) no_stack(L);
  *worker = (Worker){.core = core, .L = own};
  if (!stack_create(&worker->stack, core->stack_size, work, worker)) {
    memory_delete(worker);
    no_stack(L);
  }
  worker->slot = anchor_new(L, core, -1);
  lua_pop(L, 1);
  list_create(&worker->idle);
  list_create(&worker->link);
  list_append(&core->workers, &worker->link);
  rest_as_idle(core, worker);
}

static int call_make(lua_State *L) {
  worker_make(L, lua_touserdata(L, 2));
  return 0;
}

static void worker_delete(Core *core, Worker *worker) {
  list_remove(&worker->link);
  list_remove(&worker->idle);
  stack_destroy(&worker->stack);
  if (!core->closed) anchor_delete(core, worker->slot);
  memory_delete(worker);
}

bool worker_open(Core *core) {
  list_create(&core->idle);
  list_create(&core->workers);
  core->stack_size = STACK_USUAL;
  core->home = memory_new(sizeof *core->home);
  if (!core->home) return false;
  *core->home = (Worker){.core = core};
  stack_adopt(&core->home->stack);
  return true;
}

/* Is a stack parked? Then somebody must be there to drain, with memory or without. */
static bool any_parked(const Core *core) {
  list_each(link, &core->workers) {
    if (list_empty(&container_of(link, Worker, link)->idle)) return true;
  }
  return false;
}

void worker_set_size(Core *core, size_t bytes) {
  if (core->stack_size == bytes || core->worker) return;
  core->stack_size = bytes;
  uint32_t keep = any_parked(core);
  while (core->idle_count > keep) worker_delete(core, take_idle(core));
}

/* ---- draining ---- */

void worker_drain(Core *core) {
  if (STACKS && list_empty(&core->idle)) core_call(core, call_make, 0, NULL);
  if (list_empty(&core->idle)) {
    core_jobs(core);
    return;
  }
  lua_State *from = core->turner = core->from;
  Worker *worker = take_idle(core);
  hand_over(core, worker);
  stack_adopt(&core->home->stack); /* the thread that turns the loop may be another one now */
  stack_switch(&core->home->stack, &worker->stack);
  core->worker = NULL;
  core->from = from;
  while (core->idle_count > IDLE_LIMIT) worker_delete(core, take_idle(core));
}

void worker_start(Core *core, Job *job) {
  if (STACKS && list_empty(&core->idle)) core_call(core, call_make, 0, NULL);
  if (list_empty(&core->idle)) {
    job->run(core, job);
    return;
  }
  Worker *self = core->worker, *back = self ? self : core->home, *worker = take_idle(core);
  Task *current = core->current;
  lua_State *from = core->from;
  int held = core->held;
  if (!self) core->turner = from;
  core->held = 0; /* the step may park: its stack is not that of who reports */
  worker->start = job;
  worker->back = back;
  worker->outer = current;
  hand_over(core, worker);
  stack_switch(&back->stack, &worker->stack);
  core->worker = self;
  core->from = from;
  core->current = current;
  core->held = held;
}

/* ---- the state closes ---- */

enum { REFUSALS_LIMIT = 1000 }; /* awaits that a stack may try while it is unwound */

/* Returns when the worker rests; or, false, when its task does not end. */
static bool unwind(Core *core, Worker *worker) {
  Task *task = worker->task;
  worker->task = NULL;
  task->stack = NULL;
  core->current = task;
  core->worker = worker;
  core->from = worker->L;
  core->held = core->refused = 0;
  core_set_left(core, 0);
  stack_switch(&core->closer->stack, &worker->stack);
  return !list_empty(&worker->idle);
}

/* From the stack that closes the state, which stays where it is. How many did not end. */
static int unwind_all(Core *core) {
  Worker *self = core->worker;
  Task *current = core->current;
  lua_State *from = core->from;
  Core *draining = core_draining;
  int mode = core->luv->mode, left = core->left, held = core->held, lost = 0;
  core_draining = NULL;               /* await takes the long way, and looks */
  core->luv->mode = UV_RUN_DEFAULT; /* nobody turns the loop */
  core->closer = self ? self : core->home;
  if (!self) stack_adopt(&core->home->stack);
  list_each(link, &core->workers) {
    Worker *worker = container_of(link, Worker, link);
    if (worker->task && !future_done(&worker->task->future)) lost += !unwind(core, worker); /* else run() has given it up */
  }
  core->closer = NULL;
  core->luv->mode = mode;
  core_draining = draining;
  core->worker = self;
  core->current = current;
  core->from = from;
  core_set_left(core, left);
  core->held = held;
  return lost;
}

int worker_refuse(lua_State *L, Core *core, Task *task) {
  Worker *self = core->worker;
  if (++core->refused > REFUSALS_LIMIT) stack_switch(&self->stack, &core->closer->stack); /* for good */
  return wait_raise(L, core, task);
}

static const char watch_key = 0;      /* registry: the object */
static const char watch_meta_key = 0; /* registry: its metatable */

/* An object's time has come: it is an old one, which others have followed, or the state closes. */
static int on_watch(lua_State *L) {
  Core **it = lua_touserdata(L, 1), *core = *it;
  if (it != core->watch || core->closed || core->closer || core->forks != fork_count()) return 0;
  int lost = unwind_all(core);
  if (lost > 0) report_text(L, core, "the state closes with tasks that cannot be ended: %d; what C functions hold in them is lost", lost);
  return 0;
}

static void watch_closing(lua_State *L, Core *core) {
  Core **it = lua_newuserdatauv(L, sizeof *it, 0);
  *it = core;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &watch_meta_key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, on_watch);
    lua_setfield(L, -2, "__gc");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &watch_meta_key);
  }
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watch_key);
  core->watch = it;
}

/* ---- parking ---- */

/* The C function that is in the way, where stacks cannot be parked, with the Lua line that called it. */
static int refuse(lua_State *L, const char *why) {
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sn", &frame);
    if (*frame.what != 'C' && strcmp(frame.namewhat, "metamethod") != 0) continue;
    const char *name = frame.name ? frame.name : "?";
    trace_where(L, L, level + 1);
    return fail_raise(L, FAIL_RUNTIME, "await cannot suspend here: '%s', called at %s, is in between, and %s", name, lua_tostring(L, -1), why);
  }
  return fail_raise(L, FAIL_RUNTIME, "await cannot suspend here: a C function is in between, and %s", why);
}

bool worker_aside(lua_State *L, Core *core, Task *task) {
  bool open = core->worker->open;
  core->worker->open = false;
  task->aside = true;
  task->guest = L;
  return open;
}

void worker_reopen(Core *core, bool open) { core->worker->open = open; }

void worker_check(lua_State *L, Core *core, Task *task) {
  guard_finalizer(L, "await");
  if (core->held > 0) fail_raise(L, FAIL_RUNTIME, "await inside an exception handler");
  if (!STACKS) refuse(L, "C stacks cannot be switched on this platform");
  if (!core->worker || core->closed) refuse(L, "there is not enough memory for C stacks");
  if (L == core->main || L == core->turner)
    fail_raise(L, FAIL_RUNTIME, "await on the Lua thread that runs the loop: a C library called back on it, not on the task's");
  if (stack_room(&core->worker->stack) < ROOM) luaL_error(L, "C stack overflow: too many awaits are inside of each other (see stack_size)");
  if (list_empty(&core->idle)) worker_make(L, core);
  watch_closing(L, core);
  worker_aside(L, core, task);
}

/* nothing, core: all that parking needs */
static int call_ready(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  if (list_empty(&core->idle)) worker_make(L, core);
  watch_closing(L, core);
  return 0;
}

bool worker_may_park(lua_State *L, Core *core) {
  if (!STACKS || !core->worker || core->closed || core->closer || core->held > 0 || L == core->main || L == core->turner) return false;
  if (stack_room(&core->worker->stack) < ROOM || guard_in_finalizer(L)) return false;
  lua_pushcfunction(L, call_ready);
  lua_pushnil(L);
  lua_pushlightuserdata(L, core);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

Task *worker_outer(const Core *core, Worker **at) {
  Worker *it = *at ? *at : core->worker;
  if (!it || !it->back) return NULL;
  *at = it->back;
  return it->outer;
}

/* Another worker goes on, until somebody resumes the task. */
static void sleep_on_stack(Core *core, Task *task) {
  Worker *self = core->worker, *to = self->back;
  if (UNLIKELY(core->debug)) debug_check_step(core, task);
  if (UNLIKELY(core->budget != 0) && uv_hrtime() >= core->budget) core_set_left(core, 0);
  task->stack = self;
  self->task = task;
  if (to)
    self->back = NULL;
  else
    hand_over(core, to = take_idle(core));
  stack_switch(&self->stack, &to->stack);
}

int worker_park(lua_State *L, Core *core, Task *task, lua_KFunction k, lua_KContext context) {
  Worker *self = core->worker;
  if (self->open) { /* in the continuation of the last await: it returns, and goes on below */
    self->open = false;
    self->again = true;
    self->k = k;
    self->context = context;
    return 0;
  }
  for (;;) {
    task->guest = L; /* what ran since worker_check may have parked from elsewhere */
    if (UNLIKELY(core->closer)) return wait_give_up(core, task), wait_raise(L, core, task);
    sleep_on_stack(core, task);
    if (UNLIKELY(core->closer) && !wait_give_up(core, task)) return wait_raise(L, core, task);
    self->again = false;
    self->open = true;
    int results = k(L, LUA_YIELD, context);
    self->open = false;
    if (!self->again) return results;
    k = self->k;
    context = self->context;
  }
}

void worker_resume(Core *core, Task *task) {
  Worker *self = core->worker, *to = task->stack;
  task->stack = NULL;
  to->task = NULL;
  rest_as_idle(core, self);
  core->worker = to;
  core->from = to->L;
  stack_switch(&self->stack, &to->stack);
  woken(core, self);
}

void worker_unhook(Core *core, lua_Hook hook) {
  list_each(link, &core->workers) {
    lua_State *L = container_of(link, Worker, link)->L;
    if (lua_gethook(L) == hook) lua_sethook(L, NULL, 0, 0);
  }
}

/* ---- closing ---- */

void worker_close(Core *core) {
  if (!core->home) return;
  list_each_safe(link, &core->workers) {
    Worker *worker = container_of(link, Worker, link);
    if (worker != core->worker) worker_delete(core, worker);
  }
  memory_delete(core->home);
  core->home = NULL;
}
