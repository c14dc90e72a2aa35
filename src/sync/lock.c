/* SPDX-License-Identifier: MIT
 * asyncio's Lock to the last tick: release frees the lock and wakes the head; the head takes it when
 * it runs, and nobody else in between, since newcomers queue while anybody waits. */
#include "sync/lock.h"

#include "kernel/fail.h"

static void wake_first(Core *core, Lock *lock) {
  if (list_empty(&lock->waiters)) return;
  Task *task = task_of_link(lock->waiters.next);
  if (wait_pending(task)) wait_post(core, task);
}

bool lock_try(Lock *lock) {
  if (lock->locked || lot_wanted(&lock->waiters)) return false;
  return lock->locked = true;
}

void lock_release(Core *core, Lock *lock) {
  lock->locked = false;
  wake_first(core, lock);
}

bool lock_arrived(Core *core, Lock *lock, Task *task) {
  lot_leave(task);
  if (LIKELY(!wait_cancelled(task))) return lock->locked = true;
  if (!lock->locked) wake_first(core, lock);
  return false;
}

static int k_acquire(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_acquire, context);
  Op *op = lua_touserdata(L, 1);
  if (!lock_arrived(core, op->self, core->current)) return wait_raise(L, core, core->current);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int start_acquire(lua_State *L, Core *core, Task *task, Op *op) {
  Lock *lock = op->self;
  if (!lock_try(lock)) return lot_park(L, core, &lock->waiters, task, k_acquire);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* lock = lock:acquire(): an operation; gives the lock back, to be closed */
static int l_acquire(lua_State *L) {
  object_check(L, 1, &lock_type);
  return lot_push_op(L, 1, start_acquire, "neap.Lock:acquire");
}

/* lock:release() */
static int l_release(lua_State *L) {
  Lock *lock = object_check(L, 1, &lock_type);
  if (!lock->locked) return fail_raise(L, FAIL_RUNTIME, "the lock is not acquired");
  lock_release(core_of(L), lock);
  return 0;
}

/* locked = lock:locked() */
static int l_locked(lua_State *L) {
  Lock *lock = object_check(L, 1, &lock_type);
  lua_pushboolean(L, lock->locked);
  return 1;
}

static int l_tostring(lua_State *L) {
  Lock *lock = object_check(L, 1, &lock_type);
  lua_pushfstring(L, "neap.Lock (%s, %d waiting)", lock->locked ? "held" : "free", lot_count(&lock->waiters));
  return 1;
}

/* lock = Lock() */
static int l_new(lua_State *L) {
  Lock *lock = object_new(L, &lock_type, sizeof *lock, 1);
  list_create(&lock->waiters);
  return 1;
}

static const luaL_Reg methods[] = {{"acquire", l_acquire}, {"release", l_release}, {"locked", l_locked}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__close", l_release}, {"__tostring", l_tostring}, {NULL, NULL}};
const Type lock_type = {.name = "neap.Lock", .methods = methods, .metamethods = metamethods, .construct = l_new};
