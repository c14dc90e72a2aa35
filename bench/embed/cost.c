/* SPDX-License-Identifier: MIT
 * What neap costs a host: opening a state with it, one that idles, a turn that has nothing to do, and frames
 * at 60 Hz with 10,000 live tasks. The states with Lua alone, and with luv, are beside it.
 *
 *   cost states [0 | 1 | 2]            Lua alone, with luv, with neap
 *   cost frames [TASKS [SECONDS]] */
#include <lualib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "neap.h"

static double clock_of(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void) { return clock_of(CLOCK_MONOTONIC); }

static void check(lua_State *L, int status) {
  if (status == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  exit(EXIT_FAILURE);
}

static size_t allocated(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static long resident(void) { /* bytes */
  long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2) exit(EXIT_FAILURE);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static lua_State *open(int what) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (what == 1) check(L, luaL_dostring(L, "require 'luv'"));
  if (what == 2) check(L, neap_open(L, NULL));
  return L;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, by_value);
  return values[n / 2];
}

static void states(int what) {
  enum { N = 200 };
  static const char *const names[] = {"Lua alone", "Lua and luv", "Lua and neap"};
  static lua_State *all[N];
  static double opening[N], closing[N];
  double start = now();
  lua_State *keep = open(what); /* loads what is loaded once a process */
  double first = now() - start;
  size_t before = allocated();
  long rss = resident();
  for (int i = 0; i < N; i++) {
    start = now();
    all[i] = open(what);
    opening[i] = now() - start;
    lua_gc(all[i], LUA_GCCOLLECT);
  }
  printf("%-12s %7zu bytes allocated, %7ld resident", names[what], (allocated() - before) / N, (resident() - rss) / N);
  for (int i = 0; i < N; i++) {
    start = now();
    if (what == 2) neap_close(all[i]);
    lua_close(all[i]);
    closing[i] = now() - start;
  }
  printf("; opened in %.0f us (the first in %.0f), closed in %.0f\n", median(opening, N) * 1e6, first * 1e6,
         median(closing, N) * 1e6);
  if (what == 2) {
    start = now();
    for (int i = 0; i < 1000000; i++) neap_turn(keep, 0);
    printf("a turn with nothing to do: %.0f ns\n", (now() - start) * 1e3);
  }
  lua_close(keep);
}

static void frames(int tasks, double seconds) {
  static double turns[100000];
  lua_State *L = open(2);
  check(L, luaL_loadstring(L, "local neap, tasks = require 'neap', ...\n"
                              "local await, sleep = neap.await, neap.sleep\n"
                              "woken = 0\n"
                              "local live = neap.async(function(id)\n"
                              "  while true do await(sleep(0.05 + id % 100 / 250)) woken = woken + 1 end\n"
                              "end)\n"
                              "for id = 1, tasks do neap.create_task(live(id)) if id % 200 == 0 then await(sleep(0)) end end\n"));
  lua_pushinteger(L, tasks);
  check(L, neap_spawn(L, "main", 1));
  while (neap_result(L, -1, 0) == LUA_YIELD) neap_turn(L, 0.004);
  int n = 0, full = 0;
  double sum = 0, worst_cpu = 0, begin = now(), next = begin;
  lua_pushinteger(L, 0);
  lua_setglobal(L, "woken");
  while (next < begin + seconds && n < 100000) {
    double start = now(), cpu = clock_of(CLOCK_THREAD_CPUTIME_ID);
    full += neap_turn(L, 0.004);
    sum += turns[n++] = now() - start;
    cpu = clock_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    if (cpu > worst_cpu) worst_cpu = cpu;
    next += 1.0 / 60;
    if (next > now()) usleep((useconds_t)((next - now()) * 1e6));
  }
  lua_getglobal(L, "woken");
  double woken = lua_tonumber(L, -1), middle = median(turns, n);
  printf("%d tasks, %d frames, %.0f tasks woken a frame: a turn takes %.3f ms (median %.3f), 99 %% below %.3f, worst %.3f (%.3f of CPU); "
         "%.2f us a task; %d turns ended by their slice of 4 ms\n",
         tasks, n, woken / n, sum / n * 1e3, middle * 1e3, turns[n * 99 / 100] * 1e3, turns[n - 1] * 1e3, worst_cpu * 1e3, sum / woken * 1e6, full);
  lua_close(L);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "frames") == 0)
    frames(argc > 2 ? atoi(argv[2]) : 10000, argc > 3 ? atof(argv[3]) : 30);
  else
    states(argc > 2 ? atoi(argv[2]) : 2);
  return EXIT_SUCCESS;
}
