/* SPDX-License-Identifier: MIT
 * Hosts that open, run, spawn and turn. */
#include <string.h>
#include <unistd.h>

#include "host.h"

/* ---- opening ---- */

static void open_own(void) {
  uv_loop_t loop;
  expect(uv_loop_init(&loop) == 0);
  lua_State *L = state_open(&loop);
  expect(neap_uv_loop(L) == &loop);
  run(L, "await(neap.sleep(0.001))");
  load(L, "local t = uv.new_timer() t:start(1, 0, function() t:close() fired = 1 end)"); /* luv is on it too */
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  uv_run(&loop, UV_RUN_DEFAULT);
  expect(global(L, "fired") == 1);
  neap_close(L);
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
}

static void open_luvs(void) {
  lua_State *L = state_open(NULL);
  expect(neap_uv_loop(L) != NULL);
  run(L, "await(neap.sleep(0.001))");
  neap_close(L);
  lua_close(L);
}

static void open_twice(void) {
  uv_loop_t loop, other;
  expect(uv_loop_init(&loop) == 0 && uv_loop_init(&other) == 0);
  lua_State *L = state_open(&loop);
  expect_ok(L, neap_open(L, NULL));
  expect_ok(L, neap_open(L, &loop));
  expect(lua_rawequal(L, 1, 2) && lua_gettop(L) == 2);
  expect(neap_open(L, &other) != LUA_OK);
  expect(error_has(L, "another loop") && lua_gettop(L) == 2);
  expect(neap_uv_loop(L) == &loop);
  run(L, "await(neap.sleep(0.001))");
  neap_close(L);
  neap_close(L);
  lua_close(L);
  expect(uv_loop_close(&loop) == 0 && uv_loop_close(&other) == 0);
}

static void open_after_luv(void) {
  uv_loop_t loop;
  expect(uv_loop_init(&loop) == 0);
  lua_State *L = state_new();
  expect_ok(L, luaL_dostring(L, "require 'luv'"));
  expect(neap_open(L, &loop) != LUA_OK);
  expect(error_has(L, "luv is on another loop already"));
  expect_ok(L, neap_open(L, NULL)); /* on luv's, then */
  expect(neap_uv_loop(L) != &loop);
  run(L, "await(neap.sleep(0.001))");
  neap_close(L);
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
}

static void open_missing(void) {
  lua_State *L = state_new();
  expect_ok(L, luaL_dostring(L, "package.path, package.cpath = '', ''"));
  expect(neap_open(L, NULL) != LUA_OK);
  expect(error_has(L, "module 'neap' not found") && lua_gettop(L) == 0);
  lua_pushcfunction(L, luaopen_math);
  expect(neap_run(L, 0, 0) == LUA_ERRRUN && error_has(L, "not open"));
  lua_pushcfunction(L, luaopen_math);
  lua_pushinteger(L, 1);
  expect(neap_spawn(L, "x", 1) == LUA_ERRRUN && error_has(L, "not open"));
  expect(neap_result(L, 1, 1) == LUA_ERRRUN && error_has(L, "not open"));
  expect(lua_gettop(L) == 0);
  expect(!neap_turn(L, 0) && neap_timeout(L) == -1 && neap_backend_fd(L) == -1 && !neap_uv_loop(L));
  expect(neap_after_fork(L) == 0 && !neap_cancel(L, 1));
  neap_close(L);
  lua_close(L);
  L = luaL_newstate(); /* no require */
  expect(neap_open(L, NULL) != LUA_OK);
  lua_close(L);
}

/* ---- running ---- */

static void run_values(void) {
  lua_State *L = state_open(NULL);
  load(L, "local a, b = ... await(neap.sleep(0.001)) return a + b, nil, 'x'");
  lua_pushinteger(L, 20);
  lua_pushinteger(L, 22);
  expect_ok(L, neap_run(L, 2, LUA_MULTRET));
  expect(lua_gettop(L) == 3 && lua_tointeger(L, 1) == 42 && lua_isnil(L, 2) && lua_isstring(L, 3));
  load(L, "return 1, 2, 3");
  expect_ok(L, neap_run(L, 0, 1));
  expect(lua_gettop(L) == 4 && lua_tointeger(L, 4) == 1);
  load(L, "");
  expect_ok(L, neap_run(L, 0, 2));
  expect(lua_gettop(L) == 6 && lua_isnil(L, 6));
  neap_close(L);
  lua_close(L);
}

