/* SPDX-License-Identifier: MIT
 * asyncio's queues. Waking a getter does not hand it the item: the item stays in the queue until the
 * getter runs, so that a getter cancelled in between loses nothing; it wakes the next one instead. */
#include "kernel/fail.h"
#include "sync/items.h"
#include "sync/lot.h"
#include "sync/sync.h"

typedef struct {
  Head head; /* user values: the items, the operations get, join and put */
  Link getters, putters, joiners;
  Items items;
  lua_Integer maxsize; /* 0: unbounded */
  lua_Integer unfinished;
  bool shut_down;
} Queue;

enum { UV_ITEMS = 1, UV_GET, UV_JOIN, UV_PUT };
enum { OP_ITEMS = 2, OP_VALUE }; /* user values of the operations get and put, after the queue */

/* A put carries its item, so it can be awaited once; then the queue uses it for the next one. */
typedef enum { PUT_IDLE, PUT_READY, PUT_PARKED } PutState;

static inline Queue *check(lua_State *L) {
  Head *head = object_at(L, 1);
  if (LIKELY(head && (head->type == &queue_type || head->type->base == &queue_type))) return (Queue *)head;
  return object_check_slow(L, 1, &queue_type);
}

static bool full(const Queue *q) { return q->maxsize > 0 && q->items.count >= q->maxsize; }

static void wake_next(Core *core, Link *lot) {
  while (!list_empty(lot)) {
    Task *task = task_of_link(list_shift(lot));
    if (!wait_pending(task)) continue;
    wait_post(core, task);
    return;
  }
}

static int fail_with(lua_State *L, FailClass cls, const char *message) {
  fail_push(L, cls, message);
  return lua_error(L);
}

static const char shut[] = "the queue is shut down";

/* The item is at the top, the items at `table`. */
static void put_now(lua_State *L, Core *core, Queue *q, int table) {
  items_put(L, &q->items, table);
  q->unfinished++;
  wake_next(core, &q->getters);
}

static void get_now(lua_State *L, Core *core, Queue *q, int table) {
  items_get(L, &q->items, table);
  wake_next(core, &q->putters);
}

/* ---- get ---- */

static int start_get(lua_State *L, Core *core, Task *task, Op *op);

static int k_get(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_get, context);
  Task *task = core->current;
  Op *op = lua_touserdata(L, 1);
  Queue *q = op->self;
  lot_leave(task);
  if (UNLIKELY(wait_cancelled(task))) {
    if (q->items.count > 0 && task->wait_state != WAIT_CANCELLED) wake_next(core, &q->getters);
    return wait_raise(L, core, task);
  }
  return start_get(L, core, task, op);
}

static int start_get(lua_State *L, Core *core, Task *task, Op *op) {
  Queue *q = op->self;
  if (q->items.count == 0) {
    if (q->shut_down) return fail_with(L, FAIL_QUEUE_SHUT_DOWN, shut);
    return lot_park(L, core, &q->getters, task, k_get);
  }
  lua_getiuservalue(L, 1, OP_ITEMS);
  get_now(L, core, q, 2);
  return 1;
}

/* Pushes the operation get of the queue at `self`, and keeps it there. */
static void new_get(lua_State *L, int self) {
  lua_getiuservalue(L, self, UV_ITEMS);
  op_new(L, start_get, "neap.Queue:get", self, 1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, self, UV_GET);
}

/* item = queue:get(): an operation */
static int q_get(lua_State *L) {
  check(L);
  if (LIKELY(lua_getiuservalue(L, 1, UV_GET) == LUA_TUSERDATA)) return 1;
  new_get(L, 1);
  return 1;
}

/* item = queue:get_nowait() */
static int q_get_nowait(lua_State *L) {
  Queue *q = check(L);
  if (q->items.count == 0)
    return q->shut_down ? fail_with(L, FAIL_QUEUE_SHUT_DOWN, shut) : fail_with(L, FAIL_QUEUE_EMPTY, NULL);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, UV_ITEMS);
  get_now(L, core_of(L), q, 2);
  return 1;
}

/* ---- iteration ---- */

