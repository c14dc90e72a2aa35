/* SPDX-License-Identifier: MIT
 * Draining the ready queue inside uv_run. The idle handle is active exactly while jobs are ready: it
 * keeps the loop alive and makes the poll return at once. It and a check handle that the loop does
 * not count both drain, so that tasks progress under run(), uv.run() and a host's uv_run alike, and
 * between a wake-up by I/O and the job it made nothing else is polled.
 *
 * uv callbacks here take no lua_State: nothing in this file can raise. */
#include "kernel/loop.h"

#include <time.h>

#include "base/memory.h"
#include "kernel/mailbox.h"
#include "kernel/outside.h"
#include "kernel/report.h"
#include "kernel/step.h"
#include "kernel/watchdog.h"
#include "kernel/worker.h"

enum {
  SLICE = 128, /* jobs between two polls, at most; a poll costs about as much as one switch */
  PACE = 7     /* every so many jobs, a power of two less one, the slice looks whether it takes too long */
};

/* A clock that ticks every few milliseconds and costs little to read. */
static uint32_t coarse_moment(void) {
#ifdef CLOCK_MONOTONIC_COARSE
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint32_t)now.tv_nsec;
#else
  return (uint32_t)(uv_hrtime() >> 22);
#endif
}

/* Jobs that take long get shorter slices: I/O and timers wait for a tick of that clock and what runs just then. */
static bool slice_over(Core *core) {
  if (coarse_moment() == core->moment) return false;
  core->slow = true;
  return true;
}

static void begin_slice(Core *core) {
  core_set_left(core, SLICE);
  core->pace = core->slow ? 0 : PACE;
  core->slow = false;
  core->moment = coarse_moment();
}

static void on_timer(uv_timer_t *timer);

static void expire(Core *core) {
  while (!heap_empty(&core->timers) && heap_next(&core->timers) <= core->now) {
    HeapNode *node = core->timers.at[0].node;
    heap_remove(&core->timers, node);
    job_post(core, &container_of(node, Timer, node)->job);
  }
}

/* Starts the uv timer for the next deadline; rounds up, so that nothing is early. */
static void rearm(Core *core) {
  if (core->closed) return;
  uint64_t ms = UINT64_MAX;
  if (core->clock == CLOCK_REAL && !heap_empty(&core->timers)) {
    uint64_t when = heap_next(&core->timers);
    ms = when / 1000000 + (when % 1000000 != 0);
  }
  if (ms == core->armed_ms) return;
  core->armed_ms = ms;
  if (ms == UINT64_MAX) {
    uv_timer_stop(&core->handles->timer);
    return;
  }
  uint64_t now = uv_now(core->loop);
  uv_timer_start(&core->handles->timer, on_timer, ms > now ? ms - now : 0, 0);
}

bool core_io_pending(Core *core) {
  uv_idle_stop(&core->handles->idle);
  bool pending = uv_loop_alive(core->loop);
  if (!list_empty(&core->ready)) core_wake(core);
  return pending;
}

bool core_advance(Core *core) {
  if (core->clock != CLOCK_VIRTUAL || heap_empty(&core->timers)) return false;
  if (heap_next(&core->timers) > core->now) core->now = heap_next(&core->timers);
  expire(core);
  return true;
}

static void on_job_mark(Core *core, Job *job) {
  UNUSED(core), UNUSED(job);
}

static int call_report_orphans(lua_State *L) {
  report_orphans(L, lua_touserdata(L, 2));
  return 0;
}

static void tell_lost(const char *lost, const char *why) {
  if (lost) lua_writestringerror("neap: %s: ", lost), lua_writestringerror("%s\n", why);
}

