/* SPDX-License-Identifier: MIT
 * A program with its own poll() loop, as many have it that know nothing of libuv: it polls its own
 * descriptors, here a pipe that a thread writes to, and one descriptor more, neap's. That one becomes
 * readable when Lua has I/O to do; neap_timeout tells how long to wait at most.
 *
 * Ask for the timeout after all else and right before poll(): whatever Lua did since may have changed it. */
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "neap.h"

/* The program's own source of events: a line each 20 ms, as if somebody typed. */
static void *type_lines(void *data) {
  int end = *(int *)data;
  for (char key = 'a'; key <= 'c'; key++) {
    usleep(20000);
    if (write(end, &key, 1) != 1) break;
  }
  close(end);
  return NULL;
}

static const char script[] =
    "local neap = require 'neap'\n"
    "local await = neap.await\n"
    "local server = await(neap.start_server(function(stream)\n"
    "  for line in stream:lines() do await(stream:write('you said ', line, '\\n')) end\n"
    "end, '127.0.0.1', 0))\n"
    "local client = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
    "for key in keys:iter() do\n"
    "  await(client:write(key, '\\n'))\n"
    "  print(await(client:read 'l'))\n"
    "end\n"
    "await(neap.sleep(0.02))\n";

/* put(key) or, without a key, shutdown(): of the queue `keys`; protected by neap_post */
static int put(lua_State *L, void *data) {
  char key = (char)(size_t)data;
  if (!L) return 0;
  lua_getglobal(L, "keys");
  lua_getfield(L, -1, key ? "put_nowait" : "shutdown");
  lua_insert(L, -2);
  if (key) lua_pushlstring(L, &key, 1);
  lua_call(L, key ? 2 : 1, 0);
  return 0;
}

static int die(lua_State *L, const char *what) {
  fprintf(stderr, "poll_loop: %s: %s\n", what, luaL_tolstring(L, -1, NULL));
  return EXIT_FAILURE;
}

int main(void) {
  int ends[2];
  pthread_t typist;
  if (pipe(ends) != 0 || pthread_create(&typist, NULL, type_lines, &ends[1]) != 0) return EXIT_FAILURE;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (neap_open(L, NULL) != LUA_OK) return die(L, "open");
  neap_loop *loop = neap_loop_of(L);
  if (luaL_dostring(L, "keys = require 'neap'.Queue()") != LUA_OK) return die(L, "queue");
  if (luaL_loadstring(L, script) != LUA_OK) return die(L, "load");
  if (neap_spawn(L, "main", 0) != LUA_OK) return die(L, "spawn");

  struct pollfd fds[] = {{ends[0], POLLIN, 0}, {neap_backend_fd(L), POLLIN, 0}};
  int status, rounds = 0;
  while ((status = neap_result(L, -1, 0)) == LUA_YIELD) {
    if (poll(fds, 2, neap_timeout(L)) < 0) break;
    rounds++;
    if (fds[0].revents) {
      char key = 0; /* also at the end of the pipe, which is polled no more */
      if (read(ends[0], &key, 1) != 1) fds[0].fd = -1;
      neap_post(loop, put, (void *)(size_t)key);
    }
    neap_turn(L, 0.005);
  }
  if (status != LUA_OK) return die(L, "main");
  printf("few rounds, it does not spin: %s\n", rounds < 100 ? "true" : "false");

  neap_loop_release(loop);
  neap_close(L);
  lua_close(L);
  pthread_join(typist, NULL);
  close(ends[0]);
  return EXIT_SUCCESS;
}

/* $ poll_loop
you said a
you said b
you said c
few rounds, it does not spin: true
*/
