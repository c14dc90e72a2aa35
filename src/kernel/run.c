/* SPDX-License-Identifier: MIT */
#include "kernel/run.h"

#include <string.h>

#include "kernel/await.h"
#include "kernel/callback.h"
#include "kernel/deadlock.h"
#include "kernel/fail.h"
#include "kernel/interrupt.h"
#include "kernel/report.h"
#include "kernel/trace.h"

bool run_active(const Core *core) { return core->running || core->draining || core->luv->mode != -1; }

/* ---- inside the loop ---- */

typedef struct {
  Job job;
  bool fired;
} Watch;

static void on_done(Core *core, Job *job) {
  container_of(job, Watch, job)->fired = true;
  core_stop(core);
}

typedef enum { LEFT_DONE, LEFT_STOPPED, LEFT_DEADLOCK, LEFT_INTERRUPTED, LEFT_THROWN } Left;

/* Turns the loop until `done` or something else ends it. */
static Left turn(Core *core, const bool *done) {
  for (;;) {
    core->stopping = false;
    int alive = uv_run(core->loop, UV_RUN_DEFAULT);
    if (*done || (core->until_empty && core->live <= core->ignoring)) return LEFT_DONE;
    if (core->thrown) return LEFT_THROWN;
    if (core->interrupts > core->interrupts_seen) return LEFT_INTERRUPTED;
    if (!list_empty(&core->ready)) {
      if (!core->stopping && alive) return LEFT_STOPPED;
      continue;
    }
    if (core_advance(core)) continue;
    if (!alive) return LEFT_DEADLOCK;
    return LEFT_STOPPED;
  }
}

/* Runs the future to its end. Raises if that cannot be. */
static void run_until(lua_State *L, Core *core, Future *future) {
  if (future_done(future)) return;
  Watch watch = {.fired = false};
  watch.job.run = on_done;
  list_append(&future->u.callbacks, &watch.job.link);
  Left left;
  core->thrown = false;
  while ((left = turn(core, &watch.fired)) == LEFT_INTERRUPTED) {
    bool first = core->interrupts_seen == 0;
    core->interrupts_seen = core->interrupts;
    if (!first || core->interrupts > 1 || future_done(future)) break;
    future_cancel(core, future, NULL, 0, 0);
  }
  list_remove(&watch.job.link);
  switch (left) {
    case LEFT_DONE: return;
    case LEFT_THROWN: trace_throw(L, core); break;
    case LEFT_DEADLOCK: deadlock_raise(L, core, "nothing is ready, no timer and no I/O is left, and"); break;
    case LEFT_INTERRUPTED: fail_push(L, FAIL_INTERRUPT, "interrupted"), lua_error(L); break;
    case LEFT_STOPPED:
      fail_push(L, FAIL_RUNTIME, "the loop was stopped before the future completed"), lua_error(L);
      break;
  }
}

/* ---- the end of run(): every task is cancelled and waited for ---- */

/* Each once: a task reached through one that awaits it is not cancelled again, which would make the
 * end of a long chain of tasks quadratic. */
static void cancel_all(Core *core) {
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) task->reached = false;
  slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;)
    if (!task->reached) future_cancel(core, &task->future, NULL, 0, 0);
}

static bool insist_all(Core *core) {
  bool any = false;
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) {
    if (task->insist) continue;
    any = task->insist = true;
    task->cancels++;
    if (!task->wait.abort || !task->wait.abort(core, task, NULL, 0)) task->must_cancel = true;
  }
  return any;
}

static void on_grace(Core *core, Job *job) {
  UNUSED(job);
  insist_all(core);
}

static int raise_ignored(lua_State *L) {
  return deadlock_raise(L, lua_touserdata(L, 1), "run() cannot end, tasks ignore their cancellation:");
}

/* Tasks that nothing can end any more: pushes the error that names them, and gives them up. */
static void abandon_all(lua_State *L, Core *core) {
  lua_pushcfunction(L, raise_ignored);
  lua_pushlightuserdata(L, core);
  lua_pcall(L, 1, 0, 0);
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) task_abandon(core, task);
}

/* Ends all tasks. Raises if some would not end, after everything else is done. */
static void finish_tasks(lua_State *L, Core *core, double grace) {
  bool abandoned = false;
  if (core->live > 0) {
    bool never = false;
    Timer timer;
    timer_setup(&timer, on_grace);
    timer_reserve(L, core);
    timer_arm(core, &timer, deadline_in(core, grace));
    cancel_all(core);
    core->until_empty = true;
    core->ignoring = 0;
    for (Left left; core->live > core->ignoring && (left = turn(core, &never)) != LEFT_DONE;) {
      core->interrupts_seen = core->interrupts;
      core->thrown = false;
      if (left == LEFT_DEADLOCK && !insist_all(core)) break;
    }
    core->until_empty = false;
    timer_disarm(core, &timer);
    abandoned = core->live > 0;
    if (abandoned) abandon_all(L, core);
  }
  int error = lua_gettop(L);
  anchors_purge(L, core);
  report_failures(L, core);
  if (!abandoned) return;
  lua_settop(L, error);
  lua_error(L);
}

