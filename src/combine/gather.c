/* SPDX-License-Identifier: MIT
 * gather: a future over its children. It is anchored until the last child is done, since the
 * children's lists of callbacks lead into it. Results are made on the loop, in a protected call. */
#include "combine/combine.h"
#include "combine/members.h"
#include "kernel/coroutine.h"
#include "kernel/fail.h"

typedef struct {
  Future future; /* user value 2: the children, in the order of the arguments */
  uint32_t anchor;
  int count;    /* of children, duplicates included */
  int distinct; /* of futures */
  int finished;
  bool return_exceptions;
  bool cancel_requested;
  Watch *last; /* whose completion completes the gather */
  Watch children[];
} Gather;

enum { UV_CHILDREN = 2 };

/* Does this completion complete the gather? */
static bool child_done(Gather *gather, Watch *child) {
  gather->finished++;
  if (future_done(&gather->future)) {
    future_seen(child->future);
    return false;
  }
  gather->last = child;
  return gather->finished == gather->distinct ||
         (!gather->return_exceptions && child->future->state != FUTURE_FINISHED);
}

/* Pushes what the child at the top gives to the list of results. */
static void push_slot(lua_State *L, Core *core, Future *child) {
  int index = lua_gettop(L);
  UNUSED(core);
  switch (child->state) {
    case FUTURE_CANCELLED:
      if (child->flags & FUTURE_MESSAGE)
        slot_push(L, index, child, SLOT_MESSAGE);
      else
        lua_pushnil(L);
      fail_push_cancelled(L);
      break;
    case FUTURE_FAILED: future_push_error(L, index, child); break;
    default:
      slot_push(L, index, child, SLOT_MAIN);
      if (child->count > 1) lua_rawgeti(L, -1, 1);
      break;
  }
  lua_replace(L, index);
  lua_settop(L, index);
}

/* The gather is at `index`. */
static void complete(lua_State *L, Core *core, int index, Gather *gather) {
  Future *outer = &gather->future, *last = gather->last->future;
  lua_getiuservalue(L, index, UV_CHILDREN);
  int children = lua_gettop(L);
  lua_rawgeti(L, children, (lua_Integer)(gather->last - gather->children) + 1);
  int child = lua_gettop(L);
  if (!gather->return_exceptions && last->state == FUTURE_CANCELLED) {
    future_push_cancelled(L, child, last);
    future_set_error(L, core, index, outer);
  } else if (!gather->return_exceptions && last->state == FUTURE_FAILED) {
    slot_push(L, child, last, SLOT_TRACE);
    if (!lua_isnil(L, -1)) slot_set(L, index, outer, SLOT_TRACE);
    lua_settop(L, child);
    future_push_error(L, child, last);
    future_set_error(L, core, index, outer);
  } else {
    lua_createtable(L, gather->count, 1);
    for (int i = 1; i <= gather->count; i++) {
      const Future *each = gather->children[i - 1].future;
      lua_rawgeti(L, children, i);
      if (LIKELY(each->state == FUTURE_FINISHED && each->count <= 1 && !(each->flags & FUTURE_SLOTS))) {
        lua_getiuservalue(L, -1, 1);
        lua_rawseti(L, child + 1, i);
        lua_pop(L, 1);
      } else {
        push_slot(L, core, lua_touserdata(L, -1));
        lua_rawseti(L, child + 1, i);
      }
    }
    lua_pushinteger(L, gather->count);
    lua_setfield(L, -2, "n");
    if (gather->cancel_requested) { /* also with return_exceptions (bpo-32684) */
      lua_rawgeti(L, children, gather->count); /* asyncio: the last in the list, not to finish */
      future_push_cancelled(L, -1, lua_touserdata(L, -1));
      future_set_error(L, core, index, outer);
    } else {
      future_set_results(L, core, index, outer, 1);
    }
  }
  lua_settop(L, children - 1);
}

/* gather, core */
static int call_complete(lua_State *L) {
  complete(L, lua_touserdata(L, 2), 1, lua_touserdata(L, 1));
  return 0;
}

static void on_child(Core *core, Job *job) {
  Watch *child = container_of(job, Watch, job);
  Gather *gather = child->owner;
  if (child_done(gather, child) && !core_call(core, call_complete, gather->anchor, "the results of a gather are lost"))
    future_fail_poor(core, gather->anchor);
  if (gather->finished == gather->distinct) anchor_delete(core, gather->anchor);
}

Future *gather_of(Job *job) {
  return job->run == on_child ? &((Gather *)container_of(job, Watch, job)->owner)->future : NULL;
}

static bool gather_cancel(Core *core, Future *future, lua_State *L, int index, int message) {
  Gather *gather = (Gather *)future;
  if (future_done(future)) {
    future_seen(future);
    return false;
  }
  bool any = false;
  if (core->cancel_depth >= CANCEL_DEPTH) {
    if (!L) return false;
    core->cancel_depth = 0;
    luaL_error(L, "gathers are nested too deep to be cancelled");
  }
  core->cancel_depth++;
  if (L) {
    luaL_checkstack(L, 4, "gathers nested too deep");
    lua_getiuservalue(L, index, UV_CHILDREN);
  }
  for (int i = 0; i < gather->count; i++) {
    if (L) lua_rawgeti(L, -1, i + 1);
    any |= future_cancel(core, gather->children[i].future, L, L ? lua_gettop(L) : 0, message);
    if (L) lua_pop(L, 1);
  }
  if (L) lua_pop(L, 1);
  core->cancel_depth--;
  gather->cancel_requested |= any;
  return any;
}

