/* SPDX-License-Identifier: MIT
 * Anchors: one table, at index 1 of the service thread's stack, with numbered slots. Making one may
 * raise; giving one back cannot, so it is done from uv callbacks' jobs too. */
#include <string.h>

#include "base/memory.h"
#include "kernel/object.h"

enum { ANCHORS = 1 }; /* its index on the service thread */

void anchor_push(Core *core, lua_State *L, uint32_t slot) {
  lua_State *service = core->service;
  lua_rawgeti(service, ANCHORS, slot);
  if (L != service) lua_xmove(service, L, 1);
}

void anchor_set(lua_State *L, Core *core, uint32_t slot) {
  lua_State *service = core->service;
  lua_xmove(L, service, 1);
  lua_rawseti(service, ANCHORS, slot);
}

static void grow(lua_State *L, Core *core) {
  uint32_t room = core->slot_room ? core->slot_room * 2 : 64;
  uint32_t *free_slots = memory_resize(core->free_slots, room * sizeof *free_slots);
  if (!free_slots) luaL_error(L, "not enough memory");
  core->free_slots = free_slots;
  core->slot_room = room;
}

void anchors_make(lua_State *L, Core *core, uint32_t n) {
  if (core->closed) luaL_error(L, "neap is closed in this Lua state");
  while (core->free_count < n) {
    if (core->slot_count == core->slot_room) grow(L, core);
    lua_rawgeti(L, LUA_REGISTRYINDEX, core->anchors);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, core->slot_count + 1); /* may raise; from here on nothing does */
    lua_pop(L, 1);
    memmove(core->free_slots + 1, core->free_slots, core->free_count++ * sizeof *core->free_slots);
    core->free_slots[0] = ++core->slot_count; /* the last to be used */
  }
}

uint32_t anchor_new(lua_State *L, Core *core, int index) {
  index = lua_absindex(L, index);
  if (UNLIKELY(core->closed)) luaL_error(L, "neap is closed in this Lua state");
  anchors_reserve(L, core, 1);
  uint32_t slot = core->free_slots[--core->free_count];
  lua_pushvalue(L, index);
  anchor_set(L, core, slot);
  return slot;
}

void anchor_delete(Core *core, uint32_t slot) {
  if (core->closed) return;
  lua_pushboolean(core->service, 0);
  lua_rawseti(core->service, ANCHORS, slot);
  core->free_slots[core->free_count++] = slot;
}


void anchors_purge(lua_State *L, Core *core) {
  for (uint32_t slot = 1; slot <= core->slot_count; slot++) {
    anchor_push(core, L, slot);
    Head *head = object_at(L, -1);
    if (head && head->type->purge) head->type->purge(core, head);
    lua_pop(L, 1);
  }
}