/* ---- entering ---- */

typedef struct {
  double grace;
  ClockMode clock;
  bool debug;
} Options;

enum { GRACE = 10 }; /* seconds a task may take to end when run() does, before cancellation repeats */

static Options check_options(lua_State *L, Core *core, int arg) {
  Options o = {GRACE, CLOCK_REAL, core->debug};
  if (lua_isnoneornil(L, arg)) return o;
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_getfield(L, arg, "clock") != LUA_TNIL) {
    const char *clock = lua_tostring(L, -1);
    if (clock && strcmp(clock, "virtual") == 0)
      o.clock = CLOCK_VIRTUAL;
    else if (!clock || strcmp(clock, "real") != 0)
      luaL_argerror(L, arg, "field 'clock': \"real\" or \"virtual\" expected");
  }
  if (lua_getfield(L, arg, "debug") != LUA_TNIL) o.debug = lua_toboolean(L, -1);
  if (lua_getfield(L, arg, "shutdown_grace") != LUA_TNIL) {
    o.grace = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(o.grace >= 0 && o.grace < 1e9))
      luaL_argerror(L, arg, "field 'shutdown_grace': seconds, not negative, expected");
  }
  lua_pop(L, 3);
  return o;
}

static void check_enterable(lua_State *L, Core *core, const char *what) {
  if (run_active(core) || core->current)
    fail_raise(L, FAIL_RUNTIME, "%s cannot be called while the loop is running", what);
}

/* future, core: its results stay in it */
static int run_inner(lua_State *L) {
  run_until(L, lua_touserdata(L, 2), lua_touserdata(L, 1));
  return 0;
}

static int close_inner(lua_State *L) {
  Core *core = lua_touserdata(L, 1);
  Options *options = lua_touserdata(L, 2);
  finish_tasks(L, core, options->grace);
  return 0;
}

/* Is no pcall, xpcall, resume or the like between here and the bottom of the main thread? */
static bool uncaught(lua_State *L, Core *core) {
  lua_Debug frame;
  int functions = 0;
  if (L != core->main) return false;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "S", &frame);
    if (*frame.what == 'C') functions++;
  }
  return functions <= 1; /* the host's own, at the bottom */
}

/* Raises the error at the top. One that only the host will see takes its traceback along. */
static int raise_out(lua_State *L, Core *core) {
  if (uncaught(L, core)) {
    if (lua_type(L, -1) == LUA_TSTRING && trace_push(L, core, -1)) {
      lua_pushliteral(L, "\n");
      lua_insert(L, -2);
      lua_concat(L, 3);
    } else if (fail_is(L, -1, FAIL_ERROR)) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, "uncaught");
    }
  }
  return lua_error(L);
}

/* Runs the future at `index`, alone at the top; with options also ends everything else. Leaves the
 * results and returns their number, or raises. */
static int enter(lua_State *L, Core *core, int index, Options *options) {
  Future *future = lua_touserdata(L, index);
  ClockMode clock = core->clock;
  bool debug = core->debug;
  int handler = core->handler;
  if (options && options->clock == CLOCK_VIRTUAL) {
    core->clock = CLOCK_VIRTUAL;
    core->now = 0;
  }
  if (options) core->debug = options->debug;
  bool sigint = interrupt_take(L, core);
  lua_State *from = core->from;
  core->running = true;
  core->interrupts = core->interrupts_seen = 0;
  core->luv->mode = UV_RUN_DEFAULT;
  core->loop->stop_flag = 0; /* a uv_stop() that came too late for the last run */
  core->from = L;
  lua_pushcfunction(L, run_inner);
  lua_pushvalue(L, index);
  lua_pushlightuserdata(L, core);
  int status = lua_pcall(L, 2, 0, 0); /* an error stays at the top */
  if (options) {
    if (status == LUA_OK) future_seen(future);
    lua_pushcfunction(L, close_inner);
    lua_pushlightuserdata(L, core);
    lua_pushlightuserdata(L, options);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
      if (status == LUA_OK)
        status = LUA_ERRRUN;
      else
        lua_pop(L, 1);
    }
    if (core->handler != handler && core->handler != LUA_NOREF && handler == LUA_NOREF) {
      luaL_unref(L, LUA_REGISTRYINDEX, core->handler); /* set inside: it was this run's */
      core->handler = LUA_NOREF;
    }
    core->clock = clock;
    core->debug = debug;
  }
  bool pressed = core->interrupts > 0;
  core->luv->mode = -1;
  core->running = false;
  core->stopping = false;
  core->from = from;
  if (sigint) interrupt_give(core);
  if (status != LUA_OK) return raise_out(L, core);
  if (pressed && future->state == FUTURE_CANCELLED && object_is(&future->head, &task_type.type) &&
      task_uncancel((Task *)future) == 0) {
    fail_push(L, FAIL_INTERRUPT, "interrupted");
    return raise_out(L, core);
  }
  if (future->state != FUTURE_FAILED) return future_result(L, core, index, future);
  future_push_error(L, index, future);
  slot_push(L, index, future, SLOT_TRACE);
  trace_rethrow(L, core);
  return raise_out(L, core);
}

