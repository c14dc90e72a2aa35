/* SPDX-License-Identifier: MIT
 * as_completed: an iterator that gives futures as they are done. It is anchored while it watches, and
 * closed by the generic for. */
#include <math.h>

#include "combine/combine.h"
#include "combine/members.h"
#include "kernel/coroutine.h"
#include "kernel/fail.h"

typedef struct {
  Head head; /* user values: the futures; those to give, in order */
  Timer timer;
  Task *task;      /* borrowed: who waits for the next one; NULL: nobody */
  uint32_t anchor; /* 0: watches nothing any more */
  int count, given, done, pending;
  bool expired;
  Watch **order; /* behind the watches: the done ones, in order */
  Watch watches[];
} AsCompleted;

static void unanchor(Core *core, AsCompleted *a) {
  timer_disarm(core, &a->timer);
  if (a->anchor) anchor_delete(core, a->anchor);
  a->anchor = 0;
}

static void wake(Core *core, AsCompleted *a) {
  if (a->task && wait_pending(a->task)) wait_post(core, a->task);
}

static void on_member(Core *core, Job *job) {
  Watch *watch = container_of(job, Watch, job);
  AsCompleted *a = watch->owner;
  a->order[a->done++] = watch;
  a->pending--;
  wake(core, a);
  if (a->pending == 0) unanchor(core, a);
}

static void detach(Core *core, AsCompleted *a) {
  for (int i = 0; i < a->count; i++) list_remove(&a->watches[i].job.link);
  unanchor(core, a);
}

static void on_timeout(Core *core, Job *job) {
  AsCompleted *a = container_of(job, AsCompleted, timer.job);
  a->expired = true;
  wake(core, a);
  detach(core, a);
}

/* Pushes the next: a done future, or for each one missing when time is up a failed one. */
static int push_next(lua_State *L, Core *core, AsCompleted *a, int index) {
  if (a->given < a->done) {
    Watch *watch = a->order[a->given++];
    lua_getiuservalue(L, index, 1);
    lua_rawgeti(L, -1, (lua_Integer)(watch - a->watches) + 1);
    return 1;
  }
  Future *late = future_new(L, core, &future_type, sizeof *late);
  fail_push(L, FAIL_TIMEOUT, NULL);
  future_set_error(L, core, -2, late);
  a->given++;
  return 1;
}

static int next_item(lua_State *L, Core *core, AsCompleted *a);

static int k_next(lua_State *L, int status, lua_KContext context) {
  UNUSED(status), UNUSED(context);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_next, context);
  AsCompleted *a = lua_touserdata(L, 1);
  a->task = NULL;
  if (wait_cancelled(core->current)) { /* without a message: it belongs to no element */
    fail_push(L, FAIL_CANCELLED, NULL);
    return lua_error(L);
  }
  return next_item(L, core, a);
}

static int next_item(lua_State *L, Core *core, AsCompleted *a) {
  if (a->given < a->done || (a->expired && a->given < a->count)) return push_next(L, core, a, 1);
  if (a->given == a->count) return 0;
  Task *task = wait_task(L, core);
  if (a->task) return fail_raise(L, FAIL_RUNTIME, "another task waits for the next one of this as_completed");
  a->task = task;
  return wait_park(L, core, task, wait_abort, k_next, 0);
}

/* future = iterator(as_completed) */
static int iterate(lua_State *L) {
  AsCompleted *a = object_check(L, 1, &as_completed_type);
  lua_settop(L, 1);
  return next_item(L, core_of(L), a);
}

/* for future in as_completed(awaitables [, {timeout =}]) do */
static int f_as_completed(lua_State *L) {
  Core *core = core_of(L);
  lua_settop(L, 2);
  double timeout = NAN;
  if (!members_is_list(L, 1)) return argument_error(L, 1, "list of awaitables");
  if (!lua_isnil(L, 2)) {
    check_fields(L, 2, "timeout");
    timeout = members_timeout(L, 2);
  }
  lua_settop(L, 1);
  int n = members_push(L, 1);
  members_check(L, 2, n, 1, false);
  lua_createtable(L, n, 0);
  lua_newtable(L);
  int list = n + 2, count = 0;
  for (int i = 0; i < n; i++) {
    lua_pushvalue(L, 2 + i);
    bool once = future_test(L, -1) || object_test(L, -1, &coro_type);
    if (!once || lua_rawget(L, list + 1) == LUA_TNIL) {
      if (once) {
        lua_pushvalue(L, 2 + i);
        lua_pushboolean(L, 1);
        lua_rawset(L, list + 1);
      }
      ensure_future(L, core, 2 + i);
      lua_rawseti(L, list, ++count);
    }
    lua_settop(L, list + 1);
  }
  lua_settop(L, list);
  AsCompleted *a = object_new(L, &as_completed_type, sizeof *a + (size_t)count * (sizeof(Watch) + sizeof(Watch *)), 1);
  a->count = a->pending = count;
  a->order = (Watch **)(void *)&a->watches[count];
  timer_setup(&a->timer, on_timeout);
  for (int i = 0; i < count; i++) list_create(&a->watches[i].job.link);
  lua_pushvalue(L, list);
  lua_setiuservalue(L, -2, 1);
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, iterate, 1);
  lua_insert(L, -2);
  anchors_reserve(L, core, 1);
  timer_reserve(L, core);
  if (count > 0) a->anchor = anchor_new(L, core, -1);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, list, i + 1);
    watch_future(core, &a->watches[i], lua_touserdata(L, -1), a, on_member);
    lua_pop(L, 1);
  }
  if (count > 0 && !isnan(timeout)) timer_arm(core, &a->timer, deadline_in(core, timeout));
  lua_pushnil(L);
  lua_pushvalue(L, -2); /* iterator, state, control, to be closed */
  return 4;
}

/* __close: at the end of the loop, also by break */
static int a_close(lua_State *L) {
  detach(core_of(L), object_check(L, 1, &as_completed_type));
  return 0;
}

static const luaL_Reg metamethods[] = {{"__close", a_close}, {NULL, NULL}};
static void purge(Core *core, Head *head) { detach(core, (AsCompleted *)head); }

const Type as_completed_type = {.name = "neap.AsCompleted", .metamethods = metamethods, .purge = purge};

const luaL_Reg as_completed_functions[] = {{"as_completed", f_as_completed}, {NULL, NULL}};
