/* SPDX-License-Identifier: MIT */
#include "sync/lot.h"
#include "sync/sync.h"

typedef struct {
  Head head; /* user value 1: the operation wait */
  Link waiters;
  bool set;
} Event;

static int k_wait(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_wait, context);
  lot_leave(core->current);
  if (wait_cancelled(core->current)) return wait_raise(L, core, core->current);
  lua_pushboolean(L, 1); /* also when it was cleared since */
  return 1;
}

static int start_wait(lua_State *L, Core *core, Task *task, Op *op) {
  Event *event = op->self;
  if (!event->set) return lot_park(L, core, &event->waiters, task, k_wait);
  lua_pushboolean(L, 1);
  return 1;
}

/* true = event:wait(): an operation */
static int e_wait(lua_State *L) {
  object_check(L, 1, &event_type);
  return lot_push_op(L, 1, start_wait, "neap.Event:wait");
}

/* event:set(): wakes all that wait now */
static int e_set(lua_State *L) {
  Event *event = object_check(L, 1, &event_type);
  if (event->set) return 0;
  event->set = true;
  lot_wake_all(core_of(L), &event->waiters);
  return 0;
}

/* event:clear() */
static int e_clear(lua_State *L) {
  Event *event = object_check(L, 1, &event_type);
  event->set = false;
  return 0;
}

/* set = event:is_set() */
static int e_is_set(lua_State *L) {
  Event *event = object_check(L, 1, &event_type);
  lua_pushboolean(L, event->set);
  return 1;
}

static int e_tostring(lua_State *L) {
  Event *event = object_check(L, 1, &event_type);
  lua_pushfstring(L, "neap.Event (%s, %d waiting)", event->set ? "set" : "unset", lot_count(&event->waiters));
  return 1;
}

/* event = Event() */
static int e_new(lua_State *L) {
  Event *event = object_new(L, &event_type, sizeof *event, 1);
  list_create(&event->waiters);
  return 1;
}

static const luaL_Reg methods[] = {{"wait", e_wait}, {"set", e_set}, {"clear", e_clear}, {"is_set", e_is_set}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__tostring", e_tostring}, {NULL, NULL}};
const Type event_type = {.name = "neap.Event", .methods = methods, .metamethods = metamethods, .construct = e_new};
