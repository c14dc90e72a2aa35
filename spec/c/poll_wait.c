/* SPDX-License-Identifier: MIT
 * A host that waits in poll() for neap_backend_fd, as long as neap_timeout says, misses nothing: what was
 * made since the last poll is not in the kernel's queue yet (libuv adds it when it polls next), what the
 * host itself did is ready now, what a thread sent may come at any moment. And it does not spin: with
 * nothing to do the timeout is never, and the descriptor is not readable. */
#include <lualib.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "neap.h"

enum { TOO_LONG = 5000 }; /* ms: something was missed */

static void check(int right, const char *what) {
  if (right) return;
  fprintf(stderr, "poll_wait: %s\n", what);
  exit(EXIT_FAILURE);
}

/* Polls and turns until the task at the top is done; pops it. Returns the number of rounds. */
static int finish(lua_State *L, const char *what) {
  struct pollfd fd = {neap_backend_fd(L), POLLIN, 0};
  int status, rounds = 0;
  while ((status = neap_result(L, -1, 0)) == LUA_YIELD) {
    int timeout = neap_timeout(L);
    check(poll(&fd, 1, timeout < 0 ? TOO_LONG : timeout) > 0 || timeout >= 0, what);
    neap_turn(L, 0);
    rounds++;
  }
  check(status == LUA_OK, status == LUA_OK ? what : luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return rounds;
}

static int spawn(lua_State *L, const char *script) {
  check(luaL_loadstring(L, script) == LUA_OK, lua_tostring(L, -1));
  check(neap_spawn(L, NULL, 0) == LUA_OK, lua_tostring(L, -1));
  return lua_gettop(L);
}

static void idle(lua_State *L, const char *what) {
  struct pollfd fd = {neap_backend_fd(L), POLLIN, 0};
  while (neap_turn(L, 0)) {}
  for (int i = 0; i < 3; i++) neap_turn(L, 0); /* closing takes a round */
  check(neap_timeout(L) == -1, what);
  check(poll(&fd, 1, 0) == 0, what);
}

static int releases;
static int release(lua_State *L, void *data) {
  (void)data;
  if (!L) releases++;
  return 0;
}

static neap_future *future;
static int later(lua_State *L) {
  future = neap_future_new(L);
  return 1;
}

static void *complete_late(void *data) {
  (void)data;
  usleep(20000);
  neap_complete_threadsafe(future, release, NULL);
  return NULL;
}

static void *complete(void *data) {
  neap_complete_threadsafe(data, release, NULL);
  return NULL;
}

/* future = threaded(): completed by a thread at about the time that the host goes to poll */
static int threaded(lua_State *L) {
  pthread_t thread;
  neap_future *it = neap_future_new(L);
  check(pthread_create(&thread, NULL, complete, it) == 0, "thread");
  pthread_detach(thread);
  return 1;
}

int main(void) {
  int slow = getenv("NEAP_SLOW") != NULL;
  lua_State *L = luaL_newstate();
  check(L != NULL, "state");
  luaL_openlibs(L);
  check(neap_open(L, NULL) == LUA_OK, lua_tostring(L, -1));
  lua_pop(L, 1);
  lua_register(L, "later", later);
  lua_register(L, "threaded", threaded);
  check(luaL_dostring(L, "neap = require 'neap' await = neap.await") == LUA_OK, lua_tostring(L, -1));
  lua_pushinteger(L, slow ? 30 : 300);
  lua_setglobal(L, "rounds");

  idle(L, "a fresh loop is not idle");

  spawn(L, "await(neap.sleep(0.5))");
  check(neap_timeout(L) == 0, "a task of the host's is not started at once");
  neap_turn(L, 0);
  check(neap_timeout(L) > 20 && neap_timeout(L) <= 502, "the timeout is not that of the next timer");
  check(finish(L, "a timer was missed") < 10, "it spins until a timer");
  idle(L, "not idle after a timer");

  spawn(L, "event = neap.Event() await(event:wait())");
  while (neap_turn(L, 0)) {}
  check(luaL_dostring(L, "event:set()") == LUA_OK, "event");
  check(neap_timeout(L) == 0, "a task that the host woke does not run at once");
  finish(L, "an event was missed");

  spawn(L, "await(later())");
  while (neap_turn(L, 0)) {}
  neap_complete(future, NULL, NULL);
  check(neap_timeout(L) == 0, "a future that the host completed is not seen at once");
  finish(L, "a future was missed");

  spawn(L, "server = await(neap.start_server(function(stream)\n"
           "  await(stream:write(await(stream:read 'l'), '\\n'))\n"
           "end, '127.0.0.1', 0))\n"
           "for round = 1, rounds do\n" /* each makes three watchers during uv_run */
           "  local stream <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
           "  await(stream:write(round, '\\n'))\n"
           "  assert(await(stream:read 'l') == tostring(round))\n"
           "end\n"
           "server:close() await(server:wait_closed()) server = nil");
  finish(L, "a connection was missed");
  idle(L, "not idle after connections");

  spawn(L, "local uv = require 'luv'\n" /* the other end is written before anybody waits, and after */
           "for round = 1, rounds do\n"
           "  local fds = uv.pipe({nonblock = true}, {nonblock = true})\n"
           "  if round % 2 == 0 then neap.call_soon(uv.fs_write, fds.write, 'x') else uv.fs_write(fds.write, 'x') end\n"
           "  assert(await(neap.wait_for(neap.wait_fd(fds.read, 'r'), 100)) == 'r')\n"
           "  uv.fs_close(fds.read) uv.fs_close(fds.write)\n"
           "end");
  finish(L, "a descriptor was missed");

  spawn(L, "for round = 1, rounds do await(threaded()) end");
  finish(L, "a completion of another thread was missed");

  spawn(L, "local uv = require 'luv' for round = 1, rounds do await(neap.uv.fs_stat('/')) end");
  finish(L, "work of the thread pool was missed");
  idle(L, "not idle after work");

  /* Nobody waits for this one, so it does not keep the loop alive; what the thread sends is taken all the same. */
  pthread_t thread;
  spawn(L, "later():cancel()");
  check(finish(L, "a task was missed") < 10, "it spins");
  idle(L, "not idle after a cancelled future");
  struct pollfd fd = {neap_backend_fd(L), POLLIN, 0};
  check(pthread_create(&thread, NULL, complete_late, NULL) == 0, "thread");
  check(poll(&fd, 1, TOO_LONG) == 1, "the completion of a cancelled future does not wake the host");
  pthread_join(thread, NULL);
  idle(L, "the completion of a cancelled future is not taken");
  check(releases >= 1, "the data of a cancelled future was not released");

  neap_close(L);
  check(neap_timeout(L) == -1 && !neap_turn(L, 0), "a closed loop has something to do");
  lua_close(L);
  printf("nothing missed\n");
  return EXIT_SUCCESS;
}

/* $ poll_wait
nothing missed
*/
