/* SPDX-License-Identifier: MIT
 * TaskGroup: its tasks are done when it is left; the first error cancels the others and the body.
 * Each task has a member record, anchored until the task is done. */
#include "combine/combine.h"
#include "kernel/fail.h"
#include "kernel/report.h"
#include "kernel/spawn.h"
#include "kernel/watchdog.h"

typedef struct {
  Head head; /* user values: the parent task, the list of errors */
  Link members;
  Task *parent; /* borrowed: user value 1 */
  Task *waiter; /* the parent, while it waits for the last member */
  lua_Integer errors;
  bool poor; /* there was no memory to keep one */
  bool exiting, finished, aborting;
  bool cancelled; /* by cancel() */
  bool nils;   /* one of the errors is nil */
  bool failed; /* the body ended with an error, nil included */
  bool parent_cancelled; /* by the group */
} Group;

typedef struct {
  Head head; /* user values: the group, the task */
  Job job;
  Link link;
  Group *group;
  Task *task;
  uint32_t anchor;
} Member;

enum { UV_PARENT = 1, UV_ERRORS, UV_INTERRUPT };

static void abort_group(Core *core, Group *group) {
  group->aborting = true;
  list_each_safe(link, &group->members) {
    Task *task = container_of(link, Member, link)->task;
    if (!future_done(&task->future)) future_cancel(core, &task->future, NULL, 0, 0);
  }
}

static void push_error_list(lua_State *L, int group) {
  if (lua_getiuservalue(L, group, UV_ERRORS) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, group, UV_ERRORS);
}

/* member, core: keeps the error of its task */
static int keep_error(lua_State *L) {
  Member *member = lua_touserdata(L, 1);
  Core *core = lua_touserdata(L, 2);
  Group *group = member->group;
  lua_getiuservalue(L, 1, 1); /* 3 */
  lua_getiuservalue(L, 1, 2); /* 4 */
  push_error_list(L, 3);
  slot_push(L, 4, &member->task->future, SLOT_MAIN);
  lua_rawseti(L, 5, group->errors + 1);
  group->errors++;
  future_seen(&member->task->future);
  slot_push(L, 4, &member->task->future, SLOT_MAIN);
  group->nils |= lua_isnil(L, -1);
  if (fail_is(L, -1, FAIL_INTERRUPT))
    lua_setiuservalue(L, 3, UV_INTERRUPT);
  else
    lua_pop(L, 1);
  if (!future_done(&group->parent->future)) return 0;
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "a task of a TaskGroup failed after its parent task was done");
  lua_setfield(L, -2, "message");
  future_push_error(L, 4, &member->task->future);
  lua_setfield(L, -2, "exception");
  lua_pushvalue(L, 4);
  lua_setfield(L, -2, "task");
  report(L, core);
  return 0;
}

static void on_member_done(Core *core, Job *job) {
  Member *member = container_of(job, Member, job);
  Group *group = member->group;
  list_remove(&member->link);
  if (group->waiter && list_empty(&group->members) && wait_pending(group->waiter)) wait_post(core, group->waiter);
  if (member->task->future.state == FUTURE_FAILED) {
    lua_Integer errors = group->errors;
    core_call(core, keep_error, member->anchor, "an error in a TaskGroup");
    if (group->errors == errors) group->poor = true;
    if (!group->aborting && !group->parent_cancelled && !future_done(&group->parent->future)) {
      abort_group(core, group);
      group->parent_cancelled = true;
      future_cancel(core, &group->parent->future, NULL, 0, 0);
    }
  }
  anchor_delete(core, member->anchor);
}

Task *taskgroup_parent(Job *job) { return job->run == on_member_done ? container_of(job, Member, job)->group->parent : NULL; }

