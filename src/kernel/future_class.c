/* SPDX-License-Identifier: MIT
 * The class Future: its methods, and awaiting one. */
#include "kernel/callback.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/task.h"

/* done = future:done() */
static int f_done(lua_State *L) {
  lua_pushboolean(L, future_done(future_check(L, 1)));
  return 1;
}

/* cancelled = future:cancelled() */
static int f_cancelled(lua_State *L) {
  lua_pushboolean(L, future_check(L, 1)->state == FUTURE_CANCELLED);
  return 1;
}

/* ... = future:result() */
static int f_result(lua_State *L) {
  Future *future = future_check(L, 1);
  lua_settop(L, 1);
  return future_result(L, core_of(L), 1, future);
}

/* error = future:exception() */
static int f_exception(lua_State *L) {
  Future *future = future_check(L, 1);
  lua_settop(L, 1);
  if (future->state == FUTURE_FINISHED) {
    lua_pushnil(L);
    return 1;
  }
  if (future->state != FUTURE_FAILED) return future_result(L, core_of(L), 1, future);
  future_push_error(L, 1, future);
  return 1;
}

/* text = future:traceback(): where it failed and who awaited; nil if it did not fail */
static int f_traceback(lua_State *L) {
  Future *future = future_check(L, 1);
  slot_push(L, 1, future, SLOT_TRACE);
  return 1;
}

/* accepted = future:cancel([message [, {grace = seconds}]]) */
static int f_cancel(lua_State *L) {
  Future *future = future_check(L, 1);
  Core *core = core_of(L);
  lua_settop(L, 3);
  double grace = -1;
  if (!lua_isnil(L, 3)) {
    check_fields(L, 3, "grace");
    if (lua_getfield(L, 3, "grace") != LUA_TNIL) {
      if (lua_type(L, -1) != LUA_TNUMBER) return luaL_argerror(L, 3, "field 'grace': seconds expected");
      grace = lua_tonumber(L, -1);
      if (!(grace >= 0)) return luaL_argerror(L, 3, "field 'grace': seconds, not negative, expected");
    }
    lua_settop(L, 2);
  }
  core->cancel_depth = 0; /* an error may have left it */
  bool accepted = future_cancel(core, future, L, 1, lua_isnil(L, 2) ? 0 : 2);
  if (accepted && grace >= 0 && object_is(&future->head, &task_type.type)) insist_later(L, core, 1, grace);
  lua_pushboolean(L, accepted);
  return 1;
}

static void check_settable(lua_State *L, Future *future, const char *what) {
  if (object_is(&future->head, &task_type.type))
    fail_raise(L, FAIL_RUNTIME, "a task does not support %s", what);
  if (future_done(future)) fail_raise(L, FAIL_INVALID_STATE, "the future is already done");
}

/* future:set_result(...) */
static int f_set_result(lua_State *L) {
  Future *future = future_check(L, 1);
  check_settable(L, future, "set_result");
  future_set_results(L, core_of(L), 1, future, lua_gettop(L) - 1);
  return 0;
}

/* future:set_exception(error) */
static int f_set_exception(lua_State *L) {
  Future *future = future_check(L, 1);
  check_settable(L, future, "set_exception");
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  future_set_error(L, core_of(L), 1, future);
  return 0;
}

/* future:add_done_callback(fn): fn(future), by call_soon, also when it is done already */
static int f_add_done_callback(lua_State *L) {
  Future *future = future_check(L, 1);
  if (!lua_isfunction(L, 2) && luaL_getmetafield(L, 2, "__call") == LUA_TNIL) return argument_error(L, 2, "function");
  lua_settop(L, 2);
  lua_insert(L, 1); /* fn, future: the function and its argument */
  Callback *callback = callback_new(L, core_of(L), 1);
  if (future_done(future))
    job_post(core_of(L), &callback->timer.job);
  else
    list_append(&future->u.callbacks, &callback->timer.job.link);
  return 0;
}

