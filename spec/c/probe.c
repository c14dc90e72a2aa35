/* SPDX-License-Identifier: MIT
 * A C module for the specs: each function of neap.h, for Lua to call. This file has futures, posts, work
 * and threads; probe_task.c what parks, probe_filter.c filters. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int luaopen_spec_probe(lua_State *L);

struct Counters counters;

/* ---- data ---- */

enum { NONE, VALUES, RAISE, MEMORY, CALL };

struct Data {
  int kind;
  lua_Integer n;
  int ref; /* of the error or the function */
};

Data *data_check(lua_State *L, int arg) {
  static const char *const names[] = {"none", "values", "raise", "memory", "call", NULL};
  int kind = luaL_checkoption(L, arg, "none", names);
  lua_Integer n = kind == VALUES ? luaL_checkinteger(L, arg + 1) : 0;
  int ref = LUA_NOREF;
  if (kind == RAISE || kind == CALL) {
    luaL_checkany(L, arg + 1);
    lua_pushvalue(L, arg + 1);
    ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  Data *data = malloc(sizeof *data);
  if (!data) luaL_error(L, "not enough memory");
  *data = (Data){kind, n, ref};
  counters.made++;
  return data;
}

int data_push(lua_State *L, void *arg) {
  Data data = *(Data *)arg;
  free(arg);
  if (!L) {
    counters.dropped++;
    return 0;
  }
  counters.pushed++;
  int top = lua_gettop(L);
  switch (data.kind) {
    case VALUES:
      luaL_checkstack(L, (int)data.n, "too many values");
      for (lua_Integer i = 1; i <= data.n; i++) lua_pushinteger(L, i);
      return (int)data.n;
    case MEMORY: lua_newuserdatauv(L, (size_t)1 << 46, 0); return 1;
    case RAISE:
    case CALL:
      lua_rawgeti(L, LUA_REGISTRYINDEX, data.ref);
      luaL_unref(L, LUA_REGISTRYINDEX, data.ref);
      if (data.kind == RAISE) return lua_error(L);
      lua_call(L, 0, LUA_MULTRET);
      return lua_gettop(L) - top;
    default: return 0;
  }
}

/* ---- threads: each does one thing after a while, all are joined ---- */

typedef struct {
  pthread_t thread;
  int ms;
  neap_future *future; /* or */
  neap_loop *loop;
  lua_Integer times;
  Data **data; /* block */
} Thread;

enum { THREADS = 64 };
static Thread *threads[THREADS];
static int thread_count;

static void *thread_main(void *arg) {
  Thread *it = arg;
  if (it->ms) usleep((useconds_t)it->ms * 1000);
  if (it->future) {
    neap_complete_threadsafe(it->future, data_push, it->data[0]);
  } else {
    for (lua_Integer i = 0; i < it->times; i++)
      if (!neap_post(it->loop, data_push, it->data[i])) data_push(NULL, it->data[i]);
    neap_loop_release(it->loop);
  }
  return NULL;
}

static void thread_start(lua_State *L, Thread thread) {
  if (thread_count == THREADS) luaL_error(L, "too many threads: join them");
  Thread *it = malloc(sizeof *it);
  if (!it) luaL_error(L, "not enough memory");
  *it = thread;
  threads[thread_count++] = it;
  if (pthread_create(&it->thread, NULL, thread_main, it) != 0) abort();
}

/* join() */
static int f_join(lua_State *L) {
  (void)L;
  while (thread_count > 0) {
    Thread *it = threads[--thread_count];
    pthread_join(it->thread, NULL);
    free(it->data);
    free(it);
  }
  return 0;
}

static Data **data_list(lua_State *L, int arg, lua_Integer times) {
  Data **list = calloc((size_t)times, sizeof *list);
  if (!list) luaL_error(L, "not enough memory");
  for (lua_Integer i = 0; i < times; i++) list[i] = data_check(L, arg);
  return list;
}

/* ---- futures ---- */

/* future, side = future() */
static int f_future(lua_State *L) {
  neap_future *side = neap_future_new(L);
  lua_pushlightuserdata(L, side);
  return 2;
}

static neap_future *check_side(lua_State *L) {
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  return lua_touserdata(L, 1);
}

/* complete(side, kind, arg) */
static int f_complete(lua_State *L) {
  neap_future *side = check_side(L);
  neap_complete(side, data_push, data_check(L, 2));
  return 0;
}

/* complete_plain(side): with no push */
static int f_complete_plain(lua_State *L) {
  neap_complete(check_side(L), NULL, NULL);
  return 0;
}

/* complete_thread(side, ms, kind, arg) */
static int f_complete_thread(lua_State *L) {
  neap_future *side = check_side(L);
  int ms = (int)luaL_checkinteger(L, 2);
  thread_start(L, (Thread){.ms = ms, .future = side, .data = data_list(L, 3, 1)});
  return 0;
}

static void on_cancel(void *data) {
  (void)data;
  counters.cancels++;
}

/* on_cancel(side): counted */
static int f_on_cancel(lua_State *L) {
  neap_future_on_cancel(check_side(L), on_cancel, NULL);
  return 0;
}

/* cancelled = is_cancelled(side) */
static int f_is_cancelled(lua_State *L) {
  lua_pushboolean(L, neap_future_cancelled(check_side(L)));
  return 1;
}

/* ---- posts ---- */

/* loop = loop() */
static int f_loop(lua_State *L) {
  lua_pushlightuserdata(L, neap_loop_of(L));
  return 1;
}

/* release(loop) */
static int f_release(lua_State *L) {
  neap_loop_release(lua_touserdata(L, 1));
  return 0;
}

/* posted = post(loop, kind, arg) */
static int f_post(lua_State *L) {
  Data *data = data_check(L, 2);
  bool posted = neap_post(lua_touserdata(L, 1), data_push, data);
  if (!posted) data_push(NULL, data);
  lua_pushboolean(L, posted);
  return 1;
}

/* post_thread(loop, ms, times, kind, arg): posts, then releases the loop */
static int f_post_thread(lua_State *L) {
  int ms = (int)luaL_checkinteger(L, 2);
  lua_Integer times = luaL_checkinteger(L, 3);
  thread_start(L, (Thread){.ms = ms, .loop = lua_touserdata(L, 1), .times = times, .data = data_list(L, 4, times)});
  return 0;
}

/* ---- work ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_shut;
static int gate_waiting;

static void work(void *data) {
  (void)data;
  pthread_mutex_lock(&gate_lock);
  gate_waiting++;
  pthread_cond_broadcast(&gate_moved);
  while (gate_shut) pthread_cond_wait(&gate_moved, &gate_lock);
  gate_waiting--;
  pthread_mutex_unlock(&gate_lock);
  counters.worked++;
}

/* gate(shut): work waits while it is shut */
static int f_gate(lua_State *L) {
  pthread_mutex_lock(&gate_lock);
  gate_shut = lua_toboolean(L, 1);
  pthread_cond_broadcast(&gate_moved);
  pthread_mutex_unlock(&gate_lock);
  return 0;
}

/* gate_wait(n): until n wait at the gate */
static int f_gate_wait(lua_State *L) {
  int n = (int)luaL_checkinteger(L, 1);
  pthread_mutex_lock(&gate_lock);
  while (gate_waiting < n) pthread_cond_wait(&gate_moved, &gate_lock);
  pthread_mutex_unlock(&gate_lock);
  return 0;
}

static int call_work(lua_State *L) {
  neap_work(L, work, data_push, lua_touserdata(L, 1));
  return 1;
}

/* future = work(kind, arg) */
static int f_work(lua_State *L) {
  Data *data = data_check(L, 1);
  lua_pushcfunction(L, call_work);
  lua_pushlightuserdata(L, data);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return 1;
  data_push(NULL, data); /* still ours */
  return lua_error(L);
}

/* ---- host functions, called from Lua ---- */

/* status, task or error = spawn(name, fn, ...) */
static int f_spawn(lua_State *L) {
  int status = neap_spawn(L, lua_tostring(L, 1), lua_gettop(L) - 2);
  lua_pushinteger(L, status);
  lua_insert(L, -2);
  return 2;
}

/* accepted = cancel(future) */
static int f_cancel(lua_State *L) {
  lua_pushboolean(L, neap_cancel(L, 1));
  return 1;
}

/* status, ... = result(future, n) */
static int f_result(lua_State *L) {
  int n = (int)luaL_optinteger(L, 2, LUA_MULTRET);
  lua_settop(L, 1);
  lua_pushinteger(L, neap_result(L, 1, n));
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* more = turn(seconds) */
static int f_turn(lua_State *L) {
  lua_pushboolean(L, neap_turn(L, luaL_optnumber(L, 1, 0)));
  return 1;
}

/* status, error = run(fn, ...) */
static int f_run(lua_State *L) {
  lua_pushinteger(L, neap_run(L, lua_gettop(L) - 1, 1));
  lua_insert(L, -2);
  return 2;
}

/* close() */
static int f_close(lua_State *L) {
  neap_close(L);
  return 0;
}

/* abi, complete = table(): is every entry there? */
static int f_table(lua_State *L) {
  const neap_api *api = neap_api_of(L);
  lua_pushinteger(L, api->abi);
  bool complete = api->size == sizeof *api;
  for (size_t at = offsetof(neap_api, uv_loop); at < sizeof *api; at += sizeof(void (*)(void))) {
    void (*entry)(void);
    memcpy(&entry, (const char *)api + at, sizeof entry);
    complete = complete && entry;
  }
  lua_pushboolean(L, complete);
  return 2;
}

/* n = count(name) */
static int f_count(lua_State *L) {
  static const char *const names[] = {"made",   "pushed", "dropped",  "cancels",   "worked",
                                      "aborts", "ended",  "finished", "destroyed", "over", "over_status", "forgiven", NULL};
  lua_pushinteger(L, ((atomic_int *)&counters)[luaL_checkoption(L, 1, NULL, names)]);
  return 1;
}

static const luaL_Reg functions[] = {
    {"join", f_join},
    {"future", f_future},
    {"complete", f_complete},
    {"complete_plain", f_complete_plain},
    {"complete_thread", f_complete_thread},
    {"on_cancel", f_on_cancel},
    {"is_cancelled", f_is_cancelled},
    {"loop", f_loop},
    {"release", f_release},
    {"post", f_post},
    {"post_thread", f_post_thread},
    {"gate", f_gate},
    {"gate_wait", f_gate_wait},
    {"work", f_work},
    {"spawn", f_spawn},
    {"cancel", f_cancel},
    {"result", f_result},
    {"turn", f_turn},
    {"run", f_run},
    {"close", f_close},
    {"table", f_table},
    {"count", f_count},
    {NULL, NULL},
};

int luaopen_spec_probe(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  luaL_setfuncs(L, probe_task_functions, 0);
  luaL_setfuncs(L, probe_filter_functions, 0);
  luaL_setfuncs(L, probe_pty_functions, 0);
  return 1;
}
