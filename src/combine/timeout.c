/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "combine/combine.h"
#include "combine/scope.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/watchdog.h"

static void unanchor(Core *core, Scope *scope) {
  if (scope->anchor) anchor_delete(core, scope->anchor);
  scope->anchor = 0;
}

void scope_watch(Core *core, Scope *scope, uint64_t when) {
  if (core->clock != CLOCK_REAL) return;
  watchdog_at(core, when);
  if (scope->watched) return;
  scope->watched = true;
  watchdog_want(core);
}

void scope_unwatch(Core *core, Scope *scope) {
  if (!scope->watched) return;
  scope->watched = false;
  watchdog_release(core);
}

static void begin_over(Core *core, Scope *scope) {
  if (core->clock != CLOCK_REAL || scope->task->over == OVER_MOST) return;
  scope->over = true;
  scope->task->over++;
  core->over++;
}

static void end_over(Core *core, Scope *scope) {
  watchdog_forgive(core, scope);
  if (!scope->over || scope->task->over == 0) return; /* a task that is done has none */
  core->over--;
  if (--scope->task->over == 0) watchdog_forgive(core, scope->task);
}

static void on_timeout(Core *core, Job *job) {
  Scope *scope = container_of(job, Scope, timer.job);
  future_cancel(core, &scope->task->future, NULL, 0, 0);
  scope->state = SCOPE_EXPIRING;
  unanchor(core, scope);
  scope_unwatch(core, scope); /* it may never be left: dropped, or its task abandoned */
  begin_over(core, scope);
}

Scope *scope_of(Job *job) { return job->run == on_timeout ? container_of(job, Scope, timer.job) : NULL; }

void scope_expire(Core *core, Scope *scope) {
  timer_disarm(core, &scope->timer);
  on_timeout(core, &scope->timer.job);
}

Scope *scope_make(lua_State *L, Core *core, const Type *type, double when) {
  Scope *scope = object_make(L, core, type, sizeof *scope, 1);
  scope->when = when;
  timer_setup(&scope->timer, on_timeout);
  return scope;
}

Scope *scope_new(lua_State *L, Core *core, double when) {
  Task *task = core->current;
  if (!task) fail_raise(L, FAIL_RUNTIME, "a timeout is entered outside a task");
  Scope *scope = scope_make(L, core, &scope_type, when);
  scope->task = task;
  scope->cancelling = task->cancels;
  task_push(L, core, task);
  lua_setiuservalue(L, -2, 1);
  return scope;
}

void scope_arm(lua_State *L, Core *core, Scope *scope, int index) {
  if (isnan(scope->when)) return;
  anchors_reserve(L, core, 1);
  timer_reserve(L, core);
  scope->anchor = anchor_new(L, core, index);
  uint64_t when = deadline_at(scope->when);
  scope_watch(core, scope, when);
  if (when <= core_now(core))
    job_post(core, &scope->timer.job);
  else
    timer_arm(core, &scope->timer, when);
}

bool scope_exit(lua_State *L, Core *core, Scope *scope, int error) {
  timer_disarm(core, &scope->timer);
  unanchor(core, scope);
  scope_unwatch(core, scope);
  end_over(core, scope);
  if (scope->state == SCOPE_ACTIVE) scope->state = SCOPE_EXITED;
  if (scope->state != SCOPE_EXPIRING) return false;
  scope->state = SCOPE_EXPIRED;
  return task_uncancel(scope->task) <= scope->cancelling && error && fail_is(L, error, FAIL_CANCELLED);
}

double check_deadline(lua_State *L, int arg) { return lua_isnoneornil(L, arg) ? NAN : check_seconds(L, arg); }

static double now_plus(Core *core, double delay) { return (double)core_now(core) / 1e9 + delay; }

/* Raises the TimeoutError in the place of the cancellation at `cause`. */
static int raise_timeout(lua_State *L, int cause) {
  cause = lua_absindex(L, cause);
  fail_push(L, FAIL_TIMEOUT, NULL);
  lua_pushvalue(L, cause);
  lua_setfield(L, -2, "cause");
  return lua_error(L);
}

/* ---- function forms ---- */

enum { FORM_RAISE, FORM_MOVE_ON };

/* scope, results or the error */
static int k_form(lua_State *L, int status, lua_KContext form) {
  Core *core = core_of(L);
  Scope *scope = lua_touserdata(L, 1);
  bool failed = status != LUA_OK && status != LUA_YIELD;
  bool expired = scope_exit(L, core, scope, failed ? lua_gettop(L) : 0);
  if (!failed) return lua_gettop(L) - 1;
  if (!expired) return lua_error(L);
  if (form == FORM_MOVE_ON) return 0;
  return raise_timeout(L, -1);
}

