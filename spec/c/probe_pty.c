/* SPDX-License-Identifier: MIT
 * Pseudo-terminals for specs. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe.h"

/* master, slave = openpty(): descriptors */
static int f_openpty(lua_State *L) {
  char name[128];
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof name) != 0)
    return luaL_error(L, "no pseudo-terminal");
  int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return luaL_error(L, "no pseudo-terminal");
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  ioctl(slave, TIOCSWINSZ, &size);
  lua_pushinteger(L, master);
  lua_pushinteger(L, slave);
  return 2;
}

/* path = fd_path(fd): what it is open as */
static int f_fd_path(lua_State *L) {
  char path[64], target[256];
  snprintf(path, sizeof path, "/proc/self/fd/%d", (int)luaL_checkinteger(L, 1));
  ssize_t size = readlink(path, target, sizeof target);
  if (size < 0) return 0;
  lua_pushlstring(L, target, (size_t)size);
  return 1;
}

/* blocking = is_blocking(fd) */
static int f_is_blocking(lua_State *L) {
  lua_pushboolean(L, !(fcntl((int)luaL_checkinteger(L, 1), F_GETFL) & O_NONBLOCK));
  return 1;
}

const luaL_Reg probe_pty_functions[] = {
    {"openpty", f_openpty}, {"fd_path", f_fd_path}, {"is_blocking", f_is_blocking}, {NULL, NULL}};
