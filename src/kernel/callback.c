/* SPDX-License-Identifier: MIT */
#include "kernel/callback.h"

#include <limits.h>
#include <math.h>

#include "kernel/context.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/task.h"
#include "kernel/trace.h"

/* callback, core, {exception =, traceback =} or the error */
static int report_error(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  if (lua_type(L, 3) != LUA_TTABLE) { /* no memory for the message handler */
    lua_createtable(L, 0, 3);
    lua_insert(L, 3);
    lua_setfield(L, 3, "exception");
  }
  lua_pushliteral(L, "error in a callback");
  lua_setfield(L, 3, "message");
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "handle");
  report(L, core);
  return 0;
}

/* Calls the function with its arguments, in its context. */
static void on_call(Core *core, Job *job) {
  Callback *callback = container_of(job, Callback, timer.job);
  lua_State *L = core->from;
  int top = lua_gettop(L), n = callback->count;
  if (UNLIKELY(!lua_checkstack(L, n + LUA_MINSTACK))) {
    job_post(core, job); /* there will be memory, or nothing will go on anyway */
    return;
  }
  anchor_push(core, L, callback->anchor);
  if (LIKELY(!callback->standing)) {
    anchor_delete(core, callback->anchor);
    callback->spent = true;
  }
  lua_pushcfunction(L, trace_on_callback_error);
  bool contexts = core->contexts;
  if (UNLIKELY(contexts)) {
    if (callback->context)
      lua_getiuservalue(L, top + 1, n + 2);
    else
      lua_pushnil(L);
    context_enter(L, core); /* -> what was current */
    lua_insert(L, top + 1);
    top++;
  }
  for (int i = 1; i <= n + 1; i++) lua_getiuservalue(L, top + 1, i);
  int status = lua_pcall(L, n, 0, top + 2);
  if (UNLIKELY(core->contexts)) {
    if (contexts)
      lua_pushvalue(L, top);
    else
      lua_pushnil(L); /* set for the first time, by this callback */
    context_leave(L, core);
  }
  if (UNLIKELY(status != LUA_OK)) {
    lua_replace(L, top + 2);
    lua_settop(L, top + 2);
    lua_pushcfunction(L, report_error);
    lua_insert(L, top + 1);
    lua_pushlightuserdata(L, core);
    lua_insert(L, top + 3);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) lua_writestringerror("neap: %s\n", "not enough memory to report an error in a callback");
  }
  lua_settop(L, top - contexts);
}

static int check_count(lua_State *L, int first) {
  int n = lua_gettop(L) - first;
  if (n > USHRT_MAX - 8) luaL_error(L, "too many arguments");
  return n;
}

/* The object at the top, with user values for all of it, gets what it is to call. */
static void callback_fill(lua_State *L, Core *core, Callback *callback, int first, bool context) {
  int n = lua_gettop(L) - first - 1;
  callback->count = (uint16_t)n;
  callback->when = NAN;
  timer_setup(&callback->timer, on_call);
  if (UNLIKELY(context) && context_push(L, core)) {
    lua_setiuservalue(L, -2, n + 2);
    callback->context = true;
  }
  lua_insert(L, first);
  for (int i = n + 1; i > 0; i--) lua_setiuservalue(L, first, i);
  callback->anchor = anchor_new(L, core, first);
}

Callback *callback_new(lua_State *L, Core *core, int first) {
  int n = check_count(L, first);
  bool context = core->contexts;
  Callback *callback = object_make(L, core, &callback_type, sizeof *callback, n + 1 + context);
  callback_fill(L, core, callback, first, context);
  return callback;
}

Standing *standing_new(lua_State *L, Core *core, int first, StandingFn dropped) {
  int n = check_count(L, first);
  bool context = core->contexts;
  Standing *standing = object_new(L, &standing_type, sizeof *standing, n + 1 + context);
  standing->callback.standing = true;
  standing->dropped = dropped;
  callback_fill(L, core, &standing->callback, first, context);
  return standing;
}

bool callback_calls(lua_State *L, Core *core, Link *link, int function) {
  if (container_of(link, Job, link)->run != on_call) return false;
  Callback *callback = container_of(link, Callback, timer.job.link);
  anchor_push(core, L, callback->anchor);
  lua_getiuservalue(L, -1, 1);
  bool same = lua_rawequal(L, -1, function);
  lua_pop(L, 2);
  return same;
}

static void drop(Core *core, Callback *callback) {
  if (callback->spent) return;
  callback->spent = callback->cancelled = true;
  timer_disarm(core, &callback->timer);
  anchor_delete(core, callback->anchor);
  if (callback->standing) ((Standing *)callback)->dropped(core, (Standing *)callback);
}

/* standing, core */
static int report_end(lua_State *L) {
  Standing *standing = lua_touserdata(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "a handler will not be called any more");
  lua_setfield(L, -2, "message");
  fail_push_uv(L, standing->status, NULL);
  lua_setfield(L, -2, "exception");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "handle");
  report(L, lua_touserdata(L, 2));
  return 0;
}

