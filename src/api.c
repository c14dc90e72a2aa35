/* SPDX-License-Identifier: MIT
 * include/neap.h: each function finds the core of its state and hands over to whoever does the work. */
#include "api.h"

#include "io/filter.h"
#include "io/io.h"
#include "io/poll.h"
#include "io/stream.h"
#include "kernel/await.h"
#include "kernel/coroutine.h"
#include "kernel/fail.h"
#include "kernel/host.h"
#include "kernel/mailbox.h"
#include "kernel/open.h"
#include "kernel/outside.h"
#include "kernel/run.h"

static Core *find(lua_State *L) {
  Core *core = core_find(L);
  if (UNLIKELY(!core || core->closed)) luaL_error(L, "neap is closed in this Lua state");
  return core;
}

/* ---- opening, running, closing ---- */

static struct uv_loop_s *api_uv_loop(lua_State *L) { return core_find(L)->loop; }

static void api_close(lua_State *L) { host_close(L, core_find(L), io_close); }

static int api_after_fork(lua_State *L) { return host_after_fork(core_find(L)); }

/* Calls function(values...), a closure with the core, for the n values at the top; as lua_pcall. */
static int protect(lua_State *L, lua_CFunction function, int n, int nresults) {
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lua_settop(L, -n - 1);
    lua_pushliteral(L, "stack overflow");
    return LUA_ERRERR;
  }
  lua_pushlightuserdata(L, core_find(L));
  lua_pushcclosure(L, function, 1);
  lua_insert(L, -n - 1);
  return lua_pcall(L, n, nresults, 0);
}

static int api_run(lua_State *L, int nargs, int nresults) { return protect(L, run_function, nargs + 1, nresults); }

/* name or nil, function, ... -> task */
static int call_spawn(lua_State *L) {
  Core *core = core_of(L);
  if (core->closed) luaL_error(L, "neap is closed in this Lua state");
  if (!lua_isfunction(L, 2) && luaL_getmetafield(L, 2, "__call") == LUA_TNIL)
    return luaL_error(L, "neap_spawn: function expected, got %s", luaL_typename(L, 2));
  coro_pack(L, core, 2);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "name");
  task_start(L, core, task_new(L, core, 2, 3), false);
  return 1;
}

static int call_push_name(lua_State *L) {
  const char *name = lua_touserdata(L, 1);
  lua_pushstring(L, name);
  return 1;
}

static int api_spawn(lua_State *L, const char *name, int nargs) {
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lua_settop(L, -nargs - 2);
    lua_pushliteral(L, "stack overflow");
    return LUA_ERRERR;
  }
  lua_pushcfunction(L, call_push_name);
  lua_pushlightuserdata(L, (void *)name);
  int status = lua_pcall(L, 1, 1, 0);
  lua_insert(L, -nargs - 2);
  if (status == LUA_OK) return protect(L, call_spawn, nargs + 2, 1);
  lua_settop(L, -nargs - 2); /* the error stays */
  return status;
}

static bool api_cancel(lua_State *L, int index) {
  Future *future = future_test(L, index);
  return future && future_cancel(core_find(L), future, NULL, 0, 0);
}

static int call_result(lua_State *L) { return future_result(L, core_of(L), 1, lua_touserdata(L, 1)); }

static int api_result(lua_State *L, int index, int nresults) {
  Future *future = future_test(L, index);
  if (!future) {
    lua_pushfstring(L, "future or task expected, got %s", luaL_typename(L, index));
    return LUA_ERRRUN;
  }
  if (!future_done(future)) return LUA_YIELD;
  lua_pushvalue(L, index);
  return protect(L, call_result, 1, nresults);
}

static bool api_turn(lua_State *L, double seconds) { return host_turn(L, core_find(L), seconds); }

static int api_timeout(lua_State *L) { return host_timeout(core_find(L)); }

static int api_backend_fd(lua_State *L) { return uv_backend_fd(core_find(L)->loop); }

/* ---- from outside ---- */

static neap_future *api_future_new(lua_State *L) { return outside_future(L, find(L)); }

