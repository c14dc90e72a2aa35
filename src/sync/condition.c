/* SPDX-License-Identifier: MIT
 * A waiter releases the lock, parks, and takes the lock back before it leaves, however it leaves: a
 * cancellation meanwhile is kept and raised once the lock is held, the last one of several. Whoever
 * leaves with an error passes its notification on (gh-112202). */
#include "sync/condition.h"

#include "kernel/fail.h"
#include "sync/sync.h"

void condition_create(Condition *condition, Lock *lock) {
  list_create(&condition->waiters);
  condition->lock = lock;
}

void condition_notify(Core *core, Condition *condition, lua_Integer n) {
  list_each(link, &condition->waiters) {
    if (n <= 0) break;
    Task *task = task_of_link(link);
    if (!wait_pending(task)) continue;
    wait_post(core, task);
    n--;
  }
}

void condition_notify_all(Core *core, Condition *condition) {
  condition_notify(core, condition, lot_count(&condition->waiters));
}

/* ---- the steps of a wait ---- */

static int k_locked(lua_State *L, int status, lua_KContext context);

static int leave(lua_State *L, Core *core, Op *op, const WaitPlan *plan) {
  if (lua_isnil(L, CONDITION_ERROR)) return plan->done(L, core, core->current, op);
  condition_notify(core, plan->of(op), 1);
  if (plan->fail) plan->fail(core, op);
  lua_pushvalue(L, CONDITION_ERROR);
  return lua_error(L);
}

static int take_back(lua_State *L, Core *core, Op *op, const WaitPlan *plan) {
  Lock *lock = plan->of(op)->lock;
  if (lock_try(lock)) return leave(L, core, op, plan);
  list_append(&lock->waiters, &core->current->wait.u.link);
  return wait_park(L, core, core->current, wait_abort, k_locked, (lua_KContext)plan);
}

static void keep_error(lua_State *L, Core *core) {
  wait_keep_error(L, core);
  lua_replace(L, CONDITION_ERROR);
}

static int k_locked(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_locked, context);
  const WaitPlan *plan = (const WaitPlan *)context;
  Op *op = lua_touserdata(L, CONDITION_OP);
  if (lock_arrived(core, plan->of(op)->lock, core->current)) return leave(L, core, op, plan);
  keep_error(L, core);
  return take_back(L, core, op, plan);
}

static int k_notified(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_notified, context);
  const WaitPlan *plan = (const WaitPlan *)context;
  lot_leave(core->current);
  if (wait_cancelled(core->current)) keep_error(L, core);
  return take_back(L, core, lua_touserdata(L, CONDITION_OP), plan);
}

int condition_wait(lua_State *L, Core *core, Task *task, Op *op, const WaitPlan *plan) {
  Condition *condition = plan->of(op);
  lua_settop(L, CONDITION_EXTRA);
  lua_pushnil(L);
  lua_replace(L, CONDITION_ERROR);
  lock_release(core, condition->lock);
  list_append(&condition->waiters, &task->wait.u.link);
  return wait_park(L, core, task, wait_abort, k_notified, (lua_KContext)plan);
}

/* ---- the Lua side ---- */

typedef struct {
  Head head; /* user values: the operation wait, the lock, the operation acquire */
  Condition c;
} ConditionObject;

static Condition *of_op(Op *op) { return &((ConditionObject *)op->self)->c; }

static void check_held(lua_State *L, Condition *condition, const char *what) {
  if (!condition->lock->locked) fail_raise(L, FAIL_RUNTIME, "cannot %s: the condition's lock is not acquired", what);
}

static int done_wait(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(core), UNUSED(task), UNUSED(op);
  lua_pushboolean(L, 1);
  return 1;
}

static int start_wait(lua_State *L, Core *core, Task *task, Op *op) {
  static const WaitPlan plan = {of_op, done_wait, NULL};
  check_held(L, of_op(op), "wait");
  return condition_wait(L, core, task, op, &plan);
}

static int test_predicate(lua_State *L, Core *core, Task *task, Op *op);

