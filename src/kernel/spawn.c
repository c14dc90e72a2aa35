/* SPDX-License-Identifier: MIT */
#include "kernel/spawn.h"

#include "kernel/await.h"
#include "kernel/context.h"
#include "kernel/coroutine.h"
#include "kernel/deadlock.h"
#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/stack.h"

#define SLICE_LEAST 0.001 /* seconds */
#define SLICE_MOST 1000.0

static Spawn spawn_check_options(lua_State *L, int options) {
  if (lua_isnoneornil(L, options)) return (Spawn){0, false};
  check_fields(L, options, "eager_start name slice context");
  int name = lua_getfield(L, options, "name"), context = lua_getfield(L, options, "context"),
      slice = lua_getfield(L, options, "slice");
  if (name != LUA_TNIL && name != LUA_TSTRING) luaL_argerror(L, options, "field 'name': string expected");
  if (context != LUA_TNIL && !object_test(L, -2, &context_type))
    luaL_argerror(L, options, "field 'context': neap.Context expected");
  if (slice != LUA_TNIL) {
    double seconds = lua_tonumber(L, -1);
    if (slice != LUA_TNUMBER || !(seconds >= SLICE_LEAST && seconds <= SLICE_MOST))
      luaL_argerror(L, options, "field 'slice': seconds, from 0.001 to 1000, expected");
    if (!STACKS) luaL_argerror(L, options, "field 'slice': C stacks cannot be switched on this platform");
  }
  lua_getfield(L, options, "eager_start");
  bool eager = lua_toboolean(L, -1), more = name != LUA_TNIL || context != LUA_TNIL || slice != LUA_TNIL;
  lua_pop(L, 4);
  return (Spawn){more ? options : 0, eager};
}

Spawn spawn_check(lua_State *L, int index, int options) {
  Head *head = object_at(L, index);
  if (UNLIKELY(head && object_is(head, &future_type.type)))
    luaL_argerror(L, index, "coroutine object, function or operation expected, got a future: see ensure_future");
  if (UNLIKELY(!head || !head->type->await)) check_awaitable(L, index);
  return spawn_check_options(L, options);
}

void spawn_discard(lua_State *L, int index) {
  lua_pushvalue(L, index);
  if (object_test(L, -1, &coro_type)) coro_discard(L, -1);
  lua_pop(L, 1);
}

/* task = create_task(awaitable [, {name =, context =, eager_start =, slice =}]) */
static int f_create_task(lua_State *L) {
  Core *core = core_of(L);
  lua_settop(L, 2);
  Spawn wanted = spawn_check(L, 1, 2);
  Task *task = task_new(L, core, 1, wanted.options);
  task_start(L, core, task, wanted.eager);
  return 1;
}

/* task = current_task(): nil outside tasks */
static int f_current_task(lua_State *L) {
  Core *core = core_of(L);
  if (core->current)
    task_push(L, core, core->current);
  else
    lua_pushnil(L);
  return 1;
}

/* tasks = all_tasks(): those that are not done, with n */
static int f_all_tasks(lua_State *L) {
  Core *core = core_of(L);
  lua_settop(L, 0);
  lua_createtable(L, (int)core->live, 1);
  uint32_t slot = 0;
  lua_Integer n = 0;
  for (Task *task; (task = task_each(core, &slot)) != NULL;) {
    task_push(L, core, task);
    lua_rawseti(L, 1, ++n);
  }
  lua_pushinteger(L, n);
  lua_setfield(L, 1, "n");
  return 1;
}