static void on_end(Core *core, Job *job) {
  Standing *standing = container_of(job, Standing, callback.timer.job);
  uint32_t anchor = standing->callback.anchor;
  if (standing->callback.spent) return;
  standing->callback.spent = standing->callback.cancelled = true; /* the exception handler may cancel it: no matter */
  core_call(core, report_end, anchor, "a handler will not be called any more");
  anchor_delete(core, anchor);
}

void standing_fail(Core *core, Standing *standing, int status) {
  standing->on = NULL;
  standing->status = status;
  standing->callback.timer.job.run = on_end;
  standing_post(core, standing);
}

void standing_drop(Core *core, Standing *standing) { drop(core, &standing->callback); }

void callback_drop(Core *core, Link *link) { drop(core, container_of(link, Callback, timer.job.link)); }

static void purge(Core *core, Head *head) { drop(core, (Callback *)head); }

/* ---- the Lua side ---- */

void check_function(lua_State *L, int arg) {
  if (lua_isfunction(L, arg)) return;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL) argument_error(L, arg, "function");
  lua_pop(L, 1);
}

/* handle = call_soon(fn, ...) */
static int f_call_soon(lua_State *L) {
  Core *core = core_of(L);
  check_function(L, 1);
  Callback *callback = callback_new(L, core, 1);
  job_post(core, &callback->timer.job);
  return 1;
}

/* handle = call_soon_threadsafe(fn, ...): also wakes the poll */
static int f_call_soon_threadsafe(lua_State *L) {
  Core *core = core_of(L);
  int results = f_call_soon(L);
  core_nudge(core);
  return results;
}

/* After callback_new: its finalizers may have taken what was reserved before. */
static void arm(lua_State *L, Core *core, Callback *callback, uint64_t when) {
  if (UNLIKELY(!heap_reserve(&core->timers))) {
    drop(core, callback);
    luaL_error(L, "not enough memory");
  }
  timer_arm(core, &callback->timer, when);
}

static int call_when(lua_State *L, double when) {
  Core *core = core_of(L);
  check_function(L, 2);
  lua_remove(L, 1);
  Callback *callback = callback_new(L, core, 1);
  callback->when = when;
  arm(L, core, callback, deadline_at(when));
  return 1;
}

/* handle = call_later(seconds, fn, ...) */
static int f_call_later(lua_State *L) {
  double delay = check_seconds(L, 1);
  return call_when(L, (double)core_now(core_of(L)) / 1e9 + delay);
}

/* handle = call_at(when, fn, ...) */
static int f_call_at(lua_State *L) { return call_when(L, check_seconds(L, 1)); }

/* time = time(): seconds of the loop's clock */
static int f_time(lua_State *L) {
  lua_pushnumber(L, (double)core_now(core_of(L)) / 1e9);
  return 1;
}

const luaL_Reg callback_functions[] = {
    {"call_soon", f_call_soon},
    {"call_soon_threadsafe", f_call_soon_threadsafe},
    {"call_later", f_call_later},
    {"call_at", f_call_at},
    {"time", f_time},
    {NULL, NULL},
};

/* handle:cancel() */
static int f_cancel(lua_State *L) {
  drop(core_of(L), object_check(L, 1, &callback_type));
  return 0;
}

/* cancelled = handle:cancelled() */
static int f_cancelled(lua_State *L) {
  Callback *callback = object_check(L, 1, &callback_type);
  lua_pushboolean(L, callback->cancelled);
  return 1;
}

/* when = handle:when(): seconds of the loop's clock; nil for call_soon */
static int f_when(lua_State *L) {
  Callback *callback = object_check(L, 1, &callback_type);
  if (isnan(callback->when))
    lua_pushnil(L);
  else
    lua_pushnumber(L, callback->when);
  return 1;
}

static int f_tostring(lua_State *L) {
  Callback *callback = object_check(L, 1, &callback_type);
  lua_pushfstring(L, "neap.Handle (%s)", callback->cancelled ? "cancelled" : callback->spent ? "called" : callback->standing ? "standing" : "scheduled");
  return 1;
}

/* insist(task): from now on its cancellation is repeated at every await */
static int insist(lua_State *L) {
  Task *task = task_check(L, 1);
  if (future_done(&task->future) || task->cancels == 0) return 0;
  task->insist = true;
  if (!task->wait.abort || !task->wait.abort(core_of(L), task, NULL, 0)) task->must_cancel = true;
  return 0;
}

void insist_later(lua_State *L, Core *core, int task, double seconds) {
  task = lua_absindex(L, task);
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, insist, 1);
  lua_pushvalue(L, task);
  Callback *callback = callback_new(L, core, lua_gettop(L) - 1);
  arm(L, core, callback, deadline_in(core, seconds));
  lua_pop(L, 1);
}

static const luaL_Reg methods[] = {{"cancel", f_cancel}, {"cancelled", f_cancelled}, {"when", f_when}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__tostring", f_tostring}, {NULL, NULL}};

const Type callback_type = {.name = "neap.Handle", .methods = methods, .metamethods = metamethods, .purge = purge, .meta = SERVICE_CALLBACK};
const Type standing_type = {.name = "neap.Handle", .base = &callback_type, .purge = purge};
