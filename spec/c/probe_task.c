/* SPDX-License-Identifier: MIT
 * spec.probe: C functions that park, and descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

/* ---- parking ---- */

static void on_abort(neap_wait *wait) {
  (void)wait;
  counters.aborts++;
}

static neap_wait *check_wait(lua_State *L) {
  return luaL_checkudata(L, 1, "spec.probe.wait");
}

/* wait = wait(with_abort) */
static int f_wait(lua_State *L) {
  neap_wait *wait = lua_newuserdatauv(L, sizeof *wait, 0);
  memset(wait, 0, sizeof *wait);
  if (lua_toboolean(L, 1)) wait->abort = on_abort;
  luaL_newmetatable(L, "spec.probe.wait");
  lua_setmetatable(L, -2);
  return 1;
}

/* wait, ... on the stack, which stays as it was */
static int k_park(lua_State *L, int status, lua_KContext context) {
  if (neap_cancelled(L)) {
    if (context) return lua_pushliteral(L, "cancelled"), 1;
    return neap_raise_cancelled(L);
  }
  if (status != LUA_YIELD) return luaL_error(L, "status %d", status);
  return lua_gettop(L) - 1;
}

/* ... = park(wait, ...) */
static int f_park(lua_State *L) { return neap_park(L, check_wait(L), k_park, 0); }

/* ... = park_kept(wait, ...): "cancelled" in the place of the error */
static int f_park_kept(lua_State *L) { return neap_park(L, check_wait(L), k_park, 1); }

/* raises the CancelledError, wherever it is called */
static int f_raise_cancelled(lua_State *L) { return neap_raise_cancelled(L); }

/* wake(wait) */
static int f_wake(lua_State *L) {
  neap_wake(check_wait(L));
  return 0;
}

/* parked = parked(wait) */
static int f_parked(lua_State *L) {
  lua_pushboolean(L, neap_parked(check_wait(L)));
  return 1;
}

/* ...; upvalue 1: a wait */
static int park_upvalue(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return neap_park(L, check_wait(L), k_park, 0);
}

/* async function = async(wait): parks there, returns its arguments */
static int f_async(lua_State *L) {
  check_wait(L);
  lua_settop(L, 1);
  neap_pushasync(L, park_upvalue, 1);
  return 1;
}

/* ---- in the middle of something ---- */

/* within(fn): has a block of its own while fn runs */
static int f_within(lua_State *L) {
  char *block = malloc(100);
  lua_settop(L, 1);
  int status = lua_pcall(L, 0, 0, 0);
  free(block);
  return status == LUA_OK ? 0 : lua_error(L);
}

/* ---- descriptors ---- */

static int k_wait_fd(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  bool cancelled = lua_isnil(L, -1);
  if (cancelled != neap_cancelled(L)) return luaL_error(L, "nil and neap_cancelled differ");
  if (cancelled) return neap_raise_cancelled(L);
  return lua_gettop(L) - 2;
}

/* ..., ready = wait_fd(fd, events, ...) */
static int f_wait_fd(lua_State *L) {
  return neap_wait_fd(L, (int)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2), k_wait_fd, 0);
}

static int push_pair(lua_State *L, int status, const int fds[2]) {
  if (status != 0) return luaL_error(L, "%s", strerror(errno));
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* r, w = pipe() */
static int f_pipe(lua_State *L) {
  int fds[2];
  return push_pair(L, pipe2(fds, O_NONBLOCK | O_CLOEXEC), fds);
}

/* a, b = socketpair() */
static int f_socketpair(lua_State *L) {
  int fds[2];
  return push_pair(L, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), fds);
}

/* fd = open(path): for reading */
static int f_open(lua_State *L) {
  int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return luaL_error(L, "%s", strerror(errno));
  lua_pushinteger(L, fd);
  return 1;
}

/* fd = dup(fd, at): at that number */
static int f_dup(lua_State *L) {
  lua_pushinteger(L, dup2((int)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)));
  return 1;
}

/* close_fd(fd, ...) */
static int f_close_fd(lua_State *L) {
  for (int i = 1; i <= lua_gettop(L); i++) close((int)luaL_checkinteger(L, i));
  return 0;
}

/* n = write(fd, data) */
static int f_write(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  lua_pushinteger(L, write((int)luaL_checkinteger(L, 1), data, size));
  return 1;
}

/* data = read(fd): nil at the end or with nothing there */
static int f_read(lua_State *L) {
  char data[4096];
  ssize_t size = read((int)luaL_checkinteger(L, 1), data, sizeof data);
  if (size <= 0) return 0;
  lua_pushlstring(L, data, (size_t)size);
  return 1;
}

/* fill(fd): until it takes no more */
static int f_fill(lua_State *L) {
  char data[4096] = "";
  while (write((int)luaL_checkinteger(L, 1), data, sizeof data) > 0) continue;
  return 0;
}

const luaL_Reg probe_task_functions[] = {
    {"wait", f_wait},
    {"park", f_park},
    {"park_kept", f_park_kept},
    {"raise_cancelled", f_raise_cancelled},
    {"wake", f_wake},
    {"parked", f_parked},
    {"async", f_async},
    {"within", f_within},
    {"wait_fd", f_wait_fd},
    {"pipe", f_pipe},
    {"socketpair", f_socketpair},
    {"open", f_open},
    {"dup", f_dup},
    {"close_fd", f_close_fd},
    {"write", f_write},
    {"read", f_read},
    {"fill", f_fill},
    {NULL, NULL},
};
