/* SPDX-License-Identifier: MIT
 * Listening sockets that the one who started this process has opened, as systemd does: LISTEN_FDS of them from
 * descriptor 3 on, meant for the process LISTEN_PID, with names in LISTEN_FDNAMES. */
#include "io/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/fail.h"

enum { FIRST = 3, MOST = 65536 };

/* The number in the environment; 0: none. */
static long number_of(const char *name) {
  const char *text = getenv(name);
  char *end = NULL;
  if (!text || !*text) return 0;
  long number = strtol(text, &end, 10);
  return *end == '\0' && number > 0 ? number : 0;
}

/* Pushes the name at *names, up to a colon, and goes past it; "unknown", as systemd has it, where there is none. */
static void push_name(lua_State *L, const char **names) {
  if (!*names) {
    lua_pushliteral(L, "unknown");
    return;
  }
  size_t size = strcspn(*names, ":");
  lua_pushlstring(L, *names, size);
  *names = (*names)[size] ? *names + size + 1 : NULL;
}

/* list = listen_fds(): {fd =, name =} of each, none if they are not for this process */
static int f_listen_fds(lua_State *L) {
  long count = number_of("LISTEN_PID") == (long)getpid() ? number_of("LISTEN_FDS") : 0;
  const char *names = getenv("LISTEN_FDNAMES");
  lua_newtable(L);
  for (int i = 0; i < count && i < MOST; i++) {
    int fd = FIRST + i;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return fail_raise_uv(L, -errno, lua_pushfstring(L, "descriptor %d", fd));
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, fd);
    lua_setfield(L, -2, "fd");
    push_name(L, &names);
    lua_setfield(L, -2, "name");
    lua_seti(L, 1, i + 1);
  }
  return 1;
}

const luaL_Reg inherit_functions[] = {{"listen_fds", f_listen_fds}, {NULL, NULL}};
