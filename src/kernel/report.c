/* SPDX-License-Identifier: MIT */
#include "kernel/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/fail.h"
#include "kernel/task.h"

static const char failure_key = 0; /* registry: a weak table, address -> Failure */

/* text = what the default handler prints of {message, exception, traceback} at `index` */
static void describe(lua_State *L, int index) {
  lua_pushliteral(L, "neap: ");
  if (lua_getfield(L, index, "message") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushliteral(L, "unhandled error");
  }
  fail_push_text(L, -1);
  lua_remove(L, -2);
  lua_concat(L, 2);
  static const char *const fields[] = {"exception", "traceback", "source_traceback"};
  for (int i = 0; i < 3; i++) {
    if (lua_getfield(L, index, fields[i]) == LUA_TNIL) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushstring(L, i == 0 ? ": " : "\n");
    fail_push_text(L, -2);
    lua_remove(L, -3);
    lua_concat(L, 3);
  }
}

/* default_exception_handler(context) */
static int f_default(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  describe(L, 1);
  lua_writestringerror("%s\n", lua_tostring(L, -1));
  fflush(stderr);
  return 0;
}

/* handler's error, context: tells both */
static int fallback(lua_State *L) {
  describe(L, 2);
  lua_writestringerror("%s\n", lua_tostring(L, -1));
  fail_push_text(L, 1);
  lua_writestringerror("neap: error in the exception handler: %s\n", lua_tostring(L, -1));
  return 0;
}

void report(lua_State *L, Core *core) {
  int context = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  lua_getfield(L, context, "exception");
  if (fail_is(L, -1, FAIL_INTERRUPT)) { /* Ctrl-C while a callback ran: run() raises it */
    core_throw(L, core);
    lua_settop(L, context - 1);
    return;
  }
  lua_pop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, core->handler);
  if (core->handler == LUA_NOREF || lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushcfunction(L, f_default);
  }
  lua_pushvalue(L, context);
  core->held++;
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) { /* an error in the handler: the default one, and this one too */
    lua_pushcfunction(L, fallback);
    lua_insert(L, -2);
    lua_pushvalue(L, context);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
      lua_writestringerror("neap: an error cannot be reported: %s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1));
  }
  core->held--;
  lua_settop(L, context - 1);
}

/* core, text */
static int report_message(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushstring(L, lua_touserdata(L, 2));
  lua_setfield(L, -2, "message");
  report(L, lua_touserdata(L, 1));
  return 0;
}

void report_text(lua_State *L, Core *core, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  lua_pushcfunction(L, report_message);
  lua_pushlightuserdata(L, core);
  lua_pushlightuserdata(L, text);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_writestringerror("neap: not enough memory to report that %s\n", text);
}

void failure_describe(lua_State *L, int index, Future *future) {
  if (object_is(&future->head, &task_type.type)) {
    task_push_name(L, index, (Task *)future);
    lua_pushfstring(L, "task %s", lua_tostring(L, -1));
    lua_remove(L, -2);
  } else {
    lua_pushstring(L, future->head.type->name);
  }
}

/* Reports the failure at the top and pops it. */
static void failure_report(lua_State *L, Core *core) {
  int failure = lua_gettop(L);
  lua_createtable(L, 0, 3);
  lua_getiuservalue(L, failure, 3);
  lua_pushfstring(L, "the error of %s was never retrieved", lua_tostring(L, -1));
  lua_setfield(L, failure + 1, "message");
  lua_settop(L, failure + 1);
  lua_getiuservalue(L, failure, 1);
  if (fail_is(L, -1, FAIL_CANCELLED)) { /* a gather of cancelled tasks: nothing went wrong */
    lua_settop(L, failure - 1);
    return;
  }
  lua_setfield(L, failure + 1, "exception");
  lua_getiuservalue(L, failure, 2);
  lua_setfield(L, failure + 1, "traceback");
  report(L, core);
  lua_settop(L, failure - 1);
}