static void run_errors(void) {
  lua_State *L = state_open(NULL);
  load(L, "local function inner() await(neap.sleep(0)) error(neap.ValueError('bad')) end inner()");
  expect(neap_run(L, 0, 2) == LUA_ERRRUN && lua_gettop(L) == 1);
  lua_getfield(L, 1, "traceback");
  expect(lua_isstring(L, -1) && strstr(lua_tostring(L, -1), "inner"));
  lua_settop(L, 0);
  load(L, "error({1})"); /* the very value */
  expect(neap_run(L, 0, 0) == LUA_ERRRUN && lua_istable(L, -1));
  lua_settop(L, 0);
  load(L, "await(neap.Future())");
  expect(neap_run(L, 0, 0) == LUA_ERRRUN && error_has(L, "deadlock"));
  lua_pushinteger(L, 1);
  expect(neap_run(L, 0, 0) == LUA_ERRRUN);
  lua_settop(L, 0);
  load(L, "local status, err = probe.run(function() end) nested = status error(err, 0)");
  expect(neap_run(L, 0, 0) == LUA_ERRRUN && error_has(L, "while the loop is running"));
  expect(global(L, "nested") == LUA_ERRRUN && lua_gettop(L) == 0);
  run(L, "await(neap.sleep(0))");
  neap_close(L);
  lua_close(L);
}

static void spawn_and_results(void) {
  lua_State *L = state_open(NULL);
  load(L, "local n = ... await(neap.sleep(0)) return n, neap.current_task():get_name()");
  lua_pushinteger(L, 7);
  expect_ok(L, neap_spawn(L, "seven", 1));
  expect(lua_gettop(L) == 1 && neap_result(L, 1, LUA_MULTRET) == LUA_YIELD && lua_gettop(L) == 1);
  while (neap_turn(L, 0.01)) continue;
  expect(neap_result(L, -1, LUA_MULTRET) == LUA_OK && lua_gettop(L) == 3);
  expect(lua_tointeger(L, 2) == 7 && strcmp(lua_tostring(L, 3), "seven") == 0);
  lua_settop(L, 0);
  load(L, "error('broken', 0)");
  expect_ok(L, neap_spawn(L, NULL, 0));
  while (neap_turn(L, 0.01)) continue;
  expect(neap_result(L, 1, 5) == LUA_ERRRUN && lua_gettop(L) == 2 && error_has(L, "broken"));
  lua_settop(L, 0);
  load(L, "await(neap.Future())");
  expect_ok(L, neap_spawn(L, NULL, 0));
  neap_turn(L, 0);
  expect(neap_cancel(L, 1));
  while (neap_turn(L, 0.01)) continue;
  expect(!neap_cancel(L, 1));
  expect(neap_result(L, 1, 0) == LUA_ERRRUN && error_has(L, "Cancelled"));
  lua_settop(L, 0);
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 2);
  expect(neap_spawn(L, NULL, 1) == LUA_ERRRUN && lua_gettop(L) == 1 && error_has(L, "function expected, got number"));
  lua_pushinteger(L, 1);
  expect(neap_result(L, 1, 0) == LUA_ERRRUN && error_has(L, "future or task expected, got number"));
  expect(!neap_cancel(L, 1));
  neap_close(L);
  lua_close(L);
}

/* ---- turning ---- */

