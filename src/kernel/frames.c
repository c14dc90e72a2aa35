/* SPDX-License-Identifier: MIT */
#include "kernel/frames.h"

#include <string.h>

#include "kernel/core.h"

enum { FRAMES_FIRST = 10, FRAMES_LAST = 11 };
static const uint64_t REMEMBERED = 1000000000; /* nanoseconds */

static const char names_key = 0; /* registry: {function = its name or false, ["file:line"] = false}, keys weak */
static const char until_key = 0; /* in there: the hrtime at which they are forgotten */

/* ---- the names of functions ---- */

/* Pushes the table. */
static void push_names(lua_State *L) {
  uint64_t now = uv_hrtime();
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE) {
    lua_rawgetp(L, -1, &until_key);
    bool fresh = now < (uint64_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (fresh) return;
  }
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushinteger(L, (lua_Integer)(now + REMEMBERED));
  lua_rawsetp(L, -2, &until_key);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

/* The name at the top replaces the one at `best` if that is none, or longer. Of equal length the order decides. */
static void improve(lua_State *L, int best) {
  const char *name = lua_tostring(L, -1), *old = lua_tostring(L, best);
  size_t size = strlen(name), old_size = old ? strlen(old) : SIZE_MAX;
  if (size < old_size || (size == old_size && strcmp(name, old) < 0))
    lua_replace(L, best);
  else
    lua_pop(L, 1);
}

/* Key and value at the top, of package.loaded or of a module in it; `module`: the index of its name, or 0 */
static void compare(lua_State *L, int function, int best, int module) {
  if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, function)) return;
  const char *name = lua_tostring(L, -2), *prefix = module ? lua_tostring(L, module) : "_G";
  if (strcmp(prefix, "_G") == 0)
    lua_pushstring(L, name);
  else
    lua_pushfstring(L, "%s.%s", prefix, name);
  improve(L, best);
}

/* Pushes the shortest name that package.loaded has for the function at the top, or nil. */
static void search(lua_State *L) {
  int function = lua_gettop(L), best = function + 1, loaded = best + 1, module = loaded + 1;
  lua_pushnil(L);
  if (lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) == LUA_TTABLE) {
    lua_pushnil(L);
    for (; lua_next(L, loaded); lua_pop(L, 1)) {
      compare(L, function, best, 0);
      if (lua_type(L, module) != LUA_TSTRING || lua_type(L, -1) != LUA_TTABLE) continue;
      lua_pushnil(L);
      for (; lua_next(L, module + 1); lua_pop(L, 1)) compare(L, function, best, module);
    }
  }
  lua_settop(L, best);
}

/* Pushes what is remembered for the key; its type. */
static int recall(lua_State *L, int names, int key) {
  lua_pushvalue(L, key);
  return lua_rawget(L, names);
}

/* Pushes the name of the function at the top, or false. Where code had no name, other functions of that line are taken
 * to have none: a server makes one for each of its tasks. */
static void find_name(lua_State *L, const lua_Debug *frame, int names) {
  int function = lua_gettop(L), line = function + 1, found = line + 2;
  bool code = *frame->what != 'C';
  lua_pushfstring(L, "%s:%d", frame->short_src, frame->linedefined);
  if (!code || recall(L, names, line) == LUA_TNIL) {
    lua_settop(L, line);
    lua_pushvalue(L, function);
    search(L);
    if (lua_isnil(L, found)) {
      lua_pushboolean(L, false);
      lua_replace(L, found);
      lua_pushvalue(L, line);
      lua_pushboolean(L, false);
      if (code) lua_rawset(L, names);
      lua_settop(L, found);
    }
  }
  lua_replace(L, line);
  lua_settop(L, line);
}

/* Pushes the frame's function's name, if it is known by one. */
static bool push_known(lua_State *L, lua_Debug *frame) {
  int names = lua_gettop(L) + 1, function = names + 1;
  push_names(L);
  lua_getinfo(L, "f", frame);
  if (recall(L, names, function) == LUA_TNIL) {
    lua_settop(L, function);
    find_name(L, frame, names);
    lua_pushvalue(L, function);
    lua_pushvalue(L, -2);
    lua_rawset(L, names);
  }
  bool known = lua_type(L, -1) == LUA_TSTRING;
  lua_replace(L, names);
  lua_settop(L, known ? names : names - 1);
  return known;
}

/* ---- frames ---- */

static void push_what(lua_State *L, lua_Debug *frame) {
  if (push_known(L, frame)) {
    lua_pushfstring(L, "function '%s'", lua_tostring(L, -1));
    lua_remove(L, -2);
  } else if (*frame->namewhat) {
    lua_pushfstring(L, "%s '%s'", frame->namewhat, frame->name);
  } else if (*frame->what == 'm') {
    lua_pushliteral(L, "main chunk");
  } else if (*frame->what != 'C') {
    lua_pushfstring(L, "function <%s:%d>", frame->short_src, frame->linedefined);
  } else {
    lua_pushliteral(L, "?");
  }
}

/* How many frames there are: few questions, as each walks the stack. */
static int count_frames(lua_State *of) {
  lua_Debug frame;
  int there = -1, beyond = 32;
  while (lua_getstack(of, beyond, &frame)) there = beyond, beyond *= 2;
  while (beyond - there > 1) {
    int middle = there + (beyond - there) / 2;
    if (lua_getstack(of, middle, &frame))
      there = middle;
    else
      beyond = middle;
  }
  return there + 1;
}

static void add_frame_line(lua_State *L, luaL_Buffer *text, lua_Debug *frame) {
  if (frame->currentline > 0)
    lua_pushfstring(L, "\n\t%s:%d: in ", frame->short_src, frame->currentline);
  else
    lua_pushfstring(L, "\n\t%s: in ", frame->short_src);
  luaL_addvalue(text);
  push_what(L, frame);
  luaL_addvalue(text);
  if (frame->istailcall) luaL_addstring(text, "\n\t(...tail calls...)");
}

void frames_push(lua_State *L, lua_State *of, int level) {
  luaL_Buffer text;
  lua_Debug frame;
  if (!lua_checkstack(L, 2 * LUA_MINSTACK)) {
    lua_pushliteral(L, "\n\t?");
    return;
  }
  int count = count_frames(of), skipped = count - level - FRAMES_FIRST - FRAMES_LAST, from = level + FRAMES_FIRST;
  luaL_buffinit(L, &text);
  for (; lua_getstack(of, level, &frame); level++) {
    if (level == from && skipped > 0) {
      lua_pushfstring(L, "\n\t...\t(skipping %d levels)", skipped);
      luaL_addvalue(&text);
      level += skipped - 1;
      continue;
    }
    lua_getinfo(of, "Slnt", &frame);
    add_frame_line(L, &text, &frame);
  }
  luaL_pushresult(&text);
}
