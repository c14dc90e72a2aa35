/* SPDX-License-Identifier: MIT */
#include "kernel/run.h"

#include <string.h>

#include "kernel/await.h"
#include "kernel/callback.h"
#include "kernel/context.h"
#include "kernel/coroutine.h"
#include "kernel/deadlock.h"
#include "kernel/fail.h"
#include "kernel/guard.h"
#include "kernel/host.h"
#include "kernel/interrupt.h"
#include "kernel/mailbox.h"
#include "kernel/report.h"
#include "kernel/trace.h"
#include "kernel/watchdog.h"
#include "kernel/worker.h"

bool run_active(const Core *core) { return core->running || core->draining || core->luv->mode != -1; }

/* ---- inside the loop ---- */

typedef struct {
  Job job;
  bool fired;
} Ending;

static void on_done(Core *core, Job *job) {
  container_of(job, Ending, job)->fired = true;
  core_stop(core);
}

typedef enum { LEFT_DONE, LEFT_STOPPED, LEFT_DEADLOCK, LEFT_INTERRUPTED, LEFT_THROWN, LEFT_RAISED } Left;

/* Waits for whatever comes, though nothing keeps the loop alive. */
static int turn_once(Core *core) {
  core_expect(core, 1);
  uv_run(core->loop, UV_RUN_ONCE);
  core_expect(core, -1);
  return 0;
}

/* Turns the loop until `done` or something else ends it. */
static Left turn(Core *core, const bool *done) {
  bool listen = false; /* nothing is left but signals that may come */
  for (;;) {
    bool listened = listen;
    core->stopping = listen = false;
    int alive = listened ? turn_once(core) : uv_run(core->loop, UV_RUN_DEFAULT);
    if (*done || (core->until_empty && core->live <= core->ignoring)) return LEFT_DONE;
    if (core->thrown) return LEFT_THROWN;
    if (core->interrupts > core->interrupts_seen) return LEFT_INTERRUPTED;
    if (!list_empty(&core->ready)) {
      if (!core->stopping && alive) return LEFT_STOPPED;
      continue;
    }
    if (core_advance(core)) continue;
    if (alive) return LEFT_STOPPED;
    if (!listened && (core->listening == 0 || core->until_empty)) return LEFT_DEADLOCK;
    listen = !listened;
  }
}

typedef struct {
  Core *core;
  const bool *done;
  bool entered;
  Left left;
} Turn;

static int call_turn(lua_State *L) {
  Turn *it = lua_touserdata(L, 1);
  it->entered = true;
  it->left = turn(it->core, it->done);
  return 0;
}

/* Nothing of ours raises in there, but luv does when it has no memory for the arguments of a callback:
 * LEFT_RAISED, the error is at the top. No memory for the protected call is no reason not to turn. */
static Left turn_protected(lua_State *L, Core *core, const bool *done) {
  Turn it = {core, done, false, LEFT_RAISED};
  lua_pushcfunction(L, call_turn);
  lua_pushlightuserdata(L, &it);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK || it.entered) return it.left;
  lua_pop(L, 1);
  return turn(core, done);
}

/* Runs the future to its end, or tells why that cannot be. */
static Left run_until(lua_State *L, Core *core, Future *future) {
  if (future_done(future)) return LEFT_DONE;
  Ending ending = {.fired = false};
  ending.job.run = on_done;
  list_append(&future->u.callbacks, &ending.job.link);
  Left left;
  core->thrown = false;
  while ((left = turn_protected(L, core, &ending.fired)) == LEFT_INTERRUPTED) {
    bool first = core->interrupts_seen == 0;
    core->interrupts_seen = core->interrupts;
    if (!first || core->interrupts > 1 || future_done(future)) break;
    future_cancel(core, future, NULL, 0, 0);
  }
  list_remove(&ending.job.link);
  return left;
}

/* core, why */
static int raise_left(lua_State *L) {
  switch ((Left)lua_tointeger(L, 2)) {
    case LEFT_THROWN: return trace_throw(L, lua_touserdata(L, 1));
    case LEFT_DEADLOCK: return deadlock_raise(L, lua_touserdata(L, 1), "nothing is ready, no timer and no I/O is left, and");
    case LEFT_INTERRUPTED: fail_push(L, FAIL_INTERRUPT, "interrupted"); break;
    default: fail_push(L, FAIL_RUNTIME, "the loop was stopped before the future completed"); break;
  }
  return lua_error(L);
}