bool core_call(Core *core, lua_CFunction function, uint32_t slot, const char *lost) {
  lua_State *L = core->from;
  if (!lua_checkstack(L, LUA_MINSTACK)) return tell_lost(lost, "not enough memory"), false;
  lua_pushcfunction(L, function);
  if (slot)
    anchor_push(core, L, slot);
  else
    lua_pushnil(L);
  lua_pushlightuserdata(L, core);
  core->held++;
  int status = lua_pcall(L, 2, 0, 0);
  core->held--;
  if (status == LUA_OK) return true;
  tell_lost(lost, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1));
  lua_pop(L, 1);
  return false;
}

_Thread_local Core *core_draining;

/* Jobs until the slice is used up, ticks marked off by core->mark. */
void core_jobs(Core *core) {
  while (core->left > 0) {
    if (list_empty(&core->mark.link)) { /* between two ticks */
      if (UNLIKELY(core->interrupts > core->interrupts_seen) && core->running) {
        uv_stop(core->loop);
        return;
      }
      expire(core);
      if (list_empty(&core->ready)) {
        if (core->clock == CLOCK_VIRTUAL && !heap_empty(&core->timers) && !core_io_pending(core)) {
          core_advance(core);
          continue;
        }
        return;
      }
      list_append(&core->ready, &core->mark.link);
    }
    Job *job = container_of(list_shift(&core->ready), Job, link);
    if (job == &core->mark) {
      if (!core->stopping) continue;
      uv_stop(core->loop);
      return;
    }
    if (UNLIKELY(core->stress_gc)) lua_gc(core->from, LUA_GCCOLLECT, 0);
    core_set_left(core, core->left - 1);
    if (LIKELY(job->run == task_step))
      task_run(core, container_of(job, Task, wait.job), 0);
    else
      job->run(core, job);
    if (UNLIKELY((core->left & core->pace) == 0) && slice_over(core)) return;
    if (UNLIKELY(core->budget != 0) && uv_hrtime() >= core->budget) return;
  }
}

/* One slice, on a stack of its own: a task that awaits where it cannot yield parks that. */
static void drain(Core *core) {
  if (core->draining || core->closed) return;
  Core *outer = core_draining; /* another state's, if its task turned this loop */
  core_draining = core;
  core->draining = true;
  begin_slice(core);
  if (core->watchdog) watchdog_enter(core);
  if (core->clock == CLOCK_REAL && !heap_empty(&core->timers)) core->now = uv_hrtime();
  worker_drain(core);
  if (!list_empty(&core->orphans) && core->clock == CLOCK_REAL)
    core_call(core, call_report_orphans, 0, "an error that was never retrieved is lost");
  core->draining = false;
  if (core->watchdog) watchdog_leave(core);
  core_draining = outer;
  if (core->closed) return; /* os.exit(code, true) in a task */
  if (list_empty(&core->ready)) uv_idle_stop(&core->handles->idle);
  rearm(core);
}

static void on_idle(uv_idle_t *idle) { drain(container_of(idle, Handles, idle)->core); }

static void on_check(uv_check_t *check) {
  Core *core = container_of(check, Handles, check)->core;
  if (list_empty(&core->ready)) return;
  if (UNLIKELY(core->budget != 0) && uv_hrtime() >= core->budget) return; /* on_idle has used it up */
  drain(core);
}

static void on_timer(uv_timer_t *timer) {
  Core *core = container_of(timer, Handles, timer)->core;
  core->armed_ms = UINT64_MAX;
  core->now = uv_hrtime();
  expire(core);
  rearm(core);
}

static void on_async(uv_async_t *async) {
  Core *core = container_of(async, Handles, async)->core;
  if (!core) return;
  mailbox_arrived(core);
  if (core->interrupts > core->interrupts_seen && core->running) core_stop(core);
}

void core_wake(Core *core) {
  if (!core->closed) uv_idle_start(&core->handles->idle, on_idle);
}

void core_stop(Core *core) {
  core->stopping = true;
  if (list_empty(&core->ready)) uv_stop(core->loop);
}

void core_nudge(Core *core) {
  if (!core->closed) uv_async_send(&core->handles->async);
}

void core_interrupt(Core *core) {
  core->interrupts++;
  core_nudge(core);
}