/* task = group:create_task(awaitable [, options]) */
static int g_create_task(lua_State *L) {
  Core *core = core_of(L);
  Group *group = object_check(L, 1, &group_type);
  lua_settop(L, 3);
  Spawn wanted = spawn_check(L, 2, 3);
  const char *why = NULL;
  if (group->finished || (group->exiting && list_empty(&group->members)))
    why = "the TaskGroup is finished";
  else if (group->aborting)
    why = "the TaskGroup is shutting down";
  if (why) {
    spawn_discard(L, 2);
    return fail_raise(L, FAIL_RUNTIME, "%s", why);
  }
  Member *member = object_new(L, &member_type, sizeof *member, 2);
  int self = lua_gettop(L);
  list_create(&member->link);
  member->job.run = on_member_done;
  member->group = group;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, self, 1);
  Task *task = task_new(L, core, 2, wanted.options);
  member->task = task;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, 2);
  member->anchor = anchor_new(L, core, self); /* task_new has left one */
  list_append(&group->members, &member->link);
  list_append(&task->future.u.callbacks, &member->job.link);
  task_start(L, core, task, wanted.eager);
  return 1;
}

/* ---- leaving ---- */

/* The stack: the group, the body's error or nil, the cancellation to raise or nil, then anything. */
enum { AT_GROUP = 1, AT_ERROR, AT_CANCELLED };

static int raise_group(lua_State *L, Core *core, Group *group) {
  if (group->parent->cancels > 0) { /* keeps the count, and cancels again at the next await (gh-116720) */
    task_uncancel(group->parent);
    future_cancel(core, &group->parent->future, NULL, 0, 0);
  }
  fail_push(L, FAIL_GROUP, "unhandled errors in a TaskGroup");
  push_error_list(L, AT_GROUP);
  if (group->poor) {
    lua_pushliteral(L, "not enough memory");
    lua_rawseti(L, -2, ++group->errors);
  }
  if (group->nils) {
    lua_pushinteger(L, group->errors);
    lua_setfield(L, -2, "n");
  }
  lua_setfield(L, -2, "errors");
  return lua_error(L);
}

/* All members are done. Returns, or raises what the group ends with. */
static int finish(lua_State *L, Core *core, Group *group) {
  bool failed = group->failed || !lua_isnil(L, AT_ERROR);
  group->finished = true;
  if (failed && fail_is(L, AT_ERROR, FAIL_INTERRUPT)) {
    lua_pushvalue(L, AT_ERROR);
    return lua_error(L);
  }
  if (lua_getiuservalue(L, AT_GROUP, UV_INTERRUPT) != LUA_TNIL) return lua_error(L);
  lua_pop(L, 1);
  if (group->parent_cancelled && task_uncancel(group->parent) == 0) {
    lua_pushnil(L);
    lua_replace(L, AT_CANCELLED);
  }
  if (!lua_isnil(L, AT_CANCELLED) && group->errors == 0 && !group->poor) {
    watchdog_told(core);
    lua_pushvalue(L, AT_CANCELLED);
    return lua_error(L);
  }
  if (failed && !fail_is(L, AT_ERROR, FAIL_CANCELLED)) {
    push_error_list(L, AT_GROUP);
    group->nils |= lua_isnil(L, AT_ERROR);
    lua_pushvalue(L, AT_ERROR);
    lua_rawseti(L, -2, ++group->errors);
  }
  if (group->errors > 0 || group->poor) return raise_group(L, core, group);
  return 0;
}

static int k_exit(lua_State *L, int status, lua_KContext context);

/* The last step: waits for the members, or gives the results of the body, or raises. */
static int wait_members(lua_State *L, Core *core, Group *group, Task *task, lua_KContext results) {
  if (list_empty(&group->members)) {
    finish(L, core, group);
    return (int)results;
  }
  group->waiter = task;
  return wait_park(L, core, task, wait_abort, k_exit, results);
}

/* context: how many values are results of the body, above AT_CANCELLED */
static int k_exit(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_exit, context);
  Group *group = lua_touserdata(L, AT_GROUP);
  group->waiter = NULL;
  bool keep = !group->aborting || (group->cancelled && lua_isnil(L, AT_CANCELLED)); /* after cancel(): gh-155433 */
  if (wait_cancelled(core->current) && keep) {
    wait_keep_error(L, core);
    lua_replace(L, AT_CANCELLED);
    if (!group->aborting) abort_group(core, group);
  }
  return wait_members(L, core, group, core->current, context);
}