/* ... = run(awaitable [, {debug =, clock =, shutdown_grace =}]) */
static int f_run(lua_State *L) {
  Core *core = core_of(L);
  check_enterable(L, core, "run()");
  check_awaitable(L, 1);
  Options options = check_options(L, core, 2);
  if (options.clock == CLOCK_VIRTUAL && !heap_empty(&core->timers))
    return fail_raise(L, FAIL_RUNTIME, "timers of the real clock are pending; run() with a virtual clock cannot start");
  lua_settop(L, 1);
  bool debug = core->debug;
  core->debug = options.debug;
  if (!future_test(L, 1)) task_spawn(L, core, 1);
  core->debug = debug;
  return enter(L, core, 1, &options);
}

static void check_finalizer(lua_State *L) {
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "n", &frame);
    if (frame.name && strcmp(frame.namewhat, "metamethod") == 0 && strcmp(frame.name, "__gc") == 0)
      fail_raise(L, FAIL_RUNTIME, "await inside a finalizer (__gc)");
  }
}

int run_await(lua_State *L, Core *core) {
  check_finalizer(L);
  ensure_future(L, core, 1);
  lua_replace(L, 1);
  return enter(L, core, 1, NULL);
}

/* ---- Runner ---- */

typedef struct {
  Head head;
  Options options;
  bool closed;
} Runner;

/* runner = Runner([{debug =, clock =, shutdown_grace =}]) */
static int runner_new(lua_State *L) {
  Core *core = core_of(L);
  Options options = check_options(L, core, 1);
  Runner *runner = object_new(L, &runner_type, sizeof *runner, 0);
  runner->options = options;
  return 1;
}

static Runner *check_runner(lua_State *L) {
  Runner *runner = object_check(L, 1, &runner_type);
  if (runner->closed) fail_raise(L, FAIL_RUNTIME, "the runner is closed");
  return runner;
}

/* ... = runner:run(awaitable): other tasks stay for the next run */
static int runner_run(lua_State *L) {
  Core *core = core_of(L);
  Runner *runner = check_runner(L);
  check_enterable(L, core, "Runner:run()");
  check_awaitable(L, 2);
  lua_settop(L, 2);
  core->debug = runner->options.debug;
  if (runner->options.clock == CLOCK_VIRTUAL && core->clock != CLOCK_VIRTUAL && heap_empty(&core->timers)) {
    core->clock = CLOCK_VIRTUAL;
    core->now = 0;
  }
  ensure_future(L, core, 2);
  return enter(L, core, 3, NULL);
}

/* runner:close(): cancels all tasks, waits for them */
static int runner_close(lua_State *L) {
  Core *core = core_of(L);
  Runner *runner = object_check(L, 1, &runner_type);
  if (runner->closed) return 0;
  check_enterable(L, core, "Runner:close()");
  runner->closed = true;
  Options options = runner->options;
  options.clock = CLOCK_REAL;
  ClockMode clock = core->clock;
  Future *done = future_new(L, &future_type, sizeof(Future));
  future_set_results(L, core, -1, done, 0);
  int index = lua_gettop(L);
  enter(L, core, index, &options);
  UNUSED(clock);
  core->clock = CLOCK_REAL;
  core->debug = false;
  return 0;
}

static const luaL_Reg runner_methods[] = {{"run", runner_run}, {"close", runner_close}, {NULL, NULL}};
static const luaL_Reg runner_metamethods[] = {{"__close", runner_close}, {NULL, NULL}};
const Type runner_type = {.name = "neap.Runner", .methods = runner_methods, .metamethods = runner_metamethods, .construct = runner_new};

const luaL_Reg run_functions[] = {{"run", f_run}, {NULL, NULL}};
