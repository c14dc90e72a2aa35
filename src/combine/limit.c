/* SPDX-License-Identifier: MIT
 * Time limits that bite: what happens to a step that has used more than it may. Runs in the watchdog's hook, at an
 * instruction of Lua code, so all of ours is in order.
 *
 * A limit that is due is let expire before its turn only if it ends this step: if its task is the one that runs, or waits
 * for it, itself or through others. Then the cancellation is raised in place. Who ends in a TaskGroup is cancelled
 * by the group's own task, which needs a step for that: the code is preempted, as it is by the end of its slice.
 * Code that swallows the cancellation and goes on without an await gets it again, in the end at every instruction. */
#include <string.h>

#include "combine/combine.h"
#include "combine/scope.h"
#include "kernel/fail.h"
#include "kernel/guard.h"
#include "kernel/report.h"
#include "kernel/watchdog.h"
#include "kernel/worker.h"

enum {
  WAITERS_LIMIT = 64,  /* tasks looked at that wait for the one that runs */
  AGAIN_MS = 500,      /* until a cancellation that was swallowed is raised again */
  BITES_LIMIT = 4,     /* then at every instruction */
  LIBRARY_COUNT = 100 /* instructions of our own Lua code, which is not interrupted */
};

static const char library_key = 0; /* registry: how the names of our chunks begin */

/* ---- whom the step keeps waiting ---- */

typedef struct {
  Task *at[WAITERS_LIMIT];
  int count;
} Waiters;

static void add_waiter(Waiters *all, Task *task) {
  for (int i = 0; i < all->count; i++)
    if (all->at[i] == task) return;
  if (task && all->count < WAITERS_LIMIT) all->at[all->count++] = task;
}

enum { GATHERS_DEEP = 16 };

static void add_waiters_of(Waiters *all, Future *future, int depth) {
  if (future_done(future) || depth == GATHERS_DEEP) return;
  list_each(link, &future->u.callbacks) {
    Job *job = container_of(link, Job, link);
    Future *gather = gather_of(job);
    if (job->run == task_step)
      add_waiter(all, container_of(job, Task, wait.job));
    else if (gather)
      add_waiters_of(all, gather, depth + 1);
    else
      add_waiter(all, taskgroup_parent(job));
  }
}

/* The task, and all that wait for it: directly, in a gather, as parent of its group, or for having started it. */
static void find_waiters(const Core *core, Waiters *all, Task *task) {
  all->count = 0;
  add_waiter(all, task);
  Worker *at = NULL;
  for (Task *outer; (outer = worker_outer(core, &at)) != NULL;) add_waiter(all, outer);
  for (int i = 0; i < all->count; i++) add_waiters_of(all, &all->at[i]->future, 0);
}

static bool waits(const Waiters *all, const Task *task) {
  for (int i = 0; i < all->count; i++)
    if (all->at[i] == task) return true;
  return false;
}

/* Is one of them to be told of its cancellation as soon as it has a step? */
static bool any_cancelled(const Waiters *all) {
  for (int i = 1; i < all->count; i++) {
    const Task *task = all->at[i];
    if (task->must_cancel || (task->parked && task->wait_state == WAIT_CANCELLED)) return true;
  }
  return false;
}

/* ---- the limits that are due ---- */

static Scope *due_in_heap(const Core *core, const Waiters *all, uint64_t now) {
  for (uint32_t i = 0; i < core->timers.count; i++) {
    if (core->timers.at[i].when > now) continue;
    Scope *scope = scope_of(&container_of(core->timers.at[i].node, Timer, node)->job);
    if (scope && waits(all, scope->task)) return scope;
  }
  return NULL;
}

static Scope *due_in_queue(const Core *core, const Waiters *all) {
  list_each(link, &core->ready) {
    Scope *scope = scope_of(container_of(link, Job, link));
    if (scope && waits(all, scope->task)) return scope;
  }
  return NULL;
}

static void add_reason(Core *core, Reason reason) {
  Stretch *it = &core->watchdog->stretch;
  watchdog_forgive(core, reason.of); /* another one was there, and is no more */
  if (it->count == REASONS) it->count--;
  it->reasons[it->count++] = reason;
}