static void turn_budget(void) {
  lua_State *L = state_open(NULL);
  /* two tasks that are always ready; a step is far longer than the budget */
  load(L, "steps = 0 for _ = 1, 2 do neap.create_task(function() while true do steps = steps + 1 "
          "local till = uv.hrtime() + 3e6 while uv.hrtime() < till do end await(neap.sleep(0)) end end) end");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  for (lua_Integer i = 1; i <= 8; i++) {
    expect(neap_turn(L, 0.0005));
    expect(global(L, "steps") == i); /* one and no more */
  }
  expect(neap_timeout(L) == 0);
  neap_close(L);
  lua_close(L);
}

static void turn_round(void) {
  lua_State *L = state_open(NULL);
  load(L, "steps = 0 neap.create_task(function() while true do steps = steps + 1 await(neap.sleep(0)) end end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  for (int i = 1; i <= 10; i++) {
    lua_Integer before = global(L, "steps");
    expect(neap_turn(L, 0));
    expect(global(L, "steps") > before && global(L, "steps") - before <= 256);
  }
  neap_close(L);
  lua_close(L);
}

static void turn_inside(void) {
  lua_State *L = state_open(NULL);
  run(L, "local ran neap.create_task(function() ran = true end) assert(not probe.turn(0)) assert(not ran) await(neap.sleep(0)) assert(ran)");
  run(L, "local done = neap.Future() neap.call_soon(function() done:set_result(probe.turn(0)) end) assert(await(done) == false)");
  neap_close(L);
  lua_close(L);
}

static void turn_timeout(void) {
  lua_State *L = state_open(NULL);
  while (neap_turn(L, 0)) continue;
  expect(neap_timeout(L) == -1); /* nothing ever happens */
  load(L, "task = neap.create_task(function() await(neap.sleep(5)) end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  expect(neap_timeout(L) == 0);
  while (neap_turn(L, 0)) continue;
  int timeout = neap_timeout(L);
  expect(timeout > 1000 && timeout <= 5001);
  load(L, "task:cancel()");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  expect(neap_timeout(L) == 0);
  while (neap_turn(L, 0)) continue;
  expect(neap_timeout(L) == -1);
  load(L, "r, w = probe.pipe() neap.create_task(function() probe.wait_fd(r, 1) got = 1 end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  while (neap_turn(L, 0)) continue;
  expect(neap_timeout(L) == -1);
  int fd = neap_backend_fd(L);
  expect(fd >= 0);
  load(L, "probe.write(w, 'x')");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  fd_set fds;
  FD_ZERO(&fds);
  FD_SET(fd, &fds);
  struct timeval limit = {10, 0};
  expect(select(fd + 1, &fds, NULL, NULL, &limit) == 1);
  while (neap_turn(L, 0)) continue;
  expect(global(L, "got") == 1);
  neap_close(L);
  expect(neap_timeout(L) == -1 && !neap_turn(L, 1));
  lua_close(L);
}

static void turn_wakes(void) { /* a thread's completion makes the backend readable */
  lua_State *L = state_open(NULL);
  load(L, "f, s = probe.future() probe.complete_thread(s, 20, 'values', 3)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  while (neap_turn(L, 0)) continue;
  int fd = neap_backend_fd(L);
  fd_set fds;
  FD_ZERO(&fds);
  FD_SET(fd, &fds);
  struct timeval limit = {10, 0};
  expect(select(fd + 1, &fds, NULL, NULL, &limit) == 1);
  while (neap_turn(L, 0)) continue;
  lua_getglobal(L, "f");
  expect(neap_result(L, -1, LUA_MULTRET) == LUA_OK && lua_tointeger(L, -1) == 3);
  load(L, "probe.join()");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_close(L);
  lua_close(L);
}

const Scenario run_scenarios[] = {
    {"open_own", open_own},
    {"open_luvs", open_luvs},
    {"open_twice", open_twice},
    {"open_after_luv", open_after_luv},
    {"open_missing", open_missing},
    {"run_values", run_values},
    {"run_errors", run_errors},
    {"spawn_and_results", spawn_and_results},
    {"turn_budget", turn_budget},
    {"turn_round", turn_round},
    {"turn_inside", turn_inside},
    {"turn_timeout", turn_timeout},
    {"turn_wakes", turn_wakes},
    {NULL, NULL},
};
