/* SPDX-License-Identifier: MIT
 * The C module: opens the layers, nothing more. */
#include "combine/combine.h"
#include "io/io.h"
#include "api.h"
#include "kernel/open.h"
#include "neap_static.h"
#include "sync/sync.h"

static const char module_key = 0; /* registry: the module table */

__attribute__((visibility("default"))) int luaopen_neap_core(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TTABLE) return 1;
  lua_newtable(L);
  Core *core = kernel_open(L, &api_table);
  combine_open(L, core);
  sync_open(L, core);
  io_open(L, core);
  api_open(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  return 1;
}