/* ---- the end of run(): every task is cancelled and waited for ---- */

/* Each once: a task reached through one that awaits it is not cancelled again, which would make the
 * end of a long chain of tasks quadratic. */
static void cancel_all(Core *core) {
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) task->reached = false;
  slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) task_cancel_new(core, task);
}

static void insist_on(Core *core, Task *task) {
  task->insist = true;
  if (!task->wait.abort || !task->wait.abort(core, task, NULL, 0)) task->must_cancel = true;
}

static bool insist_all(Core *core) {
  bool any = false;
  uint32_t slot = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) {
    if (task->insist) continue;
    any = true;
    task->cancels++;
    insist_on(core, task);
  }
  return any;
}

typedef struct {
  Timer over;
  int rounds; /* in which there were tasks that nobody had insisted on */
  bool given_up;
} Grace;

enum { ROUNDS_LIMIT = 1000 };

/* The time of grace is over for all, also for tasks that clean-up made; those it still makes have
 * 10 ms each, and not for ever. */
static void on_grace_over(Core *core, Job *job) {
  Grace *grace = container_of(job, Grace, over.job);
  if (!insist_all(core)) return;
  grace->given_up = ++grace->rounds == ROUNDS_LIMIT;
  if (grace->given_up)
    core_stop(core);
  else if (heap_reserve(&core->timers))
    timer_arm(core, &grace->over, deadline_in(core, 0.01));
  else
    job_post(core, job);
}

static int raise_ignored(lua_State *L) {
  return deadlock_raise(L, lua_touserdata(L, 1), "run() cannot end, tasks ignore their cancellation:");
}

/* core: what nobody looked at */
static int report_rest(lua_State *L) {
  report_failures(L, lua_touserdata(L, 1));
  return 0;
}

/* Calls function(core, number), leaves its error at the top. */
static int try(lua_State *L, Core *core, lua_CFunction function, lua_Integer number) {
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, core);
  lua_pushinteger(L, number);
  return lua_pcall(L, 2, 0, 0);
}

enum { RAISED_LIMIT = 1000 };

/* Ends all tasks, with memory or without. Tasks that nothing can end any more are named by an error,
 * which is left at the top, and abandoned. */
static int finish_tasks(lua_State *L, Core *core, double grace) {
  int status = LUA_OK;
  if (core->live > 0) {
    Grace end = {.rounds = 0};
    timer_setup(&end.over, on_grace_over);
    cancel_all(core);
    if (heap_reserve(&core->timers))
      timer_arm(core, &end.over, deadline_in(core, grace));
    else
      job_post(core, &end.over.job);
    core->until_empty = true;
    core->ignoring = 0;
    core->grace_over = uv_hrtime() + deadline_at(grace);
    watchdog_want(core);
    watchdog_at(core, core->grace_over);
    int raised = 0;
    for (Left left; core->live > core->ignoring && (left = turn_protected(L, core, &end.given_up)) != LEFT_DONE;) {
      if (left == LEFT_RAISED && (lua_pop(L, 1), ++raised == RAISED_LIMIT)) break;
      core->interrupts_seen = core->interrupts;
      core->thrown = false;
      if (left == LEFT_DEADLOCK && !insist_all(core)) break;
    }
    core->until_empty = false;
    watchdog_release(core);
    timer_disarm(core, &end.over);
    if (core->live > 0) status = try(L, core, raise_ignored, 0);
    uint32_t slot = 0;
    for (Task *task; core->live > 0 && (task = task_each(core, &slot)) != NULL;) task_abandon(core, task);
  }
  anchors_purge(L, core);
  if (try(L, core, report_rest, 0) == LUA_OK) return status;
  if (status == LUA_OK) return LUA_ERRRUN; /* the errors stay for the next time */
  lua_pop(L, 1);
  return status;
}

/* ---- entering ---- */

void run_set_clock(Core *core, ClockMode clock) {
  core->clock = clock;
  if (clock == CLOCK_VIRTUAL) core->now = 0;
}

/* Timers belong to the clock they were made for. */
void run_check_clock(lua_State *L, Core *core, ClockMode clock) {
  static const char *const names[] = {"real", "virtual"};
  if (!heap_empty(&core->timers))
    fail_raise(L, FAIL_RUNTIME, "timers of the %s clock are pending; run() with a %s clock cannot start", names[core->clock],
               names[clock]);
}

