/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <string.h>
#include <unistd.h>

lua_State *state_new(void) {
  lua_State *L = luaL_newstate();
  expect(L);
  luaL_openlibs(L);
  return L;
}

lua_State *state_open(uv_loop_t *loop) {
  lua_State *L = state_new();
  expect_ok(L, neap_open(L, loop));
  expect(lua_istable(L, -1));
  lua_settop(L, 0);
  return L;
}

void load(lua_State *L, const char *text) {
  static const char head[] = "local neap, uv, probe = require 'neap', require 'luv', require 'spec.probe' local await = neap.await ";
  lua_pushstring(L, head);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  expect_ok(L, luaL_loadbufferx(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=host", "t"));
  lua_remove(L, -2);
}

void run(lua_State *L, const char *text) {
  load(L, text);
  expect_ok(L, neap_run(L, 0, 0));
}

bool error_has(lua_State *L, const char *text) {
  bool has = strstr(luaL_tolstring(L, -1, NULL), text) != NULL;
  if (!has) fprintf(stderr, "the error is: %s\n", lua_tostring(L, -1));
  lua_pop(L, 2);
  return has;
}

lua_Integer global(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

void loop_end(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  expect(uv_loop_close(loop) == 0);
}

enum { SETS = 5 };

int main(int argc, char **argv) {
  const Scenario *const all[SETS] = {run_scenarios, close_scenarios, fork_scenarios, parked_scenarios, limit_scenarios};
  setvbuf(stdout, NULL, _IOLBF, 0);
  alarm(60);
  for (int i = 0; argc == 2 && i < SETS; i++)
    for (const Scenario *it = all[i]; it->name; it++) {
      if (strcmp(it->name, argv[1]) != 0) continue;
      it->run();
      puts("done");
      return 0;
    }
  for (int i = 0; i < SETS; i++)
    for (const Scenario *it = all[i]; it->name; it++) puts(it->name);
  return 2;
}