/* ---- opening and closing ---- */

bool loop_open(Core *core) {
  Handles *handles = memory_new(sizeof *handles);
  if (!handles) return false;
  list_create(&core->ready);
  list_create(&core->mark.link);
  list_create(&core->outside);
  if (!worker_open(core)) {
    memory_delete(handles);
    return false;
  }
  core->mark.run = on_job_mark;
  core->armed_ms = UINT64_MAX;
  if (uv_async_init(core->loop, &handles->async, on_async) != 0) { /* the only one that needs anything */
    worker_close(core);
    memory_delete(handles);
    return false;
  }
  uv_unref((uv_handle_t *)&handles->async);
  uv_idle_init(core->loop, &handles->idle);
  uv_check_init(core->loop, &handles->check);
  uv_timer_init(core->loop, &handles->timer);
  uv_check_start(&handles->check, on_check);
  uv_unref((uv_handle_t *)&handles->check);
  /* luv takes every handle with data for its own */
  handles->idle.data = handles->check.data = handles->timer.data = handles->async.data = NULL;
  handles->open = 4;
  handles->core = core;
  core->handles = handles;
  return true;
}

void handles_hold(Handles *handles) { handles->open++; }

void handles_release(Handles *handles) {
  if (--handles->open == 0) memory_delete(handles);
}

static void on_idle_closed(uv_handle_t *handle) {
  handles_release(container_of((uv_idle_t *)handle, Handles, idle));
}
static void on_check_closed(uv_handle_t *handle) {
  handles_release(container_of((uv_check_t *)handle, Handles, check));
}
static void on_timer_closed(uv_handle_t *handle) {
  handles_release(container_of((uv_timer_t *)handle, Handles, timer));
}
static void on_async_closed(uv_handle_t *handle) {
  handles_release(container_of((uv_async_t *)handle, Handles, async));
}

void loop_close(Core *core) {
  Handles *handles = core->handles;
  if (handles) outside_close(core);
  core->closed = true;
  watchdog_close(core);
  worker_close(core);
  if (!handles) return;
  core->handles = NULL;
  handles->core = NULL;
  uv_close((uv_handle_t *)&handles->idle, on_idle_closed);
  uv_close((uv_handle_t *)&handles->check, on_check_closed);
  uv_close((uv_handle_t *)&handles->timer, on_timer_closed);
  uv_close((uv_handle_t *)&handles->async, on_async_closed);
  heap_destroy(&core->timers);
  memory_delete(core->free_slots);
  memory_delete(core->pool);
  core->free_slots = NULL;
  core->pool = NULL;
  core->free_count = core->slot_room = core->pooled = core->pool_room = 0;
}

/* ---- clock and timers ---- */

uint64_t core_now(Core *core) {
  if (core->clock == CLOCK_REAL) core->now = uv_hrtime();
  return core->now;
}

static const uint64_t END_OF_TIME = UINT64_C(18000000000000000000); /* 570 years */

uint64_t deadline_at(double seconds) {
  double ns = seconds * 1e9;
  if (!(ns > 0)) return 0;
  if (ns >= (double)END_OF_TIME) return END_OF_TIME;
  uint64_t whole = (uint64_t)ns;
  return whole + ((double)whole < ns);
}

uint64_t deadline_after(Core *core, uint64_t ns) {
  uint64_t now = core_now(core);
  return ns < END_OF_TIME - now ? now + ns : END_OF_TIME;
}

uint64_t deadline_in(Core *core, double seconds) { return deadline_after(core, deadline_at(seconds)); }

void timer_arm(Core *core, Timer *timer, uint64_t when) {
  heap_insert(&core->timers, &timer->node, when);
  if (!core->draining) rearm(core);
}

void timer_disarm(Core *core, Timer *timer) {
  list_remove(&timer->job.link);
  if (!heap_holds(&timer->node)) return;
  heap_remove(&core->timers, &timer->node);
  if (!core->draining) rearm(core);
}
