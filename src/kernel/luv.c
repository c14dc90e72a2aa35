/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/luv.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kernel/report.h"
#include "neap.h"
#include "kernel/run.h"
#include "kernel/trace.h"

/* The object that a function of luv is in. It stays when lua_close unloads it: a libuv inside it would end the threads of
 * the program's own, if the names of that come first. */
static void *object_of(lua_CFunction function) {
  void *address;
  Dl_info owner;
  memcpy(&address, &function, sizeof address);
  return dladdr(address, &owner) ? dlopen(owner.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) : NULL;
}

#ifdef NEAP_LINK_UV
/* There when luv is linked into the program, which need not export its names then. */
extern LuvContext *luv_context(lua_State *L) __attribute__((weak));
#endif

/* luv_context of the luv in `object`, else of one that the program has in it or has loaded for all. */
static LuvContextOf context_in(void *object) {
  LuvContextOf context;
  void *symbol = object ? dlsym(object, "luv_context") : NULL;
#ifdef NEAP_LINK_UV
  if (!symbol && luv_context) return luv_context;
#endif
  if (!symbol) symbol = dlsym(RTLD_DEFAULT, "luv_context");
  memcpy(&context, &symbol, sizeof context);
  return context;
}

/* luv's luv_context, from the object that luv's functions are in: another luv may be loaded too. */
static LuvContextOf find_context(lua_State *L) {
  lua_getfield(L, -1, "hrtime"); /* any that is not replaced below */
  lua_CFunction any = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  void *object = any ? object_of(any) : NULL;
  LuvContextOf context = context_in(object);
  if (object) dlclose(object);
  return context;
}

/* ---- the host's loop: luv must have it before it makes one of its own ---- */

/* The object that luv's open function is in, by package.preload or package.cpath; NULL: the program, or none. */
static void *find_luv(lua_State *L) {
  int top = lua_gettop(L);
  void *object = NULL;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_istable(L, -1) && lua_getfield(L, -1, "luv") == LUA_TFUNCTION && lua_iscfunction(L, -1)) {
    object = object_of(lua_tocfunction(L, -1));
    lua_settop(L, top);
    return object;
  }
  lua_settop(L, top);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "luv");
  lua_getfield(L, -3, "cpath");
  if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) object = dlopen(lua_tostring(L, -1), RTLD_NOW);
  lua_settop(L, top);
  return object;
}

static bool luv_loaded(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool loaded = lua_getfield(L, -1, "luv") == LUA_TTABLE;
  lua_pop(L, 2);
  return loaded;
}

static void give_loop(lua_State *L, uv_loop_t *loop) {
  LuvContextOf context_of = context_in(find_luv(L));
  if (!context_of) luaL_error(L, "neap needs luv 1.44 or later to be on a loop of the host's: luv_context is not found");
  LuvContext *luv = context_of(L);
  luv->loop = loop;
  luv->L = L;
  luv->mode = -1;
}

/* Where 0, 1 or 2 were closed before the program started, /dev/null takes their places, before luv's loop does: whoever
 * then reads or writes the standard streams would have the loop's descriptors, and libuv aborts when it closes its own there. */
static void hold_standard(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    int null = open("/dev/null", O_RDWR); /* for children too */
    if (null > STDERR_FILENO) close(null);
  }
}

LuvContext *luv_open(lua_State *L) {
  hold_standard();
  lua_getfield(L, LUA_REGISTRYINDEX, NEAP_LOOP_KEY);
  uv_loop_t *loop = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (loop && !luv_loaded(L)) give_loop(L, loop);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "luv");
  if (lua_pcall(L, 1, 1, 0) != LUA_OK)
    luaL_error(L, "neap needs luv (Debian: lua-luv, LuaRocks: luv), which cannot be loaded:\n%s", lua_tostring(L, -1));
  LuvContextOf context_of = find_context(L);
  if (!context_of) luaL_error(L, "neap needs luv 1.44 or later: this one does not export luv_context");
  LuvContext *luv = context_of(L);
  if (loop && luv->loop != loop) luaL_error(L, "neap: luv is on another loop already: open neap before luv is required");
  const char *wrong = uv_table_open(luv->loop);
  if (wrong) luaL_error(L, "neap: %s", wrong);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD); /* luv < 1.50 required in a coroutine keeps that one */
  luv->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  return luv;
}

