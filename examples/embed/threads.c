/* SPDX-License-Identifier: MIT
 * Three Lua states, each with its loop and in a thread of its own, and two ways in from other threads:
 *
 *   - one more thread reads a sensor and posts what it reads to all states, into a neap.Queue of theirs;
 *   - factor(n) gives a future that a thread completes, which it starts for that.
 *
 * A state is touched by its own thread only. What crosses is C data, made into Lua values over there. */
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "neap.h"

enum { STATES = 3, READINGS = 1000 };

static void die(const char *what, const char *why) {
  fprintf(stderr, "threads: %s: %s\n", what, why);
  exit(EXIT_FAILURE);
}

static void start(pthread_t *thread, void *(*function)(void *), void *data) {
  if (pthread_create(thread, NULL, function, data) != 0) die("thread", "cannot be created");
}

/* ---- factor(n): futures that threads complete ---- */

typedef struct {
  neap_future *future;
  long n, factor;
} Factor;

/* On the loop's thread; L is NULL when nobody wants the result any more. */
static int push_factor(lua_State *L, void *data) {
  long factor = ((Factor *)data)->factor;
  free(data);
  if (!L) return 0;
  lua_pushinteger(L, factor);
  return 1;
}

static void *find_factor(void *data) {
  Factor *it = data;
  for (it->factor = 2; it->n % it->factor != 0; it->factor++)
    if (it->factor % 1024 == 0 && neap_future_cancelled(it->future)) break;
  neap_complete_threadsafe(it->future, push_factor, it); /* the last use of the future */
  return NULL;
}

/* future = factor(n): of its smallest factor */
static int factor(lua_State *L) {
  long n = (long)luaL_checkinteger(L, 1);
  luaL_argcheck(L, n > 1, 1, "greater than 1 expected");
  neap_future *future = neap_future_new(L); /* may raise, so it comes before malloc */
  Factor *it = malloc(sizeof *it);
  if (!it) die("factor", "not enough memory");
  it->future = future;
  it->n = n;
  pthread_t thread;
  start(&thread, find_factor, it);
  pthread_detach(thread);
  return 1;
}

/* ---- the sensor: what a thread posts ---- */

typedef struct {
  pthread_t thread;
  int number;
  neap_loop *loop;
  char result[100];
} State;

static State states[STATES];
static pthread_barrier_t opened; /* all states have their loop and their queue */

/* On the loop's thread, protected: an error goes to the exception handler. */
static int put_reading(lua_State *L, void *data) {
  int value = *(int *)data;
  free(data);
  if (!L) return 0; /* the state was closed meanwhile */
  lua_getglobal(L, "readings");
  lua_getfield(L, -1, value > 0 ? "put_nowait" : "shutdown");
  lua_insert(L, -2);
  if (value > 0) lua_pushinteger(L, value);
  lua_call(L, value > 0 ? 2 : 1, 0);
  return 0;
}

static void *read_sensor(void *data) {
  (void)data;
  pthread_barrier_wait(&opened);
  for (int reading = READINGS; reading >= 0; reading--)
    for (int i = 0; i < STATES; i++) {
      int *value = malloc(sizeof *value);
      if (!value) die("sensor", "not enough memory");
      *value = reading;
      if (!neap_post(states[i].loop, put_reading, value)) free(value); /* the state is closed */
    }
  for (int i = 0; i < STATES; i++) neap_loop_release(states[i].loop); /* while it is held, its loop waits for us */
  return NULL;
}

/* ---- a state ---- */

static const char script[] =
    "local neap = require 'neap'\n"
    "local number, sum = ..., 0\n"
    "local late = neap.create_task(neap.wait_for(factor((1 << 61) - 1), 0.05))\n"
    "for reading in readings:iter() do sum = sum + reading end\n"
    "local found = neap.await(neap.gather(factor(15), factor(1000003 * number), factor(49)))\n"
    "local _, problem = pcall(neap.await, late)\n"
    "return ('state %d: sum %d, factors %d %d %d, %s'):format(number, sum, found[1], found[2], found[3], problem)\n";

static void *run_state(void *data) {
  State *state = data;
  lua_State *L = luaL_newstate();
  if (!L) die("state", "not enough memory");
  luaL_openlibs(L);
  lua_register(L, "factor", factor);
  if (neap_open(L, NULL) != LUA_OK) die("open", lua_tostring(L, -1));
  state->loop = neap_loop_of(L);
  if (luaL_dostring(L, "readings = require 'neap'.Queue()") != LUA_OK) die("queue", lua_tostring(L, -1));
  pthread_barrier_wait(&opened);

  if (luaL_loadstring(L, script) != LUA_OK) die("load", lua_tostring(L, -1));
  lua_pushinteger(L, state->number);
  if (neap_run(L, 1, 1) != LUA_OK) die("run", luaL_tolstring(L, -1, NULL));
  snprintf(state->result, sizeof state->result, "%s", lua_tostring(L, -1));
  neap_close(L);
  lua_close(L);
  return NULL;
}

int main(void) {
  pthread_t sensor;
  if (pthread_barrier_init(&opened, NULL, STATES + 1) != 0) die("barrier", "cannot be made");
  start(&sensor, read_sensor, NULL);
  for (int i = 0; i < STATES; i++) {
    states[i].number = i + 1;
    start(&states[i].thread, run_state, &states[i]);
  }
  for (int i = 0; i < STATES; i++) {
    pthread_join(states[i].thread, NULL);
    printf("%s\n", states[i].result);
  }
  pthread_join(sensor, NULL);
  pthread_barrier_destroy(&opened);
  return EXIT_SUCCESS;
}

/* $ threads
state 1: sum 500500, factors 3 1000003 7, TimeoutError
state 2: sum 500500, factors 3 2 7, TimeoutError
state 3: sum 500500, factors 3 3 7, TimeoutError
*/