static int k_iterate(lua_State *L, int status, lua_KContext context) {
  UNUSED(context);
  if (status == LUA_OK || status == LUA_YIELD) return 1;
  return fail_is(L, -1, FAIL_QUEUE_SHUT_DOWN) ? 0 : lua_error(L);
}

/* item = iterator(queue): nil once the queue is shut down and empty */
static int iterate(lua_State *L) {
  check(L);
  lua_settop(L, 1);
  await_push_function(L, core_of(L));
  lua_insert(L, 1);
  if (lua_getiuservalue(L, 2, UV_GET) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    new_get(L, 2);
  }
  lua_replace(L, 2);
  return k_iterate(L, lua_pcallk(L, 1, 1, 0, 0, k_iterate), 0);
}

/* for item in queue:iter() do: awaits each item; ends when the queue is shut down and empty */
static int q_iter(lua_State *L) {
  check(L);
  lua_pushlightuserdata(L, core_of(L));
  lua_pushcclosure(L, iterate, 1);
  lua_pushvalue(L, 1);
  return 2;
}

/* ---- put ---- */

static int go_on_put(lua_State *L, Core *core, Task *task, Op *op);

static void release_put(lua_State *L, Op *op) {
  op->integer = PUT_IDLE;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, OP_VALUE);
}

static int k_put(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_put, context);
  Task *task = core->current;
  Op *op = lua_touserdata(L, 1);
  Queue *q = op->self;
  lot_leave(task);
  if (UNLIKELY(wait_cancelled(task))) {
    if (!full(q) && task->wait_state != WAIT_CANCELLED) wake_next(core, &q->putters);
    release_put(L, op);
    return wait_raise(L, core, task);
  }
  return go_on_put(L, core, task, op);
}

static int go_on_put(lua_State *L, Core *core, Task *task, Op *op) {
  Queue *q = op->self;
  if (UNLIKELY(q->shut_down)) {
    release_put(L, op);
    return fail_with(L, FAIL_QUEUE_SHUT_DOWN, shut);
  }
  if (full(q)) {
    op->integer = PUT_PARKED;
    return lot_park(L, core, &q->putters, task, k_put);
  }
  lua_getiuservalue(L, 1, OP_ITEMS);
  lua_getiuservalue(L, 1, OP_VALUE);
  release_put(L, op);
  put_now(L, core, q, 2);
  return 0;
}

static int start_put(lua_State *L, Core *core, Task *task, Op *op) {
  if (UNLIKELY(op->integer != PUT_READY)) return fail_raise(L, FAIL_RUNTIME, "the put was awaited already");
  return go_on_put(L, core, task, op);
}

static int new_put(lua_State *L) {
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, UV_ITEMS);
  lua_insert(L, 2);
  Op *op = op_new(L, start_put, "neap.Queue:put", 1, 2);
  op->integer = PUT_READY;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, UV_PUT);
  return 1;
}

/* queue:put(item): an operation, to be awaited once */
static int q_put(lua_State *L) {
  check(L);
  if (UNLIKELY(lua_gettop(L) != 2)) luaL_checkany(L, 2);
  if (UNLIKELY(lua_getiuservalue(L, 1, UV_PUT) != LUA_TUSERDATA)) return new_put(L);
  Op *op = lua_touserdata(L, -1);
  if (UNLIKELY(op->integer != PUT_IDLE)) return new_put(L);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, OP_VALUE);
  op->integer = PUT_READY;
  return 1;
}

/* queue:put_nowait(item) */
static int q_put_nowait(lua_State *L) {
  Queue *q = check(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (q->shut_down) return fail_with(L, FAIL_QUEUE_SHUT_DOWN, shut);
  if (full(q)) return fail_with(L, FAIL_QUEUE_FULL, NULL);
  lua_getiuservalue(L, 1, UV_ITEMS);
  lua_insert(L, 2);
  put_now(L, core_of(L), q, 2);
  return 0;
}

/* ---- unfinished items ---- */

static void done(Core *core, Queue *q) {
  if (q->unfinished == 0) lot_wake_all(core, &q->joiners);
}

/* queue:task_done() */
static int q_task_done(lua_State *L) {
  Queue *q = check(L);
  if (q->unfinished <= 0) return fail_raise(L, FAIL_VALUE, "task_done() was called more often than items were put");
  q->unfinished--;
  done(core_of(L), q);
  return 0;
}

static int k_join(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_join, context);
  lot_leave(core->current);
  return wait_cancelled(core->current) ? wait_raise(L, core, core->current) : 0;
}