/* {exception =, traceback =}, core */
static int report_error(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  if (lua_type(L, 1) != LUA_TTABLE) {
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "exception");
    lua_replace(L, 1);
  }
  lua_settop(L, 1);
  lua_pushliteral(L, "error in a luv callback");
  lua_setfield(L, 1, "message");
  report(L, core);
  return 0;
}

static const char core_key = 0; /* registry: the core */

/* In the place of luv_cfpcall: calls the function and n arguments at the top. */
static int protected_call(lua_State *L, int nargs, int nresults, int flags) {
  int base = lua_gettop(L) - nargs;
  UNUSED(flags);
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lua_settop(L, base - 1);
    return -LUA_ERRMEM;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
  Core *core = lua_touserdata(L, -1);
  lua_pop(L, 1);
  lua_pushcfunction(L, trace_on_callback_error);
  lua_insert(L, base);
  int status = lua_pcall(L, nargs, nresults, base);
  lua_remove(L, base);
  if (status == LUA_OK) return nresults == LUA_MULTRET ? lua_gettop(L) - base + 1 : nresults;
  if (core) {
    lua_pushcfunction(L, report_error);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, core);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_settop(L, base - 1);
  }
  lua_settop(L, base - 1);
  return -status;
}

/* ---- uv.walk: luv < 1.50 dies of a handle that is not its own ---- */

typedef struct {
  int ref; /* of the userdata, in the registry */
} LuvHandle; /* the beginning of luv_handle_t */

typedef struct {
  lua_State *L;
  lua_Integer count;
} Walk;

static void collect(uv_handle_t *handle, void *arg) {
  Walk *walk = arg;
  if (!handle->data || uv_is_closing(handle)) return;
  if (!lua_checkstack(walk->L, 2)) return;
  lua_rawgeti(walk->L, LUA_REGISTRYINDEX, ((LuvHandle *)handle->data)->ref);
  void **box = lua_touserdata(walk->L, -1);
  if (lua_type(walk->L, -1) == LUA_TUSERDATA && lua_rawlen(walk->L, -1) >= sizeof *box && *box == handle) /* luv's? */
    walk->count++;
  else
    lua_pop(walk->L, 1);
}

/* uv.walk(fn): the handles are collected first; libuv is left before Lua code runs */
static int walk(lua_State *L) {
  Core *core = core_of(L);
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  Walk state = {L, 0};
  uv_walk(core->loop, collect, &state);
  for (lua_Integer i = 1; i <= state.count; i++) {
    lua_pushvalue(L, 1);
    lua_pushvalue(L, (int)i + 1);
    lua_call(L, 1, 0);
  }
  return 0;
}

/* uv.run(...), refused while the loop runs: luv 1.44 would nest; upvalue 2: luv's own */
static int run(lua_State *L) {
  if (run_active(core_of(L))) return luaL_error(L, "loop already running");
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  return lua_gettop(L);
}

/* luv = package.preload.luv(): a second require after package.loaded.luv was cleared gives the same
 * table, not one with luv's own functions again; upvalue 1: the table */
static int preloaded(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

void luv_tame(lua_State *L, Core *core) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key); /* keeps it, should neap be opened anew after an error */
  core->luv->pcall = protected_call;
  lua_pushcclosure(L, walk, 1);
  lua_setfield(L, -2, "walk");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
  lua_getfield(L, -2, "run");
  if (lua_tocfunction(L, -1) == run) { /* tamed before, by an opening that failed */
    lua_getupvalue(L, -1, 2);
    lua_remove(L, -2);
  }
  lua_pushcclosure(L, run, 2);
  lua_setfield(L, -2, "run");
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_istable(L, -1)) {
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, preloaded, 1);
    lua_setfield(L, -2, "luv");
  }
  lua_pop(L, 1);
}