/* The stack is the scope alone, the function at `fn` is called with it. */
static int run_form(lua_State *L, Core *core, Scope *scope, lua_KContext form) {
  lua_replace(L, 1); /* scope, fn */
  lua_settop(L, 2);
  scope_arm(L, core, scope, 1);
  lua_pushvalue(L, 1);
  return k_form(L, lua_pcallk(L, 1, LUA_MULTRET, 0, form, k_form), form);
}

static int open_scope(lua_State *L, double when, lua_KContext form) {
  Core *core = core_of(L);
  bool function = !lua_isnoneornil(L, 2) || form == FORM_MOVE_ON;
  if (function && !lua_isfunction(L, 2)) return argument_error(L, 2, "function");
  lua_settop(L, 2);
  Scope *scope = scope_new(L, core, when);
  if (function) return run_form(L, core, scope, form);
  scope_arm(L, core, scope, 3);
  return 1;
}

/* scope = timeout(seconds or nil), to be closed; or ... = timeout(seconds, fn): fn(scope) */
static int f_timeout(lua_State *L) {
  double delay = check_deadline(L, 1);
  return open_scope(L, isnan(delay) ? delay : now_plus(core_of(L), delay), FORM_RAISE);
}

/* scope = timeout_at(when or nil); or ... = timeout_at(when, fn) */
static int f_timeout_at(lua_State *L) { return open_scope(L, check_deadline(L, 1), FORM_RAISE); }

/* ... = move_on_after(seconds, fn): nothing if time was up */
static int f_move_on_after(lua_State *L) {
  double delay = check_deadline(L, 1);
  return open_scope(L, isnan(delay) ? delay : now_plus(core_of(L), delay), FORM_MOVE_ON);
}

const luaL_Reg timeout_functions[] = {
    {"timeout", f_timeout}, {"timeout_at", f_timeout_at}, {"move_on_after", f_move_on_after}, {NULL, NULL}};

/* ---- methods ---- */

/* __close(scope, error) */
static int s_close(lua_State *L) {
  Scope *scope = object_check(L, 1, &scope_type);
  lua_settop(L, 2);
  if (scope_exit(L, core_of(L), scope, lua_isnil(L, 2) ? 0 : 2)) return raise_timeout(L, 2);
  return 0;
}

static const char *const state_names[] = {"active", "expiring", "expired", "finished"};

/* scope:reschedule(when or nil) */
static int s_reschedule(lua_State *L) {
  Core *core = core_of(L);
  Scope *scope = object_check(L, 1, &scope_type);
  double when = check_deadline(L, 2);
  if (scope->state != SCOPE_ACTIVE)
    return fail_raise(L, FAIL_RUNTIME, "cannot reschedule a timeout that is %s", state_names[scope->state]);
  anchors_reserve(L, core, 1);
  timer_reserve(L, core);
  timer_disarm(core, &scope->timer);
  unanchor(core, scope);
  scope_unwatch(core, scope);
  scope->when = when;
  scope_arm(L, core, scope, 1);
  return 0;
}

/* when = scope:when(): seconds of the loop's clock; nil: never */
static int s_when(lua_State *L) {
  Scope *scope = object_check(L, 1, &scope_type);
  if (isnan(scope->when))
    lua_pushnil(L);
  else
    lua_pushnumber(L, scope->when);
  return 1;
}

/* expired = scope:expired() */
static int s_expired(lua_State *L) {
  Scope *scope = object_check(L, 1, &scope_type);
  lua_pushboolean(L, scope->state == SCOPE_EXPIRING || scope->state == SCOPE_EXPIRED);
  return 1;
}

static int s_tostring(lua_State *L) {
  Scope *scope = object_check(L, 1, &scope_type);
  lua_pushfstring(L, "neap.Timeout (%s)", state_names[scope->state]);
  return 1;
}

static const luaL_Reg methods[] = {{"reschedule", s_reschedule}, {"when", s_when}, {"expired", s_expired}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__close", s_close}, {"__tostring", s_tostring}, {NULL, NULL}};
static void purge(Core *core, Head *head) {
  Scope *scope = (Scope *)head;
  timer_disarm(core, &scope->timer);
  unanchor(core, scope);
  scope_unwatch(core, scope);
}

const Type scope_type = {.name = "neap.Timeout", .methods = methods, .metamethods = metamethods, .purge = purge, .meta = SERVICE_SCOPE};