static bool has_reason(const Stretch *it, const Task *task) {
  for (int i = 0; i < it->count; i++)
    if (it->reasons[i].task == task) return true;
  return false;
}

/* Limits that the loop came to in time, while the code stood still: its await, or what preempted it, has raised. */
static void add_told(Core *core, const Waiters *all, uint64_t now) {
  Watchdog *it = core->watchdog;
  if (it->told != watchdog_step(core)) return;
  it->told = 0;
  for (int i = 0; i < all->count; i++) {
    const Task *task = all->at[i];
    if (task->over > 0 && !has_reason(&it->stretch, task)) add_reason(core, (Reason){task, task, now, 1});
  }
}

static void expire_due(Core *core, const Waiters *all, uint64_t now) {
  Scope *scope;
  while ((scope = due_in_queue(core, all)) != NULL || (scope = due_in_heap(core, all, now)) != NULL) {
    scope_expire(core, scope);
    add_reason(core, (Reason){scope, scope->task, 0, 0});
  }
}

/* When is this step to be asked again? Limits that are due and do not end it are not its affair, but the next step may
 * be that of their task, before the loop comes to them. */
static void next_limit(Core *core, uint64_t now) {
  uint64_t next = core->until_empty && core->grace_over > now ? core->grace_over : UINT64_MAX;
  bool due = false, real = core->clock == CLOCK_REAL;
  for (uint32_t i = 0; real && i < core->timers.count; i++) {
    uint64_t when = core->timers.at[i].when;
    if ((when > now && when >= next) || !scope_of(&container_of(core->timers.at[i].node, Timer, node)->job)) continue;
    if (when > now)
      next = when;
    else
      due = true;
  }
  due = due || core->over > 0; /* whose step awaits no more, perhaps */
  list_each(link, &core->ready) due = due || (real && scope_of(container_of(link, Job, link)));
  watchdog_calm(core, next, due ? 0 : next);
}

/* ---- what is done to the step ---- */

/* core; on the thread that runs */
static int report_step(lua_State *L) {
  Core *core = lua_touserdata(L, 1);
  Task *task = core->current;
  int milliseconds = (int)(atomic_load(&core->watchdog->lasted) / NS_PER_MS);
  lua_settop(L, 0);
  lua_createtable(L, 0, 2);
  if (task) {
    task_push(L, core, task);
    task_push_name(L, 2, task);
    lua_pushfstring(L, "a step of task %s has run for %d ms, and goes on", lua_tostring(L, -1), milliseconds);
  } else {
    lua_pushfstring(L, "a callback has run for %d ms, and goes on", milliseconds);
  }
  lua_setfield(L, 1, "message");
  lua_settop(L, 1);
  luaL_traceback(L, L, NULL, 1);
  if (task && task->co && task->co != L) {
    lua_pushliteral(L, "\nin a coroutine of the task, whose own ");
    luaL_traceback(L, task->co, NULL, 0);
    lua_concat(L, 3);
  }
  lua_setfield(L, 1, "traceback");
  report(L, core);
  return 0;
}

static void tell(lua_State *L, Core *core, Watchdog *it) {
  uint64_t step = watchdog_step(core);
  if (!core->step_limit || it->reported == step || atomic_load(&it->lasted) < core->step_limit) return;
  it->reported = step;
  core->held++;
  lua_pushcfunction(L, report_step);
  lua_pushlightuserdata(L, core);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory to tell it */
  core->held--;
}

/* Each limit counts for itself: they may be within one another, each swallowing what the outer one raised. */
static bool due_again(const Reason *reason, uint64_t now) {
  return reason->bites >= BITES_LIMIT || now - reason->at >= AGAIN_MS * NS_PER_MS;
}

static bool swallowed_again(const Stretch *it, uint64_t now) {
  for (int i = 0; i < it->count; i++)
    if (it->reasons[i].bites > 0 && due_again(&it->reasons[i], now)) return true;
  return false;
}

static void bite(lua_State *L, Core *core, Stretch *it, Task *task, uint64_t now) {
  bool killing = false;
  for (int i = 0; i < it->count; i++) {
    Reason *reason = &it->reasons[i];
    if (reason->bites == 0 || due_again(reason, now)) reason->bites++, reason->at = now;
    killing |= reason->bites >= BITES_LIMIT;
  }
  task->must_cancel = false;
  task->wait_state = WAIT_NONE;
  if (killing) watchdog_again(L, 1);
  wait_raise(L, core, task);
}

