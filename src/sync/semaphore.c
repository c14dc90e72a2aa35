/* SPDX-License-Identifier: MIT
 * A unit is handed over by release: the value goes down when the waiter is woken, and a waiter that
 * is cancelled before it runs gives it back. Newcomers may not pass anybody who waits. */
#include "kernel/fail.h"
#include "sync/lot.h"
#include "sync/sync.h"

typedef struct {
  Head head; /* user value 1: the operation acquire */
  Link waiters;
  lua_Integer value;
  lua_Integer bound;
} Semaphore;

static bool wake_next(Core *core, Semaphore *s) {
  if (!lot_wake_pending(core, &s->waiters)) return false;
  s->value--;
  return true;
}

static bool locked(const Semaphore *s) { return s->value == 0 || lot_wanted(&s->waiters); }

static int k_acquire(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_acquire, context);
  Task *task = core->current;
  Semaphore *s = ((Op *)lua_touserdata(L, 1))->self;
  lot_leave(task);
  bool cancelled = wait_cancelled(task);
  if (cancelled && task->wait_state == WAIT_DONE) s->value++;
  while (s->value > 0 && wake_next(core, s)) {
  }
  if (cancelled) return wait_raise(L, core, task);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int start_acquire(lua_State *L, Core *core, Task *task, Op *op) {
  Semaphore *s = op->self;
  if (locked(s)) return lot_park(L, core, &s->waiters, task, k_acquire);
  s->value--;
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* semaphore = semaphore:acquire(): an operation; gives the semaphore back, to be closed */
static int s_acquire(lua_State *L) {
  object_check(L, 1, &semaphore_type);
  return lot_push_op(L, 1, start_acquire, "neap.Semaphore:acquire");
}

/* semaphore:release() */
static int s_release(lua_State *L) {
  Semaphore *s = object_check(L, 1, &semaphore_type);
  if (s->head.type == &bounded_semaphore_type && s->value >= s->bound)
    return fail_raise(L, FAIL_VALUE, "the bounded semaphore was released too many times");
  if (s->value == LUA_MAXINTEGER) return fail_raise(L, FAIL_VALUE, "the semaphore was released too many times");
  s->value++;
  wake_next(core_of(L), s);
  return 0;
}

/* locked = semaphore:locked(): would acquire wait? */
static int s_locked(lua_State *L) {
  lua_pushboolean(L, locked(object_check(L, 1, &semaphore_type)));
  return 1;
}

static int s_tostring(lua_State *L) {
  Semaphore *s = object_check(L, 1, &semaphore_type);
  lua_pushfstring(L, "%s (value %I, %d waiting)", s->head.type->name, s->value, lot_count(&s->waiters));
  return 1;
}

static int make(lua_State *L, const Type *type) {
  lua_Integer value = luaL_optinteger(L, 1, 1);
  luaL_argcheck(L, value >= 0, 1, "initial value, not negative, expected");
  Semaphore *s = object_new(L, type, sizeof *s, 1);
  list_create(&s->waiters);
  s->value = s->bound = value;
  return 1;
}

/* semaphore = Semaphore([value]) */
static int s_new(lua_State *L) { return make(L, &semaphore_type); }

/* semaphore = BoundedSemaphore([value]) */
static int b_new(lua_State *L) { return make(L, &bounded_semaphore_type); }

static const luaL_Reg methods[] = {{"acquire", s_acquire}, {"release", s_release}, {"locked", s_locked}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__close", s_release}, {"__tostring", s_tostring}, {NULL, NULL}};
const Type semaphore_type = {.name = "neap.Semaphore", .methods = methods, .metamethods = metamethods, .construct = s_new};
const Type bounded_semaphore_type = {.name = "neap.BoundedSemaphore", .base = &semaphore_type, .construct = b_new};
