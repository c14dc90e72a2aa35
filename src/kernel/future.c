/* SPDX-License-Identifier: MIT */
#include "kernel/future.h"

#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/trace.h"
#include "kernel/watchdog.h"

void future_create(Future *future) { list_create(&future->u.callbacks); }

Future *future_new(lua_State *L, Core *core, const FutureType *type, size_t size) {
  Future *future = object_make(L, core, &type->type, size, 1);
  future_create(future);
  return future;
}

Future *future_test(lua_State *L, int index) { return object_test(L, index, &future_type.type); }

Future *future_check(lua_State *L, int arg) {
  Future *future = future_test(L, arg);
  if (UNLIKELY(!future)) argument_error(L, arg, "future or task");
  return future;
}

/* ---- slots ---- */

void slot_push(lua_State *L, int index, const Future *future, int slot) {
  lua_getiuservalue(L, index, 1);
  if (future->flags & FUTURE_SLOTS) {
    lua_rawgeti(L, -1, slot);
    lua_remove(L, -2);
  } else if (slot != SLOT_MAIN) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

void slot_set(lua_State *L, int index, Future *future, int slot) {
  index = lua_absindex(L, index);
  if (!(future->flags & FUTURE_SLOTS)) {
    if (slot == SLOT_MAIN) {
      lua_setiuservalue(L, index, 1);
      return;
    }
    lua_createtable(L, SLOT_ORIGIN, 0); /* room for all: setting one later cannot fail */
    lua_getiuservalue(L, index, 1);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -2, SLOT_MAIN);
    lua_setiuservalue(L, index, 1);
    future->flags |= FUTURE_SLOTS;
  }
  lua_getiuservalue(L, index, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
}

void slot_replace(lua_State *L, int index, Future *future) {
  if (LIKELY(!(future->flags & FUTURE_SLOTS))) {
    lua_setiuservalue(L, index, 1);
    return;
  }
  index = lua_absindex(L, index);
  lua_getiuservalue(L, index, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, SLOT_MAIN); /* the field exists */
  lua_pop(L, 1);
}

void slot_set_flag(lua_State *L, int index, Future *future, int slot, int flag, int value) {
  index = lua_absindex(L, index);
  if (!value || lua_isnoneornil(L, value)) {
    future->flags &= (uint8_t)~flag;
    return;
  }
  lua_pushvalue(L, value);
  slot_set(L, index, future, slot);
  future->flags |= (uint8_t)flag;
}

/* ---- completing ---- */

void future_store(lua_State *L, int index, Future *future, int n) {
  index = lua_absindex(L, index);
  if (n > 1) {
    lua_createtable(L, n, 0);
    lua_insert(L, -n - 1);
    for (int i = n; i > 0; i--) lua_rawseti(L, -i - 1, i);
  } else if (n == 0) {
    lua_pushnil(L);
  }
  slot_set(L, index, future, SLOT_MAIN);
  future->count = n;
}

void future_finish(Core *core, Future *future, FutureState state) {
  Link callbacks;
  future->state = (uint8_t)state;
  list_create(&callbacks);
  list_splice(&callbacks, &future->u.callbacks);
  if (state == FUTURE_FAILED) future->u.failure = NULL;
  jobs_post(core, &callbacks);
}

void future_set_results(lua_State *L, Core *core, int index, Future *future, int n) {
  future_store(L, index, future, n);
  future_finish(core, future, FUTURE_FINISHED);
}

void future_fail_poor(Core *core, uint32_t slot) {
  lua_State *service = core->service;
  anchor_push(core, service, slot);
  Future *future = lua_touserdata(service, -1);
  lua_pushvalue(service, SERVICE_NO_MEMORY);
  slot_replace(service, -2, future);
  lua_pop(service, 1);
  future->count = 1;
  future_fail(core, future, NULL);
}

Failure *future_store_error(lua_State *L, int index, Future *future) {
  index = lua_absindex(L, index);
  Failure *failure = object_new(L, &failure_type, sizeof *failure, 3);
  list_create(&failure->link);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  slot_push(L, index, future, SLOT_TRACE);
  lua_setiuservalue(L, -2, 2);
  failure_describe(L, index, future);
  lua_setiuservalue(L, -2, 3);
  failure_remember(L, failure);
  slot_set(L, index, future, SLOT_FAILURE);
  future_store(L, index, future, 1);
  return failure;
}

void future_fail(Core *core, Future *future, Failure *failure) {
  future_finish(core, future, FUTURE_FAILED);
  future->u.failure = failure;
  if (failure) list_append(&core->failures, &failure->link);
}

void future_set_error(lua_State *L, Core *core, int index, Future *future) {
  future_fail(core, future, future_store_error(L, index, future));
}

void future_seen(Future *future) {
  if (future->state != FUTURE_FAILED || !future->u.failure) return;
  future->u.failure->seen = true;
  list_remove(&future->u.failure->link);
  future->u.failure = NULL;
}

bool future_cancel_plain(Core *core, Future *future, lua_State *L, int index, int message) {
  if (future_done(future)) {
    future_seen(future);
    return false;
  }
  if (L)
    slot_set_flag(L, index, future, SLOT_MESSAGE, FUTURE_MESSAGE, message);
  else
    future->flags &= (uint8_t)~FUTURE_MESSAGE;
  future_finish(core, future, FUTURE_CANCELLED);
  return true;
}

/* ---- looking ---- */

void future_push_cancelled(lua_State *L, int index, Future *future) {
  index = lua_absindex(L, index);
  if (future->flags & FUTURE_ERROR) { /* the very error, once */
    slot_push(L, index, future, SLOT_MAIN);
    future->flags &= (uint8_t)~FUTURE_ERROR;
    lua_pushboolean(L, 0);
    slot_set(L, index, future, SLOT_MAIN);
    return;
  }
  if (future->flags & FUTURE_MESSAGE)
    slot_push(L, index, future, SLOT_MESSAGE);
  else
    lua_pushnil(L);
  fail_push_cancelled(L);
}

void future_push_error(lua_State *L, int index, Future *future) {
  future_seen(future);
  slot_push(L, index, future, SLOT_MAIN);
}

int future_result(lua_State *L, Core *core, int index, Future *future) {
  index = lua_absindex(L, index);
  switch (future->state) {
    case FUTURE_FINISHED:
      if (future->count <= 1) {
        if (future->count == 0) return 0;
        slot_push(L, index, future, SLOT_MAIN);
        return 1;
      }
      luaL_checkstack(L, future->count + 1, "too many results");
      slot_push(L, index, future, SLOT_MAIN);
      for (int i = 1; i <= future->count; i++) lua_rawgeti(L, -i, i);
      return future->count;
    case FUTURE_FAILED:
      watchdog_told(core);
      future_push_error(L, index, future);
      slot_push(L, index, future, SLOT_TRACE);
      trace_rethrow(L, core); /* so that the awaiter's traceback goes on from this one */
      return lua_error(L);
    case FUTURE_CANCELLED:
      watchdog_told(core);
      future_push_cancelled(L, index, future);
      return lua_error(L);
    default:
      return fail_raise(L, FAIL_INVALID_STATE, "the result is not ready");
  }
}
