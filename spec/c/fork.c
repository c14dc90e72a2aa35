/* SPDX-License-Identifier: MIT
 * A host forks in the middle of it. The child is refused until it has called neap_after_fork, then goes on with the
 * same tasks, and with threads of its own; the parent notices nothing. */
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "neap.h"

static void check(int right, const char *what) {
  if (right) return;
  fprintf(stderr, "fork: %s\n", what);
  _exit(EXIT_FAILURE);
}

static int push(lua_State *L, void *data) {
  (void)data;
  if (!L) return 0;
  lua_pushliteral(L, "from a thread");
  return 1;
}

static void *complete(void *data) {
  neap_complete_threadsafe(data, push, NULL);
  return NULL;
}

/* future = threaded() */
static int threaded(lua_State *L) {
  pthread_t thread;
  neap_future *future = neap_future_new(L);
  check(pthread_create(&thread, NULL, complete, future) == 0, "no thread");
  pthread_detach(thread);
  return 1;
}

/* Finishes the task at the top and tells what it returns. */
static void finish(lua_State *L, const char *who) {
  int status, rounds = 0;
  for (; (status = neap_result(L, -1, 1)) == LUA_YIELD && rounds < 5000; rounds++) {
    neap_turn(L, 0.001);
    usleep(1000);
  }
  check(status != LUA_YIELD, "it does not end");
  printf("%s: %s\n", who, luaL_tolstring(L, -1, NULL));
  fflush(stdout);
}

int main(void) {
  lua_State *L = luaL_newstate();
  check(L != NULL, "no state");
  luaL_openlibs(L);
  lua_register(L, "threaded", threaded);
  check(neap_open(L, NULL) == LUA_OK, "open");
  check(luaL_loadstring(L, "local neap = require 'neap'\n"
                           "local await = neap.await\n"
                           "await(neap.sleep(0.05))\n"
                           "local server <close> = await(neap.start_server(function(stream)\n"
                           "  await(stream:write(await(stream:read 'l'), '\\n'))\n"
                           "end, '127.0.0.1', 0))\n"
                           "local stream <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
                           "await(stream:write 'through a socket\\n')\n"
                           "return await(stream:read 'l') .. ', ' .. await(threaded())") == LUA_OK, "load");
  check(neap_spawn(L, "main", 0) == LUA_OK, "spawn");
  neap_turn(L, 0);

  pid_t child = fork();
  if (child == 0) {
    check(!neap_turn(L, 0), "a forked loop turns");
    lua_getglobal(L, "print");
    check(neap_run(L, 0, 0) != LUA_OK, "a forked loop runs");
    printf("%s\n", luaL_tolstring(L, -1, NULL));
    lua_pop(L, 2);
    check(neap_after_fork(L) == 0, "after_fork");
    check(neap_after_fork(L) == 0, "after_fork again");
    finish(L, "child");
  }
  int status = 0;
  if (child > 0) {
    check(waitpid(child, &status, 0) == child && status == 0, "the child failed");
    finish(L, "parent");
  }
  neap_close(L);
  lua_close(L);
  return child < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* $ fork
RuntimeError: this process was forked, and shares the loop of its parent: call neap.after_fork() first
child: through a socket, from a thread
parent: through a socket, from a thread
*/