static int start_join(lua_State *L, Core *core, Task *task, Op *op) {
  Queue *q = op->self;
  return q->unfinished == 0 ? 0 : lot_park(L, core, &q->joiners, task, k_join);
}

/* queue:join(): an operation; until every item put was marked done */
static int q_join(lua_State *L) {
  check(L);
  return lot_push_op(L, UV_JOIN, start_join, "neap.Queue:join");
}

/* queue:shutdown([immediate]) */
static int q_shutdown(lua_State *L) {
  Queue *q = check(L);
  Core *core = core_of(L);
  bool immediate = lua_toboolean(L, 2);
  q->shut_down = true;
  if (immediate) {
    lua_getiuservalue(L, 1, UV_ITEMS);
    int table = lua_gettop(L);
    q->items.changes++;
    while (q->items.count > 0) {
      ItemsOrder order = q->items.order;
      if (order == ITEMS_PRIORITY) q->items.order = ITEMS_LIFO; /* dropped unseen: no comparing */
      items_get(L, &q->items, table);
      q->items.order = order;
      lua_settop(L, table);
      if (q->unfinished > 0) q->unfinished--;
    }
    done(core, q);
  }
  lot_wake_all(core, &q->getters);
  lot_wake_all(core, &q->putters);
  return 0;
}

/* ---- the rest ---- */

/* n = queue:qsize() */
static int q_qsize(lua_State *L) {
  lua_pushinteger(L, check(L)->items.count);
  return 1;
}

/* empty = queue:empty() */
static int q_empty(lua_State *L) {
  lua_pushboolean(L, check(L)->items.count == 0);
  return 1;
}

/* full = queue:full() */
static int q_full(lua_State *L) {
  lua_pushboolean(L, full(check(L)));
  return 1;
}

/* n = queue:maxsize() */
static int q_maxsize(lua_State *L) {
  lua_pushinteger(L, check(L)->maxsize);
  return 1;
}

static int q_tostring(lua_State *L) {
  Queue *q = check(L);
  lua_pushfstring(L, "%s (%I items, %d getting, %d putting%s)", q->head.type->name, q->items.count,
                  lot_count(&q->getters), lot_count(&q->putters), q->shut_down ? ", shut down" : "");
  return 1;
}

static int make(lua_State *L, const Type *type, ItemsOrder order) {
  lua_Integer maxsize = luaL_optinteger(L, 1, 0);
  Queue *q = object_new(L, type, sizeof *q, 4);
  list_create(&q->getters);
  list_create(&q->putters);
  list_create(&q->joiners);
  q->items.order = order;
  q->maxsize = maxsize > 0 ? maxsize : 0;
  lua_newtable(L);
  lua_setiuservalue(L, -2, UV_ITEMS);
  return 1;
}

/* queue = Queue([maxsize]): 0 or less is unbounded */
static int q_new(lua_State *L) { return make(L, &queue_type, ITEMS_FIFO); }
static int lifo_new(lua_State *L) { return make(L, &lifo_queue_type, ITEMS_LIFO); }
static int priority_new(lua_State *L) { return make(L, &priority_queue_type, ITEMS_PRIORITY); }

static const luaL_Reg methods[] = {
    {"get", q_get},     {"get_nowait", q_get_nowait}, {"put", q_put},     {"put_nowait", q_put_nowait},
    {"join", q_join},   {"task_done", q_task_done},   {"qsize", q_qsize}, {"empty", q_empty},
    {"full", q_full},   {"maxsize", q_maxsize},       {"shutdown", q_shutdown}, {"iter", q_iter},
    {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__tostring", q_tostring}, {NULL, NULL}};
const Type queue_type = {.name = "neap.Queue", .methods = methods, .metamethods = metamethods, .construct = q_new};
const Type lifo_queue_type = {.name = "neap.LifoQueue", .base = &queue_type, .construct = lifo_new};
const Type priority_queue_type = {.name = "neap.PriorityQueue", .base = &queue_type, .construct = priority_new};