/* failure, core */
static int anchor_failure(lua_State *L) {
  Failure *failure = lua_touserdata(L, 1);
  Core *core = lua_touserdata(L, 2);
  failure->anchor = anchor_new(L, core, 1);
  list_append(&core->orphans, &failure->link);
  return 0;
}

/* Collected with its future: if unseen it is kept until the loop has time for it. */
static int failure_gc(lua_State *L) {
  Failure *failure = lua_touserdata(L, 1);
  Core *core = core_of(L);
  if (failure->seen || list_empty(&failure->link) || core->closed) return 0;
  list_remove(&failure->link);
  lua_settop(L, 1);
  lua_pushcfunction(L, anchor_failure);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, core);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return 0;
  lua_getiuservalue(L, 1, 1);
  const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1);
  lua_writestringerror("neap: an error was never retrieved, and there is not enough memory to report it: %s\n", text);
  return 0;
}

void report_orphans(lua_State *L, Core *core) {
  while (!list_empty(&core->orphans)) {
    Failure *failure = container_of(core->orphans.next, Failure, link);
    anchor_push(core, L, failure->anchor);
    anchor_delete(core, failure->anchor);
    list_remove(&failure->link);
    failure->seen = true;
    failure_report(L, core);
  }
}

/* Pushes the failure, or nothing if it is garbage already. */
static bool failure_push(lua_State *L, const Failure *failure) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &failure_key);
  bool found = lua_rawgetp(L, -1, failure) != LUA_TNIL;
  lua_remove(L, -2);
  if (!found) lua_pop(L, 1);
  return found;
}

void report_failures(lua_State *L, Core *core) {
  bool garbage = false;
  list_each_safe(link, &core->failures) {
    Failure *failure = container_of(link, Failure, link);
    if (!failure_push(L, failure)) {
      garbage = true;
      continue;
    }
    anchors_reserve(L, core, 1);
    list_remove(&failure->link);
    failure->anchor = anchor_new(L, core, -1);
    lua_pop(L, 1);
    list_append(&core->orphans, &failure->link);
  }
  if (garbage) lua_gc(L, LUA_GCCOLLECT, 0); /* orphans them */
  report_orphans(L, core);
}

void failure_remember(lua_State *L, const Failure *failure) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &failure_key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failure_key);
  }
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, failure);
  lua_pop(L, 1);
}

/* ---- the Lua side ---- */

/* set_exception_handler(fn or nil): fn({message =, exception =, traceback =, task | future | handle =}) */
static int f_set(lua_State *L) {
  Core *core = core_of(L);
  if (!lua_isnoneornil(L, 1) && !lua_isfunction(L, 1)) return argument_error(L, 1, "function or nil");
  lua_settop(L, 1);
  int handler = lua_isnil(L, 1) ? LUA_NOREF : luaL_ref(L, LUA_REGISTRYINDEX);
  luaL_unref(L, LUA_REGISTRYINDEX, core->handler);
  core->handler = handler;
  return 0;
}

int handler_copy(lua_State *L, Core *core) {
  if (core->handler == LUA_NOREF) return LUA_NOREF;
  lua_rawgeti(L, LUA_REGISTRYINDEX, core->handler);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* fn = get_exception_handler(): nil for the default one */
static int f_get(lua_State *L) {
  Core *core = core_of(L);
  if (core->handler == LUA_NOREF)
    lua_pushnil(L);
  else
    lua_rawgeti(L, LUA_REGISTRYINDEX, core->handler);
  return 1;
}

/* call_exception_handler(context) */
static int f_call(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  report(L, core_of(L));
  return 0;
}

const luaL_Reg report_functions[] = {
    {"set_exception_handler", f_set},
    {"get_exception_handler", f_get},
    {"call_exception_handler", f_call},
    {"default_exception_handler", f_default},
    {NULL, NULL},
};

static const luaL_Reg failure_metamethods[] = {{"__gc", failure_gc}, {NULL, NULL}};

const Type failure_type = {.name = "neap.Failure", .metamethods = failure_metamethods};