static neap_loop *api_loop_of(lua_State *L) { return outside_loop(L, find(L)); }

static void api_work(lua_State *L, void (*work)(void *data), neap_push push, void *data) {
  outside_work(L, find(L), work, push, data);
}

/* ---- parking ---- */

enum { WAIT_MAILBOX, WAIT_TASK }; /* of neap_wait's private fields */

static bool abort_parked(Core *core, Task *task, lua_State *L, int message) {
  neap_wait *wait = task->wait.u.on;
  if (!wait_pending(task)) return false;
  wait_note(core, task, L, message);
  wait->private_[WAIT_TASK] = NULL;
  wait->abort(wait);
  wait_cut(core, task);
  return true;
}

static int api_park(lua_State *L, neap_wait *wait, lua_KFunction k, lua_KContext context) {
  Core *core = find(L);
  Task *task = wait_task(L, core);
  if (wait->private_[WAIT_TASK]) return fail_raise(L, FAIL_RUNTIME, "a task is parked there already");
  wait->private_[WAIT_MAILBOX] = core->mailbox;
  wait->private_[WAIT_TASK] = task;
  task->wait.u.on = wait;
  return wait_park(L, core, task, wait->abort ? abort_parked : NULL, k, context);
}

static void api_wake(neap_wait *wait) {
  Mailbox *mailbox = wait->private_[WAIT_MAILBOX];
  Task *task = wait->private_[WAIT_TASK];
  wait->private_[WAIT_TASK] = NULL;
  if (mailbox->core && wait_pending(task)) wait_post(mailbox->core, task);
}

static bool api_cancelled(lua_State *L) {
  Core *core = find(L);
  if (!wait_mine(L, core))
    return fail_raise(L, FAIL_RUNTIME, "the coroutine of a task was resumed by somebody else");
  return wait_cancelled(core->current);
}

static int api_raise_cancelled(lua_State *L) {
  Core *core = find(L);
  if (!core->current) return fail_raise(L, FAIL_RUNTIME, "neap_raise_cancelled outside a task");
  return wait_raise(L, core, core->current);
}

static void api_pushasync(lua_State *L, lua_CFunction function, int nup) {
  lua_pushcclosure(L, function, nup);
  async_push(L, find(L));
}

static int api_wait_fd(lua_State *L, int fd, int events, lua_KFunction k, lua_KContext context) {
  return poll_park(L, find(L), fd, events, k, context);
}

/* ---- filters ---- */

static neap_stream *api_filter_set(lua_State *L, int index, const neap_filter *filter, void *self) {
  return (neap_stream *)filter_set(L, stream_check(L, index)->stream, filter, self);
}

const neap_api api_table = {
    .abi = NEAP_ABI,
    .size = sizeof(neap_api),
    .uv_loop = api_uv_loop,
    .close = api_close,
    .after_fork = api_after_fork,
    .run = api_run,
    .spawn = api_spawn,
    .cancel = api_cancel,
    .result = api_result,
    .turn = api_turn,
    .timeout = api_timeout,
    .backend_fd = api_backend_fd,
    .future_new = api_future_new,
    .future_on_cancel = outside_on_cancel,
    .future_cancelled = outside_cancelled,
    .complete = outside_complete,
    .complete_threadsafe = outside_complete_threadsafe,
    .loop_of = api_loop_of,
    .loop_release = outside_release,
    .post = outside_post,
    .work = api_work,
    .park = api_park,
    .wake = api_wake,
    .cancelled = api_cancelled,
    .raise_cancelled = api_raise_cancelled,
    .pushasync = api_pushasync,
    .wait_fd = api_wait_fd,
    .filter_set = api_filter_set,
    .stream_feed = filter_feed,
    .stream_feed_eof = filter_feed_eof,
    .stream_send = filter_send,
    .stream_fail = filter_fail,
    .stream_room = filter_room,
    .stream_linger = filter_linger,
    .stream_hold = filter_hold,
    .stream_fail_with = filter_fail_with,
};

void api_open(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&api_table);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAP_API_KEY);
}
