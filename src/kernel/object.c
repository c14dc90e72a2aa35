/* SPDX-License-Identifier: MIT */
#include "kernel/object.h"

#include <string.h>

static inline Head *head_new(lua_State *L, const Type *type, size_t size, int slots) {
  Head *head = lua_newuserdatauv(L, size, slots);
  memset(head, 0, size);
  head->type = type;
  head->stamp = (uintptr_t)head ^ OBJECT_STAMP;
  return head;
}

void *object_new(lua_State *L, const Type *type, size_t size, int slots) {
  Head *head = head_new(L, type, size, slots);
  lua_rawgetp(L, LUA_REGISTRYINDEX, type);
  lua_setmetatable(L, -2);
  return head;
}

void *object_make(lua_State *L, Core *core, const Type *type, size_t size, int slots) {
  Head *head = head_new(L, type, size, slots);
  lua_pushvalue(core->service, type->meta);
  lua_xmove(core->service, L, 1);
  lua_setmetatable(L, -2);
  return head;
}

void *object_test(lua_State *L, int index, const Type *type) {
  Head *head = object_at(L, index);
  return head && object_is(head, type) ? head : NULL;
}

const char *type_name(lua_State *L, int index) {
  Head *head = object_at(L, index);
  if (head) return head->type->name;
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) return lua_tostring(L, -1);
  if (lua_type(L, index) == LUA_TLIGHTUSERDATA) return "light userdata";
  return luaL_typename(L, index);
}

int argument_error(lua_State *L, int arg, const char *expected) {
  return luaL_argerror(L, arg, lua_pushfstring(L, "%s expected, got %s", expected, type_name(L, arg)));
}

/* Is it one of the words, which have a space between? */
static bool among(const char *words, const char *word, size_t size) {
  while (*words) {
    const char *end = words;
    while (*end && *end != ' ') end++;
    if ((size_t)(end - words) == size && memcmp(words, word, size) == 0) return true;
    words = *end ? end + 1 : end;
  }
  return false;
}

void check_field(lua_State *L, int arg, const char *known) {
  size_t size = 0;
  const char *field = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (UNLIKELY(!field || !among(known, field, size)))
    luaL_argerror(L, arg, lua_pushfstring(L, "field '%s' is unknown", luaL_tolstring(L, -1, NULL)));
}

void check_fields(lua_State *L, int arg, const char *known) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, arg)) {
    lua_pop(L, 1);
    check_field(L, arg, known);
  }
}

void *object_check_slow(lua_State *L, int arg, const Type *type) {
  void *object = object_test(L, arg, type);
  if (!object) argument_error(L, arg, type->name);
  return object;
}

void functions_open(lua_State *L, Core *core, const luaL_Reg *functions) {
  if (!functions) return;
  lua_pushlightuserdata(L, core);
  luaL_setfuncs(L, functions, 1);
}

static void inherit(lua_State *L, Core *core, const Type *type) {
  if (type->base) inherit(L, core, type->base);
  functions_open(L, core, type->methods);
}

static void inherit_meta(lua_State *L, Core *core, const Type *type) {
  if (type->base) inherit_meta(L, core, type->base);
  functions_open(L, core, type->metamethods);
}

/* object = Class(...): drops the class, which __call passes first */
static int construct(lua_State *L) {
  lua_CFunction make = lua_tocfunction(L, lua_upvalueindex(2));
  lua_remove(L, 1);
  return make(L);
}

void class_open(lua_State *L, Core *core, const Type *type, const char *field) {
  lua_newtable(L); /* the metatable */
  inherit_meta(L, core, type);
  lua_pushstring(L, type->name);
  lua_setfield(L, -2, "__name");
  lua_newtable(L); /* the class: its methods */
  inherit(L, core, type);
  lua_newtable(L); /* the class's metatable */
  lua_pushfstring(L, "class %s", type->name);
  lua_setfield(L, -2, "__name");
  lua_pushlightuserdata(L, (void *)type);
  lua_setfield(L, -2, "__neap");
  if (type->construct) {
    lua_pushlightuserdata(L, core);
    lua_pushcfunction(L, type->construct);
    lua_pushcclosure(L, construct, 2);
    lua_setfield(L, -2, "__call");
  }
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  if (lua_getfield(L, -3, "__index") == LUA_TNIL) { /* a type may bring its own: then class is a field of it */
    lua_pop(L, 1);
    lua_setfield(L, -3, "__index");
  } else {
    lua_pop(L, 2);
  }
  lua_insert(L, -2); /* module, class, metatable */
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  if (type->meta) {
    lua_pushvalue(L, -1);
    lua_xmove(L, core->service, 1);
    lua_replace(core->service, type->meta);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, type);
  if (field)
    lua_setfield(L, -2, field);
  else
    lua_pop(L, 1);
}