/* count = future:remove_done_callback(fn) */
static int f_remove_done_callback(lua_State *L) {
  Future *future = future_check(L, 1);
  Core *core = core_of(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_Integer count = 0;
  if (!future_done(future)) {
    list_each_safe(link, &future->u.callbacks) {
      if (callback_calls(L, core, link, 2)) {
        callback_drop(core, link);
        count++;
      }
    }
  }
  lua_pushinteger(L, count);
  return 1;
}

static const char *const state_names[] = {"pending", "finished", "failed", "cancelled"};

static int f_tostring(lua_State *L) {
  Future *future = future_check(L, 1);
  if (object_is(&future->head, &task_type.type)) {
    task_push_name(L, 1, (Task *)future);
    lua_pushfstring(L, "neap.Task %s (%s)", lua_tostring(L, -1), state_names[future->state]);
  } else {
    lua_pushfstring(L, "%s (%s)", future->head.type->name, state_names[future->state]);
  }
  return 1;
}

/* future = Future() */
static int f_new(lua_State *L) {
  future_new(L, core_of(L), &future_type, sizeof(Future));
  return 1;
}

/* Is what awaiting the future at index 1 raises a CancelledError? (A gather fails with one.) */
static bool ends_cancelled(lua_State *L, const Future *future) {
  if (future->state != FUTURE_FAILED) return future->state == FUTURE_CANCELLED;
  slot_push(L, 1, future, SLOT_MAIN);
  bool is = fail_is(L, -1, FAIL_CANCELLED);
  lua_pop(L, 1);
  return is;
}

static int k_await(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_await, context);
  Task *task = core->current;
  Future *future = lua_touserdata(L, 1);
  lua_settop(L, 1);
  if (UNLIKELY(!future_done(future))) return wait_raise(L, core, task); /* see CANCEL_DEPTH */
  if (UNLIKELY(task->throwing) && !ends_cancelled(L, future)) {
    future_seen(future); /* asyncio: the result is taken, then dropped */
    return wait_raise(L, core, task);
  }
  return future_result(L, core, 1, future);
}

/* So deep that the C stack is in danger a task is cancelled alone, not what it awaits. */
bool future_abort_await(Core *core, Task *task, lua_State *L, int message) {
  Future *future = task->wait.u.future;
  if (core->cancel_depth >= CANCEL_DEPTH && !future_done(future)) {
    if (!wait_pending(task)) return false;
    wait_note(core, task, L, message);
    list_remove(&task->wait.job.link);
    wait_cut(core, task);
    return true;
  }
  if (L && !lua_checkstack(L, 6)) luaL_error(L, "not enough memory");
  if (L) {
    lua_pushvalue(wait_thread(task), 1); /* await's argument */
    lua_xmove(wait_thread(task), L, 1);
  }
  core->cancel_depth++;
  bool accepted = future_cancel(core, future, L, L ? lua_gettop(L) : 0, message);
  core->cancel_depth--;
  if (L) lua_pop(L, 1);
  return accepted;
}

static int future_await(lua_State *L, Core *core, Head *head) {
  Future *future = (Future *)head;
  Task *task = core->current;
  if (future_done(future)) return future_result(L, core, 1, future);
  if (future == &task->future) return fail_raise(L, FAIL_RUNTIME, "a task cannot await itself");
  lua_settop(L, 1);
  task->wait.u.future = future;
  list_append(&future->u.callbacks, &task->wait.job.link);
  return wait_park(L, core, task, future_abort_await, k_await, (lua_KContext)core);
}

static const luaL_Reg methods[] = {
    {"done", f_done},
    {"cancelled", f_cancelled},
    {"result", f_result},
    {"exception", f_exception},
    {"traceback", f_traceback},
    {"cancel", f_cancel},
    {"set_result", f_set_result},
    {"set_exception", f_set_exception},
    {"add_done_callback", f_add_done_callback},
    {"remove_done_callback", f_remove_done_callback},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {{"__tostring", f_tostring}, {NULL, NULL}};

const FutureType future_type = {
    .type = {.name = "neap.Future", .await = future_await, .methods = methods, .metamethods = metamethods, .construct = f_new,
             .meta = SERVICE_FUTURE},
    .cancel = future_cancel_plain,
};
