/* SPDX-License-Identifier: MIT */
#include "kernel/fail.h"

#include <stdarg.h>
#include <string.h>

#include "kernel/object.h"

typedef struct {
  const char *name;
  FailClass extends;
} ClassRow;

static const ClassRow classes[FAIL_CLASSES] = {
    [FAIL_ERROR] = {"Error", FAIL_ERROR},
    [FAIL_CANCELLED] = {"CancelledError", FAIL_ERROR},
    [FAIL_TIMEOUT] = {"TimeoutError", FAIL_ERROR},
    [FAIL_INVALID_STATE] = {"InvalidStateError", FAIL_ERROR},
    [FAIL_RUNTIME] = {"RuntimeError", FAIL_ERROR},
    [FAIL_VALUE] = {"ValueError", FAIL_ERROR},
    [FAIL_DEADLOCK] = {"DeadlockError", FAIL_RUNTIME},
    [FAIL_INTERRUPT] = {"KeyboardInterrupt", FAIL_ERROR},
    [FAIL_GROUP] = {"ExceptionGroup", FAIL_ERROR},
    [FAIL_QUEUE_EMPTY] = {"QueueEmpty", FAIL_ERROR},
    [FAIL_QUEUE_FULL] = {"QueueFull", FAIL_ERROR},
    [FAIL_QUEUE_SHUT_DOWN] = {"QueueShutDown", FAIL_ERROR},
    [FAIL_BROKEN_BARRIER] = {"BrokenBarrierError", FAIL_RUNTIME},
    [FAIL_INCOMPLETE_READ] = {"IncompleteReadError", FAIL_ERROR},
    [FAIL_LIMIT_OVERRUN] = {"LimitOverrunError", FAIL_ERROR},
    [FAIL_OS] = {"OSError", FAIL_ERROR},
    [FAIL_CONNECTION] = {"ConnectionError", FAIL_OS},
    [FAIL_REFUSED] = {"ConnectionRefusedError", FAIL_CONNECTION},
    [FAIL_RESET] = {"ConnectionResetError", FAIL_CONNECTION},
    [FAIL_ABORTED] = {"ConnectionAbortedError", FAIL_CONNECTION},
    [FAIL_BROKEN_PIPE] = {"BrokenPipeError", FAIL_CONNECTION},
    [FAIL_RESOLVE] = {"ResolveError", FAIL_OS},
    [FAIL_TLS] = {"TLSError", FAIL_OS}, /* of neap.tls.core */
    [FAIL_CERTIFICATE] = {"CertificateError", FAIL_TLS},
    [FAIL_TLS_EOF] = {"TLSEOFError", FAIL_TLS},
};

static const char *key_of(FailClass cls) { return (const char *)&classes[cls]; }

static void push_class(lua_State *L, FailClass cls) { lua_rawgetp(L, LUA_REGISTRYINDEX, key_of(cls)); }

void fail_push(lua_State *L, FailClass cls, const char *message) {
  lua_createtable(L, 0, 2);
  if (message) {
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
  }
  push_class(L, cls);
  lua_setmetatable(L, -2);
}

void fail_push_cancelled(lua_State *L) {
  fail_push(L, FAIL_CANCELLED, NULL);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
}

int fail_raise(lua_State *L, FailClass cls, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = lua_pushvfstring(L, format, args);
  va_end(args);
  fail_push(L, cls, message);
  for (int level = 1; level < 4; level++) { /* the nearest Lua line, past C callers such as pcall */
    luaL_where(L, level);
    if (*lua_tostring(L, -1)) {
      lua_setfield(L, -2, "where");
      break;
    }
    lua_pop(L, 1);
  }
  return lua_error(L);
}

enum { CLASS_DEPTH = 100 }; /* of classes that extend each other: a table may be its own metatable */

