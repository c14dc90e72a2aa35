/* SPDX-License-Identifier: MIT
 * Small host programs for the specs of neap.h, one a scenario: build/spec/host NAME. */
#ifndef NEAP_SPEC_HOST_H
#define NEAP_SPEC_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include <lualib.h>

#include "neap.h"

typedef struct {
  const char *name;
  void (*run)(void);
} Scenario;

extern const Scenario run_scenarios[], close_scenarios[], fork_scenarios[], parked_scenarios[], limit_scenarios[];

#define expect(condition) \
  ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), _exit(1)))

/* A status that must be LUA_OK, else tells the error at the top. */
#define expect_ok(L, call) \
  ((call) == LUA_OK ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, luaL_tolstring(L, -1, NULL)), _exit(1)))

lua_State *state_new(void);                     /* with its libraries */
lua_State *state_open(uv_loop_t *loop);         /* and neap, on that loop or luv's */
void load(lua_State *L, const char *text);      /* pushes the chunk, which has `neap`, `await`, `uv` and `probe` */
void run(lua_State *L, const char *text);       /* as a task that must end well */
bool error_has(lua_State *L, const char *text); /* does the error at the top tell that? pops it */
lua_Integer global(lua_State *L, const char *name);
void loop_end(uv_loop_t *loop); /* runs what is left, and closes it */

#endif
