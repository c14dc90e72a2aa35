/* SPDX-License-Identifier: MIT
 * Opens and closes a thousand states, on luv's loop and on the host's, each leaving behind all kinds of
 * unfinished business. Memory is as it was after the first hundred, descriptors are as they were, and
 * a loop of the host's can be closed. -v: tells how much memory. */
#include <dirent.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "neap.h"

static const char script[] =
    "local neap, uv = require 'neap', require 'luv'\n"
    "local await = neap.await\n"
    "neap.create_task(function() while true do await(neap.sleep(100)) end end)\n"
    "neap.create_task(function() await(later()) end)\n"
    "local server = await(neap.start_server(function(stream) await(stream:read 'l') end, '127.0.0.1', 0))\n"
    "local stream = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
    "neap.create_task(function() await(stream:read(1)) end)\n"
    "keep = {server, stream, uv.new_timer(), uv.new_pipe()}\n"
    "keep[3]:start(100000, 0, print)\n"
    "work(); await(work())\n"
    "return await(neap.gather(neap.sleep(0, 'a'), done()))[1]\n";

static int releases;

static int push(lua_State *L, void *data) {
  (void)data;
  if (!L) releases++;
  return 0;
}

/* future = later(): completed after the state was closed */
static neap_future *open_futures[1024];
static int opened;
static int later(lua_State *L) {
  open_futures[opened] = neap_future_new(L);
  opened++;
  return 1;
}

/* future = done() */
static int done(lua_State *L) {
  neap_complete(neap_future_new(L), push, NULL);
  return 1;
}

static void nothing(void *data) { (void)data; }

/* future = work() */
static int work(lua_State *L) {
  neap_work(L, nothing, push, NULL);
  return 1;
}

static void on_timer(uv_timer_t *timer) { (void)timer; }

static void die(const char *what) {
  fprintf(stderr, "reopen: %s\n", what);
  exit(EXIT_FAILURE);
}

/* The host's timer has data, as other libraries' handles may; on a loop of its own that does no harm. */
static void once(int own, int run) {
  uv_loop_t loop;
  uv_timer_t timer;
  static int number;
  if (own && uv_loop_init(&loop) != 0) die("uv_loop_init");
  if (own) uv_timer_init(&loop, &timer), uv_timer_start(&timer, on_timer, 1000000, 0);
  number = (number + 1) % 50;
  timer.data = &number; /* a number that is some reference in the registry */
  lua_State *L = luaL_newstate();
  if (!L) die("no state");
  luaL_openlibs(L);
  if (neap_open(L, own ? &loop : NULL) != LUA_OK) die(lua_tostring(L, -1));
  lua_register(L, "later", later);
  lua_register(L, "done", done);
  lua_register(L, "work", work);
  neap_loop *handle = neap_loop_of(L);
  if (luaL_loadstring(L, script) != LUA_OK) die(lua_tostring(L, -1));
  if (run) {
    if (neap_run(L, 0, 1) != LUA_OK) die(luaL_tolstring(L, -1, NULL));
  } else { /* closed in the middle of it */
    if (neap_spawn(L, "main", 0) != LUA_OK) die(lua_tostring(L, -1));
    neap_turn(L, 0);
    neap_turn(L, 0);
  }
  neap_post(handle, push, NULL);
  neap_close(L);
  if (neap_post(handle, push, NULL)) die("a closed state took a post");
  neap_loop_release(handle);
  if (own && uv_is_closing((uv_handle_t *)&timer)) die("a handle of the host was closed");
  lua_close(L);
  while (opened > 0) {
    neap_future *future = open_futures[--opened];
    if (!neap_future_cancelled(future)) die("the future of a closed state is not cancelled");
    int before = releases;
    neap_complete_threadsafe(future, push, NULL);
    if (releases != before + 1) die("the data of a future was not released");
  }
  if (!own) return;
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&loop, UV_RUN_NOWAIT);
  if (uv_loop_close(&loop) != 0) die("uv_loop_close");
}

static long resident(void) { /* KiB */
  long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2) die("statm");
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int descriptors(void) {
  int count = 0;
  DIR *all = opendir("/proc/self/fd");
  if (!all) die("/proc/self/fd");
  while (readdir(all)) count++;
  closedir(all);
  return count;
}

int main(int argc, char **argv) {
  int verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
  int slow = getenv("NEAP_SLOW") != NULL, first = slow ? 10 : 100, all = slow ? 60 : 1000;
  for (int own = 0; own < 2; own++) {
    long before = 0;
    int open = 0;
    for (int i = 0; i < all; i++) {
      if (i == first) before = resident(), open = descriptors();
      once(own, i % 4 != 0);
    }
    long growth = resident() - before;
    if (descriptors() != open) die("descriptors are left open");
    if (!slow && growth > 1024) fprintf(stderr, "%ld KiB more\n", growth), die("memory grows");
    if (verbose) fprintf(stderr, "%ld KiB after %d states, %ld more after %d\n", before, first, growth, all);
    printf("%s loop: nothing is left\n", own ? "own" : "luv's");
  }
  return EXIT_SUCCESS;
}

/* $ reopen
luv's loop: nothing is left
own loop: nothing is left
*/