bool fail_is_of(lua_State *L, int index, int cls) {
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return false;
  bool is = lua_rawequal(L, -1, cls);
  for (int depth = 0; !is && depth < CLASS_DEPTH && lua_getmetatable(L, -1); depth++) {
    lua_pushliteral(L, "__index"); /* class, the class's metatable, "__index" */
    int type = lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
    if (type != LUA_TTABLE) break;
    is = lua_rawequal(L, -1, cls);
  }
  lua_pop(L, 1);
  return is;
}

bool fail_is(lua_State *L, int index, FailClass cls) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  index = lua_absindex(L, index);
  push_class(L, cls);
  bool is = fail_is_of(L, index, lua_gettop(L));
  lua_pop(L, 1);
  return is;
}

static FailClass class_of_status(int status) {
  switch (status) {
    case UV_ECONNREFUSED: return FAIL_REFUSED;
    case UV_ECONNRESET: return FAIL_RESET;
    case UV_ECONNABORTED: return FAIL_ABORTED;
    case UV_EPIPE: return FAIL_BROKEN_PIPE;
    case UV_ETIMEDOUT: return FAIL_TIMEOUT;
    default: return status <= UV_EAI_ADDRFAMILY && status >= -3100 ? FAIL_RESOLVE : FAIL_OS;
  }
}

void fail_push_uv(lua_State *L, int status, const char *what) {
  const char *text = uv_strerror(status), *code = uv_err_name(status);
  if (what)
    lua_pushfstring(L, "%s: %s (%s)", what, text, code);
  else
    lua_pushfstring(L, "%s (%s)", text, code);
  fail_push(L, class_of_status(status), lua_tostring(L, -1));
  lua_remove(L, -2);
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
}

int fail_raise_uv(lua_State *L, int status, const char *what) {
  fail_push_uv(L, status, what);
  return lua_error(L);
}

/* ---- the Lua side ---- */

static int to_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

void fail_push_text(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_pushcfunction(L, to_text);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushfstring(L, "(a %s whose __tostring failed)", luaL_typename(L, index));
}

/* Appends prefix and field to the text at the top, if the error has the field. */
static void add_text(lua_State *L, const char *prefix, const char *field) {
  if (lua_getfield(L, 1, field) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pushstring(L, prefix);
  luaL_tolstring(L, -2, NULL);
  lua_remove(L, -3);
  lua_concat(L, 3);
}

/* Pushes the error's traceback, of its own and not of a metamethod's making; or something, perhaps. */
static bool push_traceback(lua_State *L, int error) {
  if (lua_type(L, error) != LUA_TTABLE) return false;
  error = lua_absindex(L, error);
  lua_pushliteral(L, "traceback");
  return lua_rawget(L, error) == LUA_TSTRING;
}

/* Appends a member of a group, with its traceback, indented. */
static void add_member(lua_State *L, lua_Integer i) {
  lua_pushfstring(L, "\n  [%I] ", i);
  lua_geti(L, 2, i);
  fail_push_text(L, -1);
  if (push_traceback(L, -2)) {
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  } else {
    lua_settop(L, 6); /* error, errors, text, mark, member, its text */
  }
  luaL_gsub(L, lua_tostring(L, -1), "\n", "\n      ");
  lua_replace(L, 5);
  lua_settop(L, 5);
  lua_concat(L, 3);
}

/* How many errors the list holds: its n, as errors may be nil. */
static lua_Integer error_count(lua_State *L, int list) {
  lua_Integer n = lua_getfield(L, list, "n") == LUA_TNUMBER ? lua_tointeger(L, -1) : luaL_len(L, list);
  lua_pop(L, 1);
  return n;
}

/* text = tostring(error): where, class, message; a group's members below */
static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "errors");
  lua_pushliteral(L, "");
  add_text(L, "", "where");
  add_text(L, "", "name");
  add_text(L, ": ", "message");
  if (lua_getfield(L, 1, "uncaught") != LUA_TNIL) { /* nobody but the host will see it */
    lua_pop(L, 1);
    add_text(L, "\n", "traceback");
  } else {
    lua_pop(L, 1);
  }
  if (lua_type(L, 2) != LUA_TTABLE) return 1;
  lua_Integer n = error_count(L, 2);
  lua_pushfstring(L, " (%I error%s)", n, n == 1 ? "" : "s");
  lua_concat(L, 2);
  for (lua_Integer i = 1; i <= n; i++) add_member(L, i);
  return 1;
}