static int k_predicate(lua_State *L, int status, lua_KContext context) {
  static const WaitPlan plan = {of_op, test_predicate, NULL};
  UNUSED(status), UNUSED(context);
  Core *core = core_of(L);
  Op *op = lua_touserdata(L, CONDITION_OP);
  if (lua_toboolean(L, -1)) return 1;
  check_held(L, of_op(op), "wait");
  return condition_wait(L, core, core->current, op, &plan);
}

static int test_predicate(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(core), UNUSED(task), UNUSED(op);
  lua_settop(L, CONDITION_EXTRA);
  lua_getiuservalue(L, CONDITION_OP, 2);
  lua_callk(L, 0, 1, 0, k_predicate);
  return k_predicate(L, LUA_OK, 0);
}

/* true = condition:wait(): an operation */
static int c_wait(lua_State *L) {
  object_check(L, 1, &condition_type);
  return lot_push_op(L, 1, start_wait, "neap.Condition:wait");
}

/* value = condition:wait_for(predicate): an operation; waits until predicate() is true, gives its value */
static int c_wait_for(lua_State *L) {
  object_check(L, 1, &condition_type);
  if (!lua_isfunction(L, 2)) return argument_error(L, 2, "function");
  lua_settop(L, 2);
  op_new(L, test_predicate, "neap.Condition:wait_for", 1, 1);
  return 1;
}

/* condition:notify([n]) */
static int c_notify(lua_State *L) {
  ConditionObject *condition = object_check(L, 1, &condition_type);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  check_held(L, &condition->c, "notify");
  condition_notify(core_of(L), &condition->c, n);
  return 0;
}

/* condition:notify_all() */
static int c_notify_all(lua_State *L) {
  ConditionObject *condition = object_check(L, 1, &condition_type);
  check_held(L, &condition->c, "notify");
  condition_notify_all(core_of(L), &condition->c);
  return 0;
}

/* condition:release(), condition:locked(): its lock's */
static int c_of_lock(lua_State *L, const char *name) {
  object_check(L, 1, &condition_type);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 2);
  lua_getfield(L, 2, name);
  lua_insert(L, 2);
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

static int k_acquire(lua_State *L, int status, lua_KContext context) {
  UNUSED(status), UNUSED(context);
  Core *core = core_of(L);
  WAIT_MINE(L, core, k_acquire, context);
  if (!lock_arrived(core, of_op(lua_touserdata(L, 1))->lock, core->current)) return wait_raise(L, core, core->current);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int start_acquire(lua_State *L, Core *core, Task *task, Op *op) {
  Lock *lock = of_op(op)->lock;
  if (!lock_try(lock)) return lot_park(L, core, &lock->waiters, task, k_acquire);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* condition = condition:acquire(): an operation; takes the lock, gives the condition back, to be closed */
static int c_acquire(lua_State *L) {
  object_check(L, 1, &condition_type);
  return lot_push_op(L, 3, start_acquire, "neap.Condition:acquire");
}

static int c_release(lua_State *L) { return c_of_lock(L, "release"); }
static int c_locked(lua_State *L) { return c_of_lock(L, "locked"); }

static int c_tostring(lua_State *L) {
  ConditionObject *condition = object_check(L, 1, &condition_type);
  lua_pushfstring(L, "neap.Condition (%s, %d waiting)", condition->c.lock->locked ? "held" : "free",
                  lot_count(&condition->c.waiters));
  return 1;
}

/* condition = Condition([lock]) */
static int c_new(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lock_type.construct(L);
    lua_replace(L, 1);
  }
  Lock *lock = object_check(L, 1, &lock_type);
  ConditionObject *condition = object_new(L, &condition_type, sizeof *condition, 3);
  condition_create(&condition->c, lock);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 2);
  return 1;
}

static const luaL_Reg methods[] = {{"wait", c_wait},       {"wait_for", c_wait_for}, {"notify", c_notify},
                                   {"notify_all", c_notify_all}, {"acquire", c_acquire},   {"release", c_release},
                                   {"locked", c_locked},   {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__close", c_release}, {"__tostring", c_tostring}, {NULL, NULL}};
const Type condition_type = {.name = "neap.Condition", .methods = methods, .metamethods = metamethods, .construct = c_new};
