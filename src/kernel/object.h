/* SPDX-License-Identifier: MIT
 * Objects: full userdata that begin with a Head. The stamp (the object's own address, mixed with a
 * constant) tells ours from other people's userdata faster than a metatable lookup; Lua code cannot
 * forge it, as it cannot write into userdata. */
#ifndef NEAP_KERNEL_OBJECT_H
#define NEAP_KERNEL_OBJECT_H

#include "kernel/core.h"

typedef struct Type Type;
typedef struct Head Head;

/* Awaits the object, which is at index 1 and alone on the stack; the current task is core->current
 * and L may yield. Returns the number of results, or parks. */
typedef int (*AwaitFn)(lua_State *L, Core *core, Head *head);

struct Type {
  const char *name; /* "neap.Lock" */
  const Type *base; /* NULL: none */
  AwaitFn await;    /* NULL: not awaitable */
  const luaL_Reg *methods;
  const luaL_Reg *metamethods;
  lua_CFunction construct; /* the class called: NULL if only the library makes them */
  void (*purge)(Core *core, Head *head); /* for anchored objects: run() ends, give up; or NULL */
  int meta; /* where the service thread's stack has the metatable, if many objects are made; or 0 */
};

struct Head {
  uintptr_t stamp;
  const Type *type; /* static */
};

#define OBJECT_STAMP ((uintptr_t)0x6e65617021c0a51dull)

/* address: what lua_touserdata gives for the index. */
static inline Head *object_in(lua_State *L, int index, void *address) {
  Head *head = address;
  if (!head || lua_rawlen(L, index) < sizeof(Head)) return NULL; /* a light userdata has no length */
  return LIKELY(head->stamp == ((uintptr_t)head ^ OBJECT_STAMP)) ? head : NULL;
}

static inline Head *object_at(lua_State *L, int index) { return object_in(L, index, lua_touserdata(L, index)); }

static inline bool object_is(const Head *head, const Type *type) {
  for (const Type *t = head->type; t; t = t->base)
    if (t == type) return true;
  return false;
}

void *object_new(lua_State *L, const Type *type, size_t size, int slots); /* zeroed after the head */
void *object_make(lua_State *L, Core *core, const Type *type, size_t size, int slots); /* of a type with `meta`: faster */
void *object_test(lua_State *L, int index, const Type *type);             /* NULL: something else */
void *object_check_slow(lua_State *L, int arg, const Type *type);         /* or an argument error */

static inline void *object_check(lua_State *L, int arg, const Type *type) {
  Head *head = object_at(L, arg);
  return LIKELY(head && head->type == type) ? head : object_check_slow(L, arg, type);
}

/* Makes the metatable and the class table, and sets module[field] = class; the module is at the top
 * of the stack. Functions get the core (light userdata) as upvalue 1. */
void class_open(lua_State *L, Core *core, const Type *type, const char *field);
void functions_open(lua_State *L, Core *core, const luaL_Reg *functions); /* into the table at the top */

int argument_error(lua_State *L, int arg, const char *expected); /* "X expected, got Y" */
void check_fields(lua_State *L, int arg, const char *known);    /* none, nil, or a table of these alone: "limit nodelay" */
void check_field(lua_State *L, int arg, const char *known);     /* the key at the top, of the table at `arg`, is one of these */
const char *type_name(lua_State *L, int index);                  /* "neap.Task", "number", ... */

#endif
