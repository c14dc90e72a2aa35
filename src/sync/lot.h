/* SPDX-License-Identifier: MIT
 * A lot: tasks parked on a primitive, in the order they came. A waiter that was posted or cancelled
 * stays in its lot until it runs, as asyncio's futures stay in their deque: who asks "does anybody
 * wait?" in between must see it. */
#ifndef NEAP_SYNC_LOT_H
#define NEAP_SYNC_LOT_H

#include "kernel/await.h"

static inline int lot_park(lua_State *L, Core *core, Link *lot, Task *task, lua_KFunction k) {
  list_append(lot, &task->wait.u.link);
  return wait_park(L, core, task, wait_abort, k, (lua_KContext)core);
}

static inline void lot_leave(Task *task) { list_remove(&task->wait.u.link); }

/* Posts the first that is still pending: true if there was one. */
static inline bool lot_wake_pending(Core *core, Link *lot) {
  list_each(link, lot) {
    Task *task = task_of_link(link);
    if (!wait_pending(task)) continue;
    wait_post(core, task);
    return true;
  }
  return false;
}

static inline void lot_wake_all(Core *core, Link *lot) {
  list_each(link, lot) {
    Task *task = task_of_link(link);
    if (wait_pending(task)) wait_post(core, task);
  }
}

/* Is there a waiter that was not cancelled? */
static inline bool lot_wanted(const Link *lot) {
  list_each(link, lot) {
    if (task_of_link(link)->wait_state != WAIT_CANCELLED) return true;
  }
  return false;
}

static inline int lot_count(const Link *lot) {
  int n = 0;
  list_each(link, lot) n++;
  return n;
}

/* Pushes the operation without arguments kept in user value `slot` of the object at index 1, made at
 * first use. */
static inline int lot_push_op(lua_State *L, int slot, OpFn start, const char *what) {
  if (LIKELY(lua_getiuservalue(L, 1, slot) == LUA_TUSERDATA)) return 1;
  op_new(L, start, what, 1, 0);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, slot);
  return 1;
}

#endif