/* The table at the top holds n awaitables: what is not a future becomes one, a coroutine object once. */
static void make_futures(lua_State *L, Core *core, int n) {
  int children = lua_gettop(L);
  lua_newtable(L); /* awaitable -> future */
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, children, i);
    if (object_test(L, -1, &coro_type)) {
      lua_pushvalue(L, -1);
      if (lua_rawget(L, children + 1) == LUA_TNIL) {
        lua_pop(L, 1);
        ensure_future(L, core, -1);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, children + 1);
      }
      lua_rawseti(L, children, i);
    } else if (!future_test(L, -1)) { /* an operation, a function, a sleep: each stands for a call */
      ensure_future(L, core, -1);
      lua_rawseti(L, children, i);
    }
    lua_settop(L, children + 1);
  }
  lua_settop(L, children);
}

/* Watches the children of the gather at the top. Those that are done already count at once. */
static void watch_children(lua_State *L, Core *core, Gather *gather, int children) {
  int self = lua_gettop(L), done = 0;
  bool completes = false;
  gather->anchor = anchor_new(L, core, self); /* from here on nothing but `complete` can raise */
  for (int i = 0; i < gather->count; i++) {
    Watch *watch = &gather->children[i];
    lua_rawgeti(L, children, i + 1);
    Future *child = watch->future = lua_touserdata(L, -1);
    lua_pop(L, 1);
    watch->owner = gather;
    list_create(&watch->job.link);
    if (child->flags & FUTURE_MARK) continue; /* seen before: a duplicate */
    child->flags |= FUTURE_MARK;
    watch->job.run = on_child;
    gather->distinct++;
    if (future_done(child))
      done++;
    else
      list_append(&child->u.callbacks, &watch->job.link);
  }
  for (int i = 0; i < gather->count; i++) gather->children[i].future->flags &= (uint8_t)~FUTURE_MARK;
  for (int i = 0; done > 0 && i < gather->count; i++) {
    Watch *watch = &gather->children[i];
    if (!watch->job.run || !future_done(watch->future)) continue;
    done--;
    if (!completes) {
      completes = child_done(gather, watch);
    } else {
      gather->finished++;
      future_seen(watch->future);
    }
  }
  if (gather->finished == gather->distinct) anchor_delete(core, gather->anchor);
  if (completes) complete(L, core, self, gather);
}

/* Pushes a table of the awaitables, checked; all_futures: none is to be made. */
static int collect(lua_State *L, int list, int n, bool *all_futures) {
  lua_createtable(L, n, 0);
  int children = lua_gettop(L);
  *all_futures = true;
  for (int i = 1; i <= n; i++) {
    if (list)
      lua_geti(L, list, i);
    else
      lua_pushvalue(L, i);
    if (!future_test(L, -1)) {
      *all_futures = false;
      members_check_one(L, children + 1, list, i);
    }
    lua_rawseti(L, children, i);
  }
  return children;
}

/* Names in the list at 1 come after its elements, as Lua keeps them. */
static void check_names(lua_State *L) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  if (n > 0)
    lua_pushinteger(L, n);
  else
    lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) check_field(L, 1, "n return_exceptions");
  }
}

/* future = gather(a, b, ...) or gather{a, b, n =, return_exceptions =} */
static int f_gather(lua_State *L) {
  Core *core = core_of(L);
  bool rexc = false, all_futures;
  int n = lua_gettop(L), list = 0;
  if (n == 1 && members_is_list(L, 1)) {
    check_names(L);
    lua_getfield(L, 1, "return_exceptions");
    rexc = lua_toboolean(L, -1);
    lua_pop(L, 1);
    n = members_count(L, 1);
    list = 1;
  }
  if (n == 0) {
    Future *future = future_new(L, core, &future_type, sizeof *future);
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "n");
    future_set_results(L, core, -2, future, 1);
    return 1;
  }
  int children = collect(L, list, n, &all_futures);
  if (!all_futures) make_futures(L, core, n);
  Gather *gather = object_new(L, &gather_type.type, sizeof *gather + (size_t)n * sizeof(Watch), 2);
  future_create(&gather->future);
  gather->count = n;
  gather->return_exceptions = rexc;
  lua_pushvalue(L, children);
  lua_setiuservalue(L, -2, UV_CHILDREN);
  watch_children(L, core, gather, children);
  return 1;
}

const luaL_Reg gather_functions[] = {{"gather", f_gather}, {NULL, NULL}};

static int gather_await(lua_State *L, Core *core, Head *head) { return future_type.type.await(L, core, head); }

static void purge(Core *core, Head *head) {
  Gather *gather = (Gather *)head;
  for (int i = 0; i < gather->count; i++) list_remove(&gather->children[i].job.link);
  anchor_delete(core, gather->anchor);
}

const FutureType gather_type = {
    .type = {.name = "neap.GatheringFuture", .base = &future_type.type, .await = gather_await, .purge = purge},
    .cancel = gather_cancel,
};