/* is = is(value, class): of the class, or of one that extends it */
static int f_is(lua_State *L) {
  luaL_checkany(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  Head *head = object_at(L, 1);
  if (head) {
    bool is = luaL_getmetafield(L, 2, "__neap") == LUA_TLIGHTUSERDATA && object_is(head, lua_touserdata(L, -1));
    lua_pushboolean(L, is);
    return 1;
  }
  lua_pushboolean(L, fail_is_of(L, 1, 2));
  return 1;
}

const luaL_Reg spawn_functions[] = {
    {"create_task", f_create_task}, {"current_task", f_current_task}, {"all_tasks", f_all_tasks}, {"is", f_is}, {NULL, NULL}};

/* ---- methods ---- */

/* count = task:cancelling() */
static int t_cancelling(lua_State *L) {
  lua_pushinteger(L, task_check(L, 1)->cancels);
  return 1;
}

/* count = task:uncancel() */
static int t_uncancel(lua_State *L) {
  lua_pushinteger(L, task_uncancel(task_check(L, 1)));
  return 1;
}

/* name = task:get_name() */
static int t_get_name(lua_State *L) {
  task_push_name(L, 1, task_check(L, 1));
  return 1;
}

/* task:set_name(name) */
static int t_set_name(lua_State *L) {
  Task *task = task_check(L, 1);
  luaL_tolstring(L, 2, NULL);
  slot_set_flag(L, 1, &task->future, SLOT_NAME, FUTURE_NAME, lua_gettop(L));
  return 0;
}

/* context = task:get_context(): a copy */
static int t_get_context(lua_State *L) {
  Task *task = task_check(L, 1);
  lua_settop(L, 1);
  if (task->future.flags & FUTURE_CONTEXT) {
    slot_push(L, 1, &task->future, SLOT_CONTEXT);
    if (object_test(L, -1, &context_type)) return 1;
  } else {
    lua_pushnil(L);
  }
  context_new_of_map(L);
  return 1;
}

/* Adds to the table at the top. */
static void push_frames(lua_State *L, lua_State *co, int limit) {
  lua_Debug frame;
  int n = (int)lua_rawlen(L, -1);
  for (int level = 0; n < limit && lua_getstack(co, level, &frame); level++) {
    lua_getinfo(co, "Sln", &frame);
    if (frame.currentline <= 0) continue;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, frame.short_src);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, frame.currentline);
    lua_setfield(L, -2, "line");
    if (frame.name) {
      lua_pushstring(L, frame.name);
      lua_setfield(L, -2, "name");
    }
    lua_rawseti(L, -2, ++n);
  }
}

enum { FRAMES_LIMIT = 1000 };

/* frames = task:get_stack([{limit =}]): {{source =, line =, name =}, ...}, innermost first; empty when done */
static int t_get_stack(lua_State *L) {
  Task *task = task_check(L, 1);
  lua_Integer limit = FRAMES_LIMIT;
  if (!lua_isnoneornil(L, 2)) {
    check_fields(L, 2, "limit");
    int integral = 1;
    if (lua_getfield(L, 2, "limit") != LUA_TNIL) limit = lua_tointegerx(L, -1, &integral);
    luaL_argcheck(L, integral && limit >= 0, 2, "field 'limit': number of frames, not negative, expected");
    if (limit > FRAMES_LIMIT) limit = FRAMES_LIMIT;
  }
  lua_newtable(L);
  if (!task->co || !task->started) return 1;
  if (task->parked && wait_thread(task) != task->co) push_frames(L, task->guest, (int)limit);
  push_frames(L, task->co, (int)limit);
  return 1;
}

/* task:print_stack(): its stack, or the traceback of its error, to stderr */
static int t_print_stack(lua_State *L) {
  Task *task = task_check(L, 1);
  lua_settop(L, 1);
  task_push_name(L, 1, task);
  if (task->co && task->started)
    luaL_traceback(L, task->co, lua_pushfstring(L, "stack of task %s", lua_tostring(L, -1)), 0);
  else
    slot_push(L, 1, &task->future, SLOT_TRACE);
  lua_writestringerror("%s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : "no stack");
  return 0;
}

/* text = task:waits_for(): what it waits for and where; nil when it does not wait */
static int t_waits_for(lua_State *L) {
  Task *task = task_check(L, 1);
  if (!task->co || core_of(L)->current == task) return 0;
  wait_describe(L, core_of(L), task);
  return 1;
}

static const luaL_Reg methods[] = {
    {"cancelling", t_cancelling}, {"uncancel", t_uncancel},     {"get_name", t_get_name},
    {"set_name", t_set_name},     {"get_context", t_get_context}, {"get_stack", t_get_stack},
    {"print_stack", t_print_stack}, {"waits_for", t_waits_for}, {NULL, NULL}};

/* task = Task(awaitable [, options]) */
static int t_new(lua_State *L) { return f_create_task(L); }

static int task_await(lua_State *L, Core *core, Head *head) { return future_type.type.await(L, core, head); }

const FutureType task_type = {
    .type = {.name = "neap.Task", .base = &future_type.type, .await = task_await, .methods = methods, .construct = t_new,
             .meta = SERVICE_TASK},
    .cancel = task_cancel,
};