/* Of what was told, the limits that were not left meanwhile, of tasks that still wait for this one. */
static void keep_reasons(Stretch *it, const Waiters *all) {
  int count = 0;
  for (int i = 0; i < it->count; i++) {
    const Task *task = it->reasons[i].task;
    if (!task || (waits(all, task) && task->over > 0)) it->reasons[count++] = it->reasons[i];
  }
  it->count = count;
}

static void remember(Core *core, Task *task, const Stretch *kept) {
  Watchdog *it = core->watchdog;
  Waiters all;
  find_waiters(core, &all, task);
  it->bitten = watchdog_step(core);
  it->stretch = *kept;
  keep_reasons(&it->stretch, &all);
  if (it->stretch.count > 0) watchdog_once(core);
}

/* The code stands still, and goes on in the next tick. If it is cancelled meanwhile it is told so, and counts anew. */
static void preempt(lua_State *L, Core *core, Task *task, uint64_t used) {
  Stretch kept = core->watchdog->stretch;
  kept.used += used;
  wait_preempt(L, core, task);
  if (core->watchdog->bitten != watchdog_step(core)) remember(core, task, &kept);
}

static bool of_library(lua_State *L, const Core *core) {
  lua_Debug frame;
  return core->library && lua_getstack(L, 0, &frame) && lua_getinfo(L, "S", &frame) &&
         strncmp(frame.source, core->library, strlen(core->library)) == 0;
}

static void begin_step(Core *core, Watchdog *it) {
  uint64_t step = watchdog_step(core);
  if (it->bitten == step) return;
  it->bitten = step;
  it->stretch = (Stretch){0};
}

/* The time that run() gives tasks at its end is over, and it cannot say so. */
static void end_of_grace(Core *core, uint64_t now) {
  if (core->until_empty && now >= core->grace_over) add_reason(core, (Reason){&core->grace_over, NULL, 0, BITES_LIMIT});
}

static void on_overstayed(lua_State *L, Core *core) {
  Watchdog *it = core->watchdog;
  Task *task = core->current;
  tell(L, core, it);
  uint64_t used = atomic_load(&it->used), now = uv_hrtime();
  if (!task) next_limit(core, now); /* a callback: nothing ends it */
  if (!task || core->held > 0 || guard_in_finalizer(L)) return;
  begin_step(core, it);
  bool sliced = task->slice && used >= task->slice * UINT64_C(1000), late = it->stretch.used + used >= OVERSTAY_MS * NS_PER_MS;
  if (!sliced && !late) return;
  if (of_library(L, core)) {
    watchdog_again(L, LIBRARY_COUNT);
    return;
  }
  Waiters all;
  find_waiters(core, &all, task);
  keep_reasons(&it->stretch, &all);
  add_told(core, &all, now);
  if (late && core->clock == CLOCK_REAL) expire_due(core, &all, now);
  if (late || task->insist) end_of_grace(core, now);
  next_limit(core, now);
  if (it->stretch.count > 0) watchdog_at(core, 0); /* it may be swallowed */
  if ((late && task->must_cancel) || swallowed_again(&it->stretch, now)) bite(L, core, &it->stretch, task, now);
  bool ending = any_cancelled(&all);
  if (ending) watchdog_at(core, 0); /* it may run again before all of them have */
  if (sliced || ending) preempt(L, core, task, used);
}

/* Called from neap/init.lua, by require: where that file is the others are. */
static void find_library(lua_State *L, Core *core) {
  lua_Debug frame;
  if (!lua_getstack(L, 2, &frame) || !lua_getinfo(L, "S", &frame)) return;
  const char *slash = strrchr(frame.source, '/');
  if (!slash || strcmp(slash, "/init.lua") != 0) return;
  core->library = lua_pushlstring(L, frame.source, (size_t)(slash - frame.source) + 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &library_key);
}

void limit_open(lua_State *L, Core *core) {
  core->overstayed = on_overstayed;
  find_library(L, core);
}
