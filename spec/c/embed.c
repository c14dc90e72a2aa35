/* SPDX-License-Identifier: MIT
 * A host that has neap as a library: embed SCRIPT. Once on luv's loop and once on its own, in a state each,
 * twice: what is run is the script, which returns "done". With STATIC_LUV luv is linked in too. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "neap.h"
#include "neap_static.h"

#ifdef STATIC_LUV
int luaopen_luv(lua_State *L);

static void preload_luv(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_luv);
  lua_setfield(L, -2, "luv");
  lua_pop(L, 1);
}
#else
static void preload_luv(lua_State *L) { (void)L; }
#endif

/* Names the library has too: it must not see these, nor this program the library's. */
int task_new, list_append, report, core_find;

static void check(lua_State *L, int good, const char *what) {
  if (good) return;
  fprintf(stderr, "embed: %s: %s\n", what, L ? luaL_tolstring(L, -1, NULL) : "not so");
  exit(1);
}

static void run(const char *script, uv_loop_t *loop) {
  lua_State *L = luaL_newstate();
  check(NULL, L != NULL, "a state");
  luaL_openlibs(L);
  preload_luv(L);
  neap_preload(L);
  check(L, neap_open(L, loop) == LUA_OK, "neap_open");
  check(NULL, !loop || neap_uv_loop(L) == loop, "the loop is the host's");
  lua_pop(L, 1);
  check(L, luaL_loadfile(L, script) == LUA_OK, script);
  check(L, neap_run(L, 0, 1) == LUA_OK, script);
  check(L, lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "done") == 0, "the script's result");
  neap_close(L);
  lua_close(L);
}

int main(int argc, char **argv) {
  check(NULL, argc == 2, "one argument is needed");
  for (int i = 0; i < 2; i++) {
    uv_loop_t loop;
    run(argv[1], NULL);
    check(NULL, uv_loop_init(&loop) == 0, "uv_loop_init");
    run(argv[1], &loop);
    check(NULL, uv_loop_close(&loop) == 0, "uv_loop_close");
  }
  puts("embedded: luv's loop, the host's loop");
  return 0;
}
