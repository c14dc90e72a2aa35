/* SPDX-License-Identifier: MIT
 * wait: until some or all of a set are done, or time is up. It cancels nothing. */
#include <string.h>

#include "combine/combine.h"
#include "combine/members.h"
#include "kernel/fail.h"

typedef enum { FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED } WaitMode;

/* Lives on the waiter's stack, above the operation, whose user value 1 is the list of futures. */
typedef struct {
  Head head;
  Timer timer;
  Task *task; /* borrowed: the waiter */
  int left;
  int count;
  WaitMode mode;
  Watch watches[];
} WaitSet;

const Type wait_set_type = {.name = "neap.WaitSet"};

static void on_member(Core *core, Job *job) {
  Watch *watch = container_of(job, Watch, job);
  WaitSet *set = watch->owner;
  Future *future = watch->future;
  set->left--;
  bool failed = set->mode == FIRST_EXCEPTION && future->state == FUTURE_FAILED;
  if (failed) future_seen(future);
  if (set->left > 0 && set->mode != FIRST_COMPLETED && !failed) return;
  timer_disarm(core, &set->timer);
  if (wait_pending(set->task)) wait_post(core, set->task);
}

static void on_timeout(Core *core, Job *job) {
  WaitSet *set = container_of(job, WaitSet, timer.job);
  if (wait_pending(set->task)) wait_post(core, set->task);
}

/* done, pending: tables with n */
static int push_sets(lua_State *L, const WaitSet *set) {
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1);
  lua_newtable(L);
  lua_newtable(L);
  lua_Integer n[2] = {0, 0};
  for (int i = 0; i < set->count; i++) {
    int pending = !future_done(set->watches[i].future);
    lua_rawgeti(L, 3, i + 1);
    lua_rawseti(L, 4 + pending, ++n[pending]);
  }
  for (int pending = 0; pending < 2; pending++) {
    lua_pushinteger(L, n[pending]);
    lua_setfield(L, 4 + pending, "n");
  }
  return 2;
}

static int k_wait(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_wait, context);
  WaitSet *set = lua_touserdata(L, 2);
  timer_disarm(core, &set->timer);
  for (int i = 0; i < set->count; i++) list_remove(&set->watches[i].job.link);
  if (wait_cancelled(core->current)) return wait_raise(L, core, core->current);
  return push_sets(L, set);
}

static int start_wait(lua_State *L, Core *core, Task *task, Op *op) {
  lua_getiuservalue(L, 1, 1);
  int n = (int)lua_rawlen(L, 2);
  bool timed = op->number == op->number;
  WaitSet *set = object_new(L, &wait_set_type, sizeof *set + (size_t)n * sizeof(Watch), 0);
  if (timed) timer_reserve(L, core);
  set->task = task;
  set->left = set->count = n;
  set->mode = (WaitMode)op->integer;
  timer_setup(&set->timer, on_timeout);
  if (timed) timer_arm(core, &set->timer, deadline_in(core, op->number));
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 2, i + 1);
    watch_future(core, &set->watches[i], lua_touserdata(L, -1), set, on_member);
    lua_pop(L, 1);
  }
  lua_replace(L, 2);
  return wait_park(L, core, task, wait_abort, k_wait, (lua_KContext)core);
}

static WaitMode check_mode(lua_State *L, int options) {
  static const char *const names[] = {"FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"};
  if (lua_getfield(L, options, "return_when") == LUA_TNIL) return ALL_COMPLETED;
  const char *name = lua_tostring(L, -1);
  for (int i = 0; name && i < 3; i++)
    if (strcmp(name, names[i]) == 0) return (WaitMode)i;
  luaL_argerror(L, options, "field 'return_when': \"FIRST_COMPLETED\", \"FIRST_EXCEPTION\" or \"ALL_COMPLETED\" expected");
  return ALL_COMPLETED;
}

/* Each future once: the n values from `first` on become a list, left in their place. */
static void unique(lua_State *L, int first, int n) {
  lua_createtable(L, n, 0);
  lua_newtable(L);
  int list = first + n;
  lua_Integer count = 0;
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, first + i);
    if (lua_rawget(L, list + 1) == LUA_TNIL) {
      lua_pushvalue(L, first + i);
      lua_pushboolean(L, 1);
      lua_rawset(L, list + 1);
      lua_pushvalue(L, first + i);
      lua_rawseti(L, list, ++count);
    }
    lua_settop(L, list + 1);
  }
  lua_settop(L, list);
  lua_replace(L, first);
  lua_settop(L, first);
}

/* done, pending = wait(futures [, {timeout =, return_when =}]): an operation */
static int f_wait(lua_State *L) {
  lua_settop(L, 2);
  double timeout = 0.0 / 0.0;
  WaitMode mode = ALL_COMPLETED;
  if (!members_is_list(L, 1)) return argument_error(L, 1, "list of futures");
  if (!lua_isnil(L, 2)) {
    check_fields(L, 2, "timeout return_when");
    mode = check_mode(L, 2);
    timeout = members_timeout(L, 2);
  }
  lua_settop(L, 1);
  int n = members_push(L, 1);
  luaL_argcheck(L, n > 0, 1, "a list of at least one future expected");
  members_check(L, 2, n, 1, true);
  unique(L, 2, n);
  Op *op = op_new(L, start_wait, "neap.wait", 2, 0);
  op->number = timeout;
  op->integer = mode;
  return 1;
}

const luaL_Reg wait_functions[] = {{"wait", f_wait}, {NULL, NULL}};
