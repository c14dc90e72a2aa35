/* SPDX-License-Identifier: MIT */
#include "sync/items.h"

/* ---- ring ---- */

/* Makes the ring longer: the part that wrapped around moves behind the rest. */
static void grow(lua_State *L, Items *items, int table) {
  lua_Integer room = items->room ? items->room * 2 : 4;
  for (lua_Integer i = items->room; i < room; i++) { /* the array part first: what follows cannot fail */
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, i + 1);
  }
  for (lua_Integer i = 0; i < items->head; i++) {
    lua_rawgeti(L, table, i + 1);
    lua_rawseti(L, table, items->room + i + 1);
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, i + 1);
  }
  items->room = room;
}

static void ring_put(lua_State *L, Items *items, int table) {
  if (items->count == items->room) grow(L, items, table);
  lua_Integer at = items->head + items->count;
  if (at >= items->room) at -= items->room;
  lua_rawseti(L, table, at + 1);
  items->count++;
}

static void ring_get(lua_State *L, Items *items, int table) {
  if (lua_rawgeti(L, table, items->head + 1) >= LUA_TSTRING) { /* what the collector cares for is let go */
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, items->head + 1);
  }
  if (++items->head == items->room) items->head = 0;
  items->count--;
}

/* ---- heap: places are compared first and written after, so that an error in __lt changes nothing ---- */

static void check_unchanged(lua_State *L, Items *items, unsigned changes) {
  if (UNLIKELY(items->changes != changes)) luaL_error(L, "the queue was changed while its items were compared");
  items->changes++;
}

static bool less(lua_State *L, int table, lua_Integer a, lua_Integer b) {
  lua_rawgeti(L, table, a);
  lua_rawgeti(L, table, b);
  bool is = lua_compare(L, -2, -1, LUA_OPLT);
  lua_pop(L, 2);
  return is;
}

static bool less_than_top(lua_State *L, int table, lua_Integer a, bool reversed) {
  lua_rawgeti(L, table, a);
  bool is = reversed ? lua_compare(L, -2, -1, LUA_OPLT) : lua_compare(L, -1, -2, LUA_OPLT);
  lua_pop(L, 1);
  return is;
}

static void move(lua_State *L, int table, lua_Integer from, lua_Integer to) {
  lua_rawgeti(L, table, from);
  lua_rawseti(L, table, to);
}

static void heap_put(lua_State *L, Items *items, int table) {
  lua_Integer hole = items->count + 1;
  unsigned changes = items->changes;
  int steps = 0;
  for (lua_Integer i = hole; i > 1 && less_than_top(L, table, i / 2, true); i /= 2) steps++;
  check_unchanged(L, items, changes);
  for (; steps > 0; steps--, hole /= 2) move(L, table, hole / 2, hole);
  lua_rawseti(L, table, hole);
  items->count++;
}

static void heap_get(lua_State *L, Items *items, int table) {
  lua_Integer n = items->count - 1, path[64];
  unsigned changes = items->changes;
  int steps = 0;
  lua_rawgeti(L, table, 1);
  lua_rawgeti(L, table, items->count); /* to be placed anew */
  for (lua_Integer i = 1, child; (child = 2 * i) <= n; i = child) {
    if (child < n && less(L, table, child + 1, child)) child++;
    if (!less_than_top(L, table, child, false)) break;
    path[steps++] = child;
  }
  check_unchanged(L, items, changes);
  lua_Integer hole = 1;
  for (int s = 0; s < steps; s++) {
    move(L, table, path[s], hole);
    hole = path[s];
  }
  lua_rawseti(L, table, hole);
  lua_pushnil(L);
  lua_rawseti(L, table, items->count);
  items->count = n;
}

void items_put(lua_State *L, Items *items, int table) {
  switch (items->order) {
    case ITEMS_FIFO: ring_put(L, items, table); break;
    case ITEMS_LIFO:
      lua_rawseti(L, table, items->count + 1);
      items->count++;
      break;
    case ITEMS_PRIORITY: heap_put(L, items, table); break;
  }
}

void items_get(lua_State *L, Items *items, int table) {
  switch (items->order) {
    case ITEMS_FIFO: ring_get(L, items, table); break;
    case ITEMS_LIFO:
      lua_rawgeti(L, table, items->count);
      lua_pushnil(L);
      lua_rawseti(L, table, items->count);
      items->count--;
      break;
    case ITEMS_PRIORITY: heap_get(L, items, table); break;
  }
}