void run_check(lua_State *L, Core *core, const char *what) {
  if (core->closed) fail_raise(L, FAIL_RUNTIME, "%s cannot be called: neap is closed", what);
  fork_check(L, core);
  guard_finalizer(L, what);
  if (run_active(core) || core->current)
    fail_raise(L, FAIL_RUNTIME, "%s cannot be called while the loop is running", what);
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

int run_enter(lua_State *L, Core *core, int index, RunOptions *options) {
  Future *future = index ? lua_touserdata(L, index) : NULL;
  ClockMode clock = core->clock;
  uint64_t now = core->now;
  bool debug = core->debug;
  uint64_t step_limit = core->step_limit;
  int handler = options ? handler_copy(L, core) : LUA_NOREF;
  core->interrupts = core->interrupts_seen = 0;
  interrupt_take(L, core); /* may raise; from here on nothing does, until all is as it was */
  if (options && options->last) {
    clock = CLOCK_REAL;
    debug = false;
    step_limit = 0;
  }
  if (options && !options->last) run_set_clock(core, options->clock);
  if (options) {
    core->debug = options->debug;
    worker_set_size(core, options->stack_size);
    if (options->step_limit != core->step_limit) run_set_step_limit(core, options->step_limit);
  }
  lua_State *from = core->from;
  core->running = true;
  core->luv->mode = UV_RUN_DEFAULT;
  core->loop->stop_flag = 0; /* a uv_stop() that came too late for the last run */
  core->from = L;
  Left left = future ? run_until(L, core, future) : LEFT_DONE;
  int told = core->interrupts_seen;
  int status = left == LEFT_DONE ? LUA_OK : LUA_ERRRUN; /* an error stays at the top */
  if (left != LEFT_DONE && left != LEFT_RAISED) try(L, core, raise_left, left);
  if (options) {
    if (status == LUA_OK && future) future_seen(future);
    int ending = finish_tasks(L, core, options->grace);
    if (status == LUA_OK)
      status = ending;
    else if (ending != LUA_OK)
      lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, core->handler); /* one set inside was this run's */
    core->handler = handler;
    core->clock = clock;
    if (clock == CLOCK_VIRTUAL) core->now = now; /* a runner's, which goes on */
    core->debug = debug;
    if (step_limit != core->step_limit) run_set_step_limit(core, step_limit);
  }
  bool pressed = core->interrupts > 0, late = core->interrupts > told; /* for the main task to be told */
  core->luv->mode = -1;
  core->running = false;
  core->stopping = false;
  core->from = from;
  interrupt_give(core);
  if (status != LUA_OK) return raise_out(L, core);
  if (!future && !late) return 0;
  if (!future || (late && future->state == FUTURE_FINISHED) ||
      (pressed && future->state == FUTURE_CANCELLED &&
       (!object_is(&future->head, &task_type.type) || task_uncancel((Task *)future) == 0))) {
    fail_push(L, FAIL_INTERRUPT, "interrupted");
    return raise_out(L, core);
  }
  if (future->state != FUTURE_FAILED) return future_result(L, core, index, future);
  future_push_error(L, index, future);
  slot_push(L, index, future, SLOT_TRACE);
  trace_rethrow(L, core);
  return raise_out(L, core);
}

/* debug = get_debug() */
static int f_get_debug(lua_State *L) {
  lua_pushboolean(L, core_of(L)->debug);
  return 1;
}

/* ... = run(awaitable [, {debug =, clock =, shutdown_grace =, stack_size =, step_limit =}]) */
static int f_run(lua_State *L) {
  Core *core = core_of(L);
  run_check(L, core, "run()");
  check_awaitable(L, 1);
  RunOptions options = run_options(L, core, 2);
  if (options.clock == CLOCK_VIRTUAL || core->clock == CLOCK_VIRTUAL) run_check_clock(L, core, options.clock);
  lua_settop(L, 1);
  if (!future_test(L, 1)) task_spawn(L, core, 1);
  return run_enter(L, core, 1, &options);
}

int run_await(lua_State *L, Core *core) {
  run_check(L, core, "await");
  ensure_future(L, core, 1);
  lua_replace(L, 1);
  return run_enter(L, core, 1, NULL);
}

int run_function(lua_State *L) {
  coro_pack(L, core_of(L), 1);
  return f_run(L);
}

int run_end(lua_State *L, Core *core) {
  RunOptions options = run_defaults(core);
  options.last = true;
  return run_enter(L, core, 0, &options);
}

const luaL_Reg run_functions[] = {{"run", f_run}, {"get_debug", f_get_debug}, {NULL, NULL}};
