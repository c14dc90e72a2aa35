/* SPDX-License-Identifier: MIT
 * asyncio.Runner: several runs with the same options, whose tasks live from one to the next. */
#include "kernel/await.h"
#include "kernel/context.h"
#include "kernel/fail.h"
#include "kernel/run.h"

typedef struct {
  Head head; /* user value 1: the context of its runs */
  RunOptions options;
  bool used; /* it ran something */
  bool closed;
} Runner;

/* runner = Runner([{debug =, clock =, shutdown_grace =}]) */
static int runner_new(lua_State *L) {
  Core *core = core_of(L);
  RunOptions options = run_options(L, core, 1);
  Runner *runner = object_new(L, &runner_type, sizeof *runner, 1);
  runner->options = options;
  return 1;
}

static Runner *check_runner(lua_State *L) {
  Runner *runner = object_check(L, 1, &runner_type);
  if (runner->closed) fail_raise(L, FAIL_RUNTIME, "the runner is closed");
  return runner;
}

/* The context of all its runs, copied at the first one. The runner is at 1. */
static void push_context(lua_State *L, Core *core) {
  if (lua_getiuservalue(L, 1, 1) != LUA_TNIL) return;
  lua_pop(L, 1);
  if (!context_push(L, core)) lua_pushnil(L);
  context_new_of_map(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
}

/* ... = runner:run(awaitable): other tasks stay for the next run */
static int runner_run(lua_State *L) {
  Core *core = core_of(L);
  Runner *runner = check_runner(L);
  run_check(L, core, "Runner:run()");
  check_awaitable(L, 2);
  lua_settop(L, 2);
  ClockMode clock = runner->options.clock;
  if (clock != core->clock) {
    run_check_clock(L, core, clock);
    run_set_clock(core, clock);
  }
  core->debug = runner->options.debug;
  if (runner->options.step_limit != core->step_limit) run_set_step_limit(core, runner->options.step_limit);
  runner->used = true;
  if (future_test(L, 2)) return run_enter(L, core, 2, NULL);
  lua_createtable(L, 0, 1);
  push_context(L, core);
  lua_setfield(L, 3, "context");
  lua_insert(L, 2); /* runner, options, awaitable */
  task_start(L, core, task_new(L, core, 3, 2), false);
  return run_enter(L, core, 4, NULL);
}

/* runner:close(): cancels all tasks, waits for them */
static int runner_close(lua_State *L) {
  Core *core = core_of(L);
  Runner *runner = object_check(L, 1, &runner_type);
  if (runner->closed) return 0;
  run_check(L, core, "Runner:close()");
  RunOptions options = runner->options;
  options.last = true;
  runner->closed = true;
  if (!runner->used) return 0;
  return run_enter(L, core, 0, &options);
}

static const luaL_Reg runner_methods[] = {{"run", runner_run}, {"close", runner_close}, {NULL, NULL}};
static const luaL_Reg runner_metamethods[] = {{"__close", runner_close}, {NULL, NULL}};
const Type runner_type = {.name = "neap.Runner", .methods = runner_methods, .metamethods = runner_metamethods, .construct = runner_new};
