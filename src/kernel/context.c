/* SPDX-License-Identifier: MIT */
#include "kernel/context.h"

#include "kernel/fail.h"
#include "kernel/task.h"

/* What is current outside tasks is kept in core->context, a registry slot made when the core opens. */

typedef struct {
  Head head; /* user value 1: the map or nil */
  bool entered;
} Context;

/* Pushes what is current: nil, a map or a Context. */
static void push_current(lua_State *L, Core *core) {
  Task *task = core->current;
  if (!task) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, core->context);
    if (!lua_toboolean(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
  } else if (task->future.flags & FUTURE_CONTEXT) {
    task_push(L, core, task);
    slot_push(L, -1, &task->future, SLOT_CONTEXT);
    lua_remove(L, -2);
  } else {
    lua_pushnil(L);
  }
}

/* Pushes what tells the current context from others: a Context, a task, or false outside. */
static void push_identity(lua_State *L, Core *core) {
  push_current(L, core);
  if (lua_type(L, -1) == LUA_TUSERDATA) return;
  lua_pop(L, 1);
  if (core->current)
    task_push(L, core, core->current);
  else
    lua_pushboolean(L, 0);
}

/* Makes the value at the top current; pops it. */
static void set_current(lua_State *L, Core *core) {
  Task *task = core->current;
  if (!task) {
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, core->context);
    return;
  }
  task_push(L, core, task);
  slot_set_flag(L, -1, &task->future, SLOT_CONTEXT, FUTURE_CONTEXT, lua_absindex(L, -2));
  lua_pop(L, 2);
}

/* The value at the top becomes its map. */
static void to_map(lua_State *L) {
  if (lua_type(L, -1) != LUA_TUSERDATA) return;
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
}

bool context_push(lua_State *L, Core *core) {
  if (LIKELY(!core->contexts)) return false;
  push_current(L, core);
  to_map(L);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

void context_enter(lua_State *L, Core *core) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, core->context);
  lua_insert(L, -2);
  context_leave(L, core);
}

void context_leave(lua_State *L, Core *core) {
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
  }
  lua_rawseti(L, LUA_REGISTRYINDEX, core->context);
}

