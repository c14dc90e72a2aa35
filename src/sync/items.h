/* SPDX-License-Identifier: MIT
 * What a queue holds: a Lua table used as a ring, a stack or a binary heap, nils included. */
#ifndef NEAP_SYNC_ITEMS_H
#define NEAP_SYNC_ITEMS_H

#include "kernel/object.h"

typedef enum { ITEMS_FIFO, ITEMS_LIFO, ITEMS_PRIORITY } ItemsOrder;

typedef struct {
  unsigned changes; /* of a heap: what __lt calls may put and get */
  ItemsOrder order;
  lua_Integer count;
  lua_Integer head; /* ring: place of the first item, from 0 */
  lua_Integer room; /* ring: places */
} Items;

/* The table is at `table`. Each leaves the items as they were when it raises. */
void items_put(lua_State *L, Items *items, int table); /* pops the item */
void items_get(lua_State *L, Items *items, int table); /* pushes it; there is one */

#endif