static int leave(lua_State *L, Core *core, Group *group, lua_KContext results) {
  group->exiting = true;
  if (group->failed || !lua_isnil(L, AT_ERROR)) {
    if (fail_is(L, AT_ERROR, FAIL_CANCELLED)) {
      lua_pushvalue(L, AT_ERROR);
      lua_replace(L, AT_CANCELLED);
    }
    if (!group->aborting) abort_group(core, group);
  }
  return wait_members(L, core, group, list_empty(&group->members) ? NULL : wait_task(L, core), results);
}

/* __close(group, error) */
static int g_close(lua_State *L) {
  Core *core = core_of(L);
  Group *group = object_check(L, 1, &group_type);
  lua_settop(L, AT_CANCELLED);
  lua_pushnil(L);
  lua_replace(L, AT_CANCELLED);
  if (group->exiting) return 0;
  return leave(L, core, group, 0);
}

/* group:cancel(): cancels its tasks and its body; the group ends without an error */
static int g_cancel(lua_State *L) {
  Core *core = core_of(L);
  Group *group = object_check(L, 1, &group_type);
  if (group->finished) return 0;
  group->cancelled = true;
  if (!group->aborting) abort_group(core, group);
  if (!group->exiting && !group->parent_cancelled) {
    group->parent_cancelled = true;
    future_cancel(core, &group->parent->future, NULL, 0, 0);
  }
  return 0;
}

static int g_tostring(lua_State *L) {
  Group *group = object_check(L, 1, &group_type);
  int n = 0;
  list_each(link, &group->members) n++;
  lua_pushfstring(L, "neap.TaskGroup (%s, %d tasks)",
                  group->finished ? "finished" : group->aborting ? "cancelling" : "active", n);
  return 1;
}

static Group *group_new(lua_State *L, Core *core) {
  if (!core->current) fail_raise(L, FAIL_RUNTIME, "a TaskGroup is entered outside a task");
  Group *group = object_new(L, &group_type, sizeof *group, 3);
  list_create(&group->members);
  group->parent = core->current;
  task_push(L, core, core->current);
  lua_setiuservalue(L, -2, UV_PARENT);
  return group;
}

/* group = TaskGroup(), to be closed */
static int g_new(lua_State *L) {
  group_new(L, core_of(L));
  return 1;
}

/* group, nil, nil, results; or group, error */
static int k_body(lua_State *L, int status, lua_KContext context) {
  UNUSED(context);
  Core *core = core_of(L);
  Group *group = lua_touserdata(L, AT_GROUP);
  if (status == LUA_OK || status == LUA_YIELD) return leave(L, core, group, lua_gettop(L) - AT_CANCELLED);
  lua_replace(L, AT_ERROR);
  lua_settop(L, AT_CANCELLED);
  group->failed = true;
  return leave(L, core, group, 0);
}

/* ... = task_group(fn): fn(group) */
static int f_task_group(lua_State *L) {
  Core *core = core_of(L);
  if (!lua_isfunction(L, 1)) return argument_error(L, 1, "function");
  lua_settop(L, 1);
  group_new(L, core);
  lua_insert(L, 1);
  lua_pushnil(L);
  lua_insert(L, 2);
  lua_pushnil(L);
  lua_insert(L, 3);
  lua_pushvalue(L, 1);
  return k_body(L, lua_pcallk(L, 1, LUA_MULTRET, 0, 0, k_body), 0);
}

const luaL_Reg taskgroup_functions[] = {{"task_group", f_task_group}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"create_task", g_create_task}, {"cancel", g_cancel}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__close", g_close}, {"__tostring", g_tostring}, {NULL, NULL}};
const Type group_type = {.name = "neap.TaskGroup", .methods = methods, .metamethods = metamethods, .construct = g_new};
const Type member_type = {.name = "neap.Member"};