void context_open(lua_State *L, Core *core) {
  lua_pushboolean(L, 0);
  core->context = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Replaces the current map by one in which key (at `key`) has the value (at `value`; 0: removed). */
static void assign(lua_State *L, Core *core, int key, int value) {
  core->contexts = true;
  push_current(L, core);
  int holder = lua_gettop(L);
  lua_pushvalue(L, holder);
  to_map(L);
  lua_newtable(L);
  if (lua_istable(L, -2)) {
    lua_pushnil(L);
    while (lua_next(L, -3)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
  }
  lua_pushvalue(L, key);
  if (value) {
    lua_createtable(L, 1, 0); /* boxed, so that nil can be set */
    lua_pushvalue(L, value);
    lua_rawseti(L, -2, 1);
  } else {
    lua_pushnil(L);
  }
  lua_rawset(L, -3);
  if (lua_type(L, holder) == LUA_TUSERDATA)
    lua_setiuservalue(L, holder, 1);
  else
    set_current(L, core);
  lua_settop(L, holder - 1);
}

/* Pushes the box of the variable at `index` in the current context, or nil. */
static void lookup(lua_State *L, Core *core, int index) {
  if (!context_push(L, core)) {
    lua_pushnil(L);
    return;
  }
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

/* ---- ContextVar: user values: name, the default's box ---- */

/* var = ContextVar(name [, {default = value}]) */
static int var_new(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 2);
  check_fields(L, 2, "default");
  object_new(L, &context_var_type, sizeof(Head), 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  if (lua_istable(L, 2) && lua_getfield(L, 2, "default") != LUA_TNIL) {
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    lua_setiuservalue(L, 3, 2);
  }
  lua_settop(L, 3);
  return 1;
}

/* value = var:get([default]) */
static int var_get(lua_State *L) {
  object_check(L, 1, &context_var_type);
  bool given = !lua_isnone(L, 2);
  lua_settop(L, 2);
  lookup(L, core_of(L), 1);
  if (lua_isnil(L, -1)) {
    if (given) {
      lua_settop(L, 2);
      return 1;
    }
    lua_getiuservalue(L, 1, 2);
    if (lua_isnil(L, -1)) {
      lua_getiuservalue(L, 1, 1);
      return fail_raise(L, FAIL_VALUE, "context variable '%s' has no value here", lua_tostring(L, -1));
    }
  }
  lua_rawgeti(L, -1, 1);
  return 1;
}

/* token = var:set(value) */
static int var_set(lua_State *L) {
  Core *core = core_of(L);
  object_check(L, 1, &context_var_type);
  lua_settop(L, 2);
  object_new(L, &context_token_type, sizeof(Head), 4); /* variable, old box, used, whose context it is */
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  push_identity(L, core);
  lua_setiuservalue(L, 3, 4);
  lookup(L, core, 1);
  lua_setiuservalue(L, 3, 2);
  assign(L, core, 1, 2);
  return 1;
}

/* var:reset(token) */
static int var_reset(lua_State *L) {
  object_check(L, 1, &context_var_type);
  object_check(L, 2, &context_token_type);
  lua_settop(L, 2);
  lua_getiuservalue(L, 2, 1);
  if (!lua_rawequal(L, 1, 3)) return fail_raise(L, FAIL_VALUE, "the token is of another context variable");
  if (lua_getiuservalue(L, 2, 3) != LUA_TNIL) return fail_raise(L, FAIL_RUNTIME, "the token has been used already");
  lua_getiuservalue(L, 2, 4);
  push_identity(L, core_of(L));
  if (!lua_rawequal(L, -1, -2)) return fail_raise(L, FAIL_VALUE, "the token was made in another context");
  lua_getiuservalue(L, 2, 2);
  if (lua_isnil(L, -1)) {
    assign(L, core_of(L), 1, 0);
  } else {
    lua_rawgeti(L, -1, 1);
    assign(L, core_of(L), 1, lua_gettop(L));
  }
  lua_pushboolean(L, 1);
  lua_setiuservalue(L, 2, 3);
  return 0;
}

/* name = var:name() */
static int var_name(lua_State *L) {
  object_check(L, 1, &context_var_type);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int var_tostring(lua_State *L) {
  object_check(L, 1, &context_var_type);
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, "neap.ContextVar (%s)", lua_tostring(L, -1));
  return 1;
}

/* ---- Context ---- */

void context_new_of_map(lua_State *L) {
  object_new(L, &context_type, sizeof(Context), 1);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
}

/* context = copy_context() */
static int f_copy_context(lua_State *L) {
  object_new(L, &context_type, sizeof(Context), 1);
  if (context_push(L, core_of(L))) lua_setiuservalue(L, -2, 1);
  return 1;
}

/* context = Context(): empty */
static int context_new(lua_State *L) {
  object_new(L, &context_type, sizeof(Context), 1);
  return 1;
}

/* context, the holder before, fn, ...: restores the holder */
static int k_run(lua_State *L, int status, lua_KContext ctx) {
  Core *core = (Core *)ctx;
  Context *context = lua_touserdata(L, 1);
  context->entered = false;
  lua_pushvalue(L, 2);
  set_current(L, core);
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L) - 2;
}

/* ... = context:run(fn, ...): also awaits in it are in the context */
static int context_run(lua_State *L) {
  Core *core = core_of(L);
  Context *context = object_check(L, 1, &context_type);
  if (!lua_isfunction(L, 2)) return argument_error(L, 2, "function");
  if (context->entered) return fail_raise(L, FAIL_RUNTIME, "the context is entered already");
  push_current(L, core);
  lua_insert(L, 2);
  lua_pushvalue(L, 1);
  set_current(L, core);
  context->entered = true;
  int status = lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 0, (lua_KContext)core, k_run);
  return k_run(L, status, (lua_KContext)core);
}

/* value = context:get(var) */
static int context_get(lua_State *L) {
  object_check(L, 1, &context_type);
  object_check(L, 2, &context_var_type);
  lua_getiuservalue(L, 1, 1);
  if (!lua_istable(L, -1)) return 0;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TNIL) return 1;
  lua_rawgeti(L, -1, 1);
  return 1;
}

/* copy = context:copy() */
static int context_copy(lua_State *L) {
  object_check(L, 1, &context_type);
  object_new(L, &context_type, sizeof(Context), 1);
  lua_getiuservalue(L, 1, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

const luaL_Reg context_functions[] = {{"copy_context", f_copy_context}, {NULL, NULL}};

static const luaL_Reg var_methods[] = {
    {"get", var_get}, {"set", var_set}, {"reset", var_reset}, {"name", var_name}, {NULL, NULL}};
static const luaL_Reg var_metamethods[] = {{"__tostring", var_tostring}, {NULL, NULL}};
static const luaL_Reg context_methods[] = {
    {"run", context_run}, {"get", context_get}, {"copy", context_copy}, {NULL, NULL}};

const Type context_type = {.name = "neap.Context", .methods = context_methods, .construct = context_new};
const Type context_var_type = {.name = "neap.ContextVar", .methods = var_methods, .metamethods = var_metamethods, .construct = var_new};
const Type context_token_type = {.name = "neap.Token"};
