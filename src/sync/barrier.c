/* SPDX-License-Identifier: MIT
 * asyncio's Barrier over the steps of a condition: filling, then draining until all have left.
 * Every way out gives the place back, tells the others when the last one left, and frees the lock. */
#include "kernel/fail.h"
#include "sync/condition.h"
#include "sync/sync.h"

typedef enum { FILLING, DRAINING, RESETTING, BROKEN } BarrierState;

typedef struct {
  Head head; /* user value 1: the operation wait */
  Lock lock;
  Condition condition;
  lua_Integer parties, count;
  BarrierState state;
} Barrier;

static Barrier *barrier_of(Op *op) { return op->self; }
static Condition *of_op(Op *op) { return &barrier_of(op)->condition; }

static void release(Core *core, Op *op) { lock_release(core, &barrier_of(op)->lock); }

/* Gives the place back. */
static void leave(Core *core, Op *op) {
  Barrier *b = barrier_of(op);
  if (--b->count == 0) {
    if (b->state == RESETTING || b->state == DRAINING) b->state = FILLING;
    condition_notify_all(core, &b->condition);
  }
  release(core, op);
}

static int broken(lua_State *L, const char *why) {
  fail_push(L, FAIL_BROKEN_BARRIER, why);
  return lua_error(L);
}

/* The place is taken; waits for the others. Its number is the extra value on the stack. */
static int fill(lua_State *L, Core *core, Task *task, Op *op) {
  static const WaitPlan plan = {of_op, fill, leave};
  Barrier *b = barrier_of(op);
  if (b->state == FILLING) return condition_wait(L, core, task, op, &plan);
  bool reset = b->state == BROKEN || b->state == RESETTING;
  leave(core, op);
  if (reset) return broken(L, "the barrier was reset or aborted");
  lua_settop(L, CONDITION_EXTRA);
  return 1;
}

/* The lock is held; waits until the barrier is not draining or resetting. */
static int enter(lua_State *L, Core *core, Task *task, Op *op) {
  static const WaitPlan plan = {of_op, enter, release};
  Barrier *b = barrier_of(op);
  if (b->state == DRAINING || b->state == RESETTING) return condition_wait(L, core, task, op, &plan);
  if (b->state == BROKEN) {
    release(core, op);
    return broken(L, "the barrier is aborted");
  }
  lua_settop(L, CONDITION_ERROR);
  lua_pushinteger(L, b->count);
  if (++b->count == b->parties) {
    b->state = DRAINING;
    condition_notify_all(core, &b->condition);
  }
  return fill(L, core, task, op);
}

/* ---- taking the lock first: nobody awaits with it held, so whoever comes finds it free ---- */

static void hold(Op *op) { barrier_of(op)->lock.locked = true; }

static int start_wait(lua_State *L, Core *core, Task *task, Op *op) {
  hold(op);
  return enter(L, core, task, op);
}

static int start_reset(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(L), UNUSED(task);
  Barrier *b = barrier_of(op);
  hold(op);
  b->state = b->count > 0 ? RESETTING : FILLING;
  condition_notify_all(core, &b->condition);
  release(core, op);
  return 0;
}

static int start_abort(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(L), UNUSED(task);
  hold(op);
  barrier_of(op)->state = BROKEN;
  condition_notify_all(core, of_op(op));
  release(core, op);
  return 0;
}

/* index = barrier:wait(): an operation; 0 to parties-1, in the order of arrival */
static int b_wait(lua_State *L) {
  object_check(L, 1, &barrier_type);
  return lot_push_op(L, 1, start_wait, "neap.Barrier:wait");
}

/* barrier:reset(): an operation; those who wait get a BrokenBarrierError */
static int b_reset(lua_State *L) {
  object_check(L, 1, &barrier_type);
  return lot_push_op(L, 2, start_reset, "neap.Barrier:reset");
}

/* barrier:abort(): an operation; broken until reset */
static int b_abort(lua_State *L) {
  object_check(L, 1, &barrier_type);
  return lot_push_op(L, 3, start_abort, "neap.Barrier:abort");
}

/* n = barrier:parties() */
static int b_parties(lua_State *L) {
  lua_pushinteger(L, ((Barrier *)object_check(L, 1, &barrier_type))->parties);
  return 1;
}

/* n = barrier:n_waiting() */
static int b_n_waiting(lua_State *L) {
  Barrier *b = object_check(L, 1, &barrier_type);
  lua_pushinteger(L, b->state == FILLING ? b->count : 0);
  return 1;
}

/* broken = barrier:broken() */
static int b_broken(lua_State *L) {
  lua_pushboolean(L, ((Barrier *)object_check(L, 1, &barrier_type))->state == BROKEN);
  return 1;
}

static int b_tostring(lua_State *L) {
  static const char *const names[] = {"filling", "draining", "resetting", "broken"};
  Barrier *b = object_check(L, 1, &barrier_type);
  lua_pushfstring(L, "neap.Barrier (%s, %I of %I)", names[b->state], b->count, b->parties);
  return 1;
}

/* barrier = Barrier(parties) */
static int b_new(lua_State *L) {
  lua_Integer parties = luaL_checkinteger(L, 1);
  luaL_argcheck(L, parties > 0, 1, "number of parties, 1 or more, expected");
  Barrier *b = object_new(L, &barrier_type, sizeof *b, 3);
  list_create(&b->lock.waiters);
  condition_create(&b->condition, &b->lock);
  b->parties = parties;
  return 1;
}

static const luaL_Reg methods[] = {{"wait", b_wait},           {"reset", b_reset},   {"abort", b_abort}, {"parties", b_parties},
                                   {"n_waiting", b_n_waiting}, {"broken", b_broken}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__tostring", b_tostring}, {NULL, NULL}};
const Type barrier_type = {.name = "neap.Barrier", .methods = methods, .metamethods = metamethods, .construct = b_new};