enum { AT_CLASS = 3 }; /* moved there by constructors: arguments count from the message */

/* error = Class(message [, fields]) */
static int error_new(lua_State *L) {
  lua_settop(L, 3);
  lua_rotate(L, 1, -1);
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  lua_createtable(L, 0, 2);
  if (!lua_isnil(L, 2)) {
    lua_pushnil(L);
    while (lua_next(L, 2)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, 4);
    }
  }
  lua_pushvalue(L, 1);
  lua_setfield(L, 4, "message");
  lua_pushvalue(L, AT_CLASS);
  lua_setmetatable(L, 4);
  return 1;
}

/* ExceptionGroup(message, errors) */
static int group_new(lua_State *L) {
  lua_settop(L, 3);
  lua_rotate(L, 1, -1);
  luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, error_count(L, 2) > 0, 2, "a list of at least one error expected");
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, 2);
  lua_setfield(L, 4, "errors");
  lua_pushvalue(L, 1);
  lua_setfield(L, 4, "message");
  lua_pushvalue(L, AT_CLASS);
  lua_setmetatable(L, 4);
  return 1;
}

static void class_make(lua_State *L, const char *name, int parent, lua_CFunction constructor) {
  lua_newtable(L); /* class */
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushfstring(L, "neap.%s", name);
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_newtable(L); /* the class's metatable */
  if (parent) {
    lua_pushvalue(L, parent);
    lua_setfield(L, -2, "__index");
  }
  lua_pushcfunction(L, constructor);
  lua_setfield(L, -2, "__call");
  lua_setmetatable(L, -2);
}

static lua_CFunction constructor_of(lua_State *L, int class) {
  lua_CFunction own = luaL_getmetafield(L, class, "__call") == LUA_TNIL ? NULL : lua_tocfunction(L, -1);
  return own == group_new ? group_new : error_new;
}

/* Class = Error:extend(name) */
static int error_extend(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  class_make(L, name, 1, constructor_of(L, 1));
  return 1;
}

/* members, rest = group:split(predicate): two lists, either may be empty */
static int group_split(lua_State *L) {
  luaL_argcheck(L, fail_is(L, 1, FAIL_GROUP), 1, "neap.ExceptionGroup expected");
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_getfield(L, 1, "errors");
  lua_newtable(L);
  lua_newtable(L);
  lua_Integer n = error_count(L, 3), counts[2] = {0, 0};
  for (lua_Integer i = 1; i <= n; i++) {
    lua_pushvalue(L, 2);
    lua_geti(L, 3, i);
    lua_call(L, 1, 1);
    int other = !lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_geti(L, 3, i);
    lua_seti(L, 4 + other, ++counts[other]);
  }
  for (int i = 0; i < 2 && lua_getfield(L, 3, "n") != LUA_TNIL; i++) { /* as the group's own list */
    lua_pushinteger(L, counts[i]);
    lua_setfield(L, 4 + i, "n");
    lua_pop(L, 1);
  }
  lua_settop(L, 5);
  return 2;
}

void fail_open(lua_State *L) {
  int module = lua_gettop(L);
  for (int cls = 0; cls < FAIL_CLASSES; cls++) {
    const ClassRow *row = &classes[cls];
    int parent = 0;
    if ((int)row->extends != cls) {
      push_class(L, row->extends);
      parent = lua_gettop(L);
    }
    class_make(L, row->name, parent, cls == FAIL_GROUP ? group_new : error_new);
    if (cls == FAIL_ERROR) {
      lua_pushcfunction(L, error_extend);
      lua_setfield(L, -2, "extend");
    }
    if (cls == FAIL_GROUP) {
      lua_pushcfunction(L, group_split);
      lua_setfield(L, -2, "split");
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key_of((FailClass)cls));
    lua_setfield(L, module, row->name);
    lua_settop(L, module);
  }
}
