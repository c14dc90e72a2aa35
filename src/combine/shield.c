/* SPDX-License-Identifier: MIT
 * shield: an outer future that follows the inner one, but does not cancel it. Anchored while it
 * watches. When the outer one is cancelled the watch ends at once, so that an error of the inner one
 * after that is reported unless somebody else looks at it. */
#include "combine/combine.h"
#include "combine/members.h"

typedef struct {
  Future future; /* user value 2: the inner future */
  Watch watch;
  uint32_t anchor;
} Shield;

/* shield, core: the outer one becomes what the inner one is */
static int follow(lua_State *L) {
  Shield *shield = lua_touserdata(L, 1);
  Core *core = lua_touserdata(L, 2);
  Future *outer = &shield->future, *inner = shield->watch.future;
  if (future_done(outer)) return 0;
  lua_getiuservalue(L, 1, 2);
  switch (inner->state) {
    case FUTURE_CANCELLED: future_cancel_plain(core, outer, NULL, 0, 0); break;
    case FUTURE_FAILED:
      slot_push(L, 3, inner, SLOT_TRACE);
      if (!lua_isnil(L, -1)) slot_set(L, 1, outer, SLOT_TRACE);
      future_push_error(L, 3, inner);
      future_set_error(L, core, 1, outer);
      break;
    default:
      future_set_results(L, core, 1, outer, future_result(L, core, 3, inner));
      break;
  }
  return 0;
}

static void on_inner(Core *core, Job *job) {
  Shield *shield = container_of(job, Watch, job)->owner;
  if (!core_call(core, follow, shield->anchor, "the result of a shield is lost")) future_fail_poor(core, shield->anchor);
  anchor_delete(core, shield->anchor);
}

static bool shield_cancel(Core *core, Future *future, lua_State *L, int index, int message) {
  Shield *shield = (Shield *)future;
  if (!future_cancel_plain(core, future, L, index, message)) return false;
  if (list_empty(&shield->watch.job.link)) return true; /* purged */
  list_remove(&shield->watch.job.link);
  anchor_delete(core, shield->anchor);
  return true;
}

/* future = shield(awaitable) */
static int f_shield(lua_State *L) {
  Core *core = core_of(L);
  check_awaitable(L, 1);
  lua_settop(L, 1);
  Future *inner = ensure_future(L, core, 1);
  if (future_done(inner)) return 1;
  Shield *shield = object_new(L, &shield_type.type, sizeof *shield, 2);
  future_create(&shield->future);
  list_create(&shield->watch.job.link);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 2);
  shield->anchor = anchor_new(L, core, 3);
  watch_future(core, &shield->watch, inner, shield, on_inner);
  return 1;
}

const luaL_Reg shield_functions[] = {{"shield", f_shield}, {NULL, NULL}};

static int shield_await(lua_State *L, Core *core, Head *head) { return future_type.type.await(L, core, head); }

static void purge(Core *core, Head *head) {
  Shield *shield = (Shield *)head;
  list_remove(&shield->watch.job.link);
  anchor_delete(core, shield->anchor);
}

const FutureType shield_type = {
    .type = {.name = "neap.ShieldedFuture", .base = &future_type.type, .await = shield_await, .purge = purge},
    .cancel = shield_cancel,
};
