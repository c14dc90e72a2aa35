/* SPDX-License-Identifier: MIT
 * Four threads complete a million futures, one in eight of them cancelled by Lua meanwhile, and post
 * as they go. Each push and each post is called exactly once; the sums tell. */
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "neap.h"

enum { THREADS = 4, ROOM = 4096 };

typedef struct {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  neap_future *futures[ROOM];
  lua_Integer values[ROOM];
  int first, count;
  int over;
} Thread;

static Thread threads[THREADS];
static neap_loop *loop;
static long long pushed, pushed_sum, posted;
static atomic_llong released, released_sum;

static int push(lua_State *L, void *data) {
  long long value = (long long)(size_t)data;
  if (L) {
    pushed++;
    pushed_sum += value;
    lua_pushinteger(L, value);
    return 1;
  }
  released++;
  released_sum += value;
  return 0;
}

static int on_post(lua_State *L, void *data) {
  (void)data;
  if (L) posted++;
  return 0;
}

static void *complete(void *data) {
  Thread *it = data;
  for (;;) {
    pthread_mutex_lock(&it->lock);
    while (it->count == 0 && !it->over) pthread_cond_wait(&it->changed, &it->lock);
    if (it->count == 0) break;
    neap_future *future = it->futures[it->first];
    lua_Integer value = it->values[it->first];
    it->first = (it->first + 1) % ROOM;
    it->count--;
    pthread_mutex_unlock(&it->lock);
    if (value % 16 == 0 && !neap_post(loop, on_post, NULL)) abort();
    neap_complete_threadsafe(future, push, (void *)(size_t)value);
  }
  pthread_mutex_unlock(&it->lock);
  return NULL;
}

/* future = later(value) */
static int later(lua_State *L) {
  lua_Integer value = luaL_checkinteger(L, 1);
  Thread *it = &threads[value % THREADS];
  neap_future *future = neap_future_new(L);
  pthread_mutex_lock(&it->lock);
  if (it->count == ROOM) abort(); /* as many as there are tasks, at most */
  int at = (it->first + it->count++) % ROOM;
  it->futures[at] = future;
  it->values[at] = value;
  pthread_cond_signal(&it->changed);
  pthread_mutex_unlock(&it->lock);
  return 1;
}

static const char script[] =
    "local neap, total = require 'neap', ...\n"
    "local next, sum, count, cancelled = 0, 0, 0, 0\n"
    "local function work()\n"
    "  while next < total do\n"
    "    next = next + 1\n"
    "    local value = next\n"
    "    local future = later(value)\n"
    "    if value % 8 == 0 then\n"
    "      if value % 3 == 0 then neap.await(neap.sleep(0)) end\n"
    "      if future:cancel() then cancelled = cancelled + value end\n"
    "    end\n"
    "    local ok, result = pcall(neap.await, future)\n"
    "    if ok then\n"
    "      assert(result == value)\n"
    "      sum, count = sum + value, count + 1\n"
    "    end\n"
    "  end\n"
    "end\n"
    "neap.task_group(function(group) for _ = 1, 1000 do group:create_task(work) end end)\n"
    "return count, sum, cancelled\n";

int main(void) {
  lua_Integer total = getenv("NEAP_SLOW") ? 20000 : 1000000, all = total * (total + 1) / 2;
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  luaL_openlibs(L);
  lua_register(L, "later", later);
  if (neap_open(L, NULL) != LUA_OK) return fprintf(stderr, "open: %s\n", lua_tostring(L, -1)), EXIT_FAILURE;
  loop = neap_loop_of(L);
  for (int i = 0; i < THREADS; i++) {
    pthread_mutex_init(&threads[i].lock, NULL);
    pthread_cond_init(&threads[i].changed, NULL);
    pthread_create(&threads[i].thread, NULL, complete, &threads[i]);
  }
  luaL_loadstring(L, script);
  lua_pushinteger(L, total);
  if (neap_run(L, 1, 3) != LUA_OK) return fprintf(stderr, "run: %s\n", luaL_tolstring(L, -1, NULL)), EXIT_FAILURE;
  lua_Integer count = lua_tointeger(L, -3), sum = lua_tointeger(L, -2), cancelled = lua_tointeger(L, -1);
  for (int i = 0; i < THREADS; i++) {
    pthread_mutex_lock(&threads[i].lock);
    threads[i].over = 1;
    pthread_cond_signal(&threads[i].changed);
    pthread_mutex_unlock(&threads[i].lock);
    pthread_join(threads[i].thread, NULL);
  }
  while (neap_turn(L, 0)) {} /* what the threads sent last */
  neap_turn(L, 0);
  neap_loop_release(loop);
  neap_close(L);
  lua_close(L);
  printf("futures: %s\n", pushed + released == total && pushed_sum + released_sum == all ? "all" : "some are lost");
  printf("results: %s\n", count == pushed && sum == pushed_sum ? "all" : "some are lost");
  printf("cancelled: %s\n", cancelled > 0 && cancelled == released_sum ? "all" : "some are lost");
  printf("posted: %s\n", posted == total / 16 ? "all" : "some are lost");
  return EXIT_SUCCESS;
}

/* $ storm
futures: all
results: all
cancelled: all
posted: all
*/
