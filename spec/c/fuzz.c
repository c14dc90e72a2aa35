/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "neap.h"
#include "neap_static.h"

static void die(lua_State *L) {
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

static lua_State *fuzz_state;
static int script;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  lua_State *L = fuzz_state = luaL_newstate();
  if (!L) abort();
  luaL_openlibs(L);
  neap_preload(L);
  if (neap_open(L, NULL) != LUA_OK || luaL_loadfile(L, fuzz_script) != LUA_OK) die(L);
  lua_newtable(L);
  luaL_setfuncs(L, fuzz_functions, 0);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) die(L);
  script = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = fuzz_state;
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, script);
  lua_pushlstring(L, (const char *)data, size);
  if (neap_run(L, 1, 0) != LUA_OK) die(L);
  return 0;
}
