/* SPDX-License-Identifier: MIT
 * A frame loop: a game or a sensor server that draws 60 times a second and gives Lua a slice of each
 * frame, here at most 4 of its 16.7 milliseconds. Lua's tasks, thousands of them, and its sockets live
 * in these slices; the loop itself never waits for Lua.
 *
 * A single step of a task is not interrupted, and neither is a step of the collector. So tasks that
 * have much to do pause in between, and the collector works in what is left of a frame, where its
 * pauses make nothing late.
 *
 *   frame_loop [-n TASKS] [-f FRAMES] [-v]     -v: figures, which differ from run to run */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "neap.h"

static const double FRAME = 1.0 / 60, SLICE = 0.004;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when) {
  double seconds = when - now();
  if (seconds <= 0) return;
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

/* Every sensor is a task, and so is everyone who asks the server about them. */
static const char script[] =
    "local neap = require 'neap'\n"
    "local await, count = neap.await, ...\n"
    "local seen, known = {}, 0\n"
    "readings = 0\n"
    "local sensor = neap.async(function(id)\n"
    "  while true do\n"
    "    await(neap.sleep(0.05 + id % 100 / 250))\n" /* each 50 to 450 ms */
    "    readings = readings + 1\n"
    "    if not seen[id] then seen[id], known = true, known + 1 end\n"
    "  end\n"
    "end)\n"
    "for id = 1, count do\n"
    "  neap.create_task(sensor(id))\n"
    "  if id % 200 == 0 then await(neap.sleep(0)) end\n" /* not all of them in one step */
    "end\n"
    "local server = await(neap.start_server(function(stream)\n"
    "  for line in stream:lines() do await(stream:write(known, ' of ', count, ' ', line, '\\n')) end\n"
    "end, '127.0.0.1', 0))\n"
    "local client = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
    "local answer\n"
    "repeat\n"
    "  await(neap.sleep(0.1))\n"
    "  await(client:write 'sensors have been read\\n')\n"
    "  answer = await(client:read 'l')\n"
    "until answer:find('^' .. count)\n"
    "return answer\n";

typedef struct {
  double turns, worst_turn, steps, worst_step; /* seconds */
  int frames, full, late;
} Figures;

static void add(double *sum, double *worst, double seconds) {
  *sum += seconds;
  if (seconds > *worst) *worst = seconds;
}

/* Collects when memory has doubled, until `end` at the latest; the next frame goes on. */
static void collect(lua_State *L, double end, Figures *figures) {
  static int limit = 1024; /* KiB */
  while (now() < end && lua_gc(L, LUA_GCCOUNT) > limit) {
    double before = now();
    if (lua_gc(L, LUA_GCSTEP, 0)) limit = 1024 + lua_gc(L, LUA_GCCOUNT) * 2; /* a cycle is complete */
    add(&figures->steps, &figures->worst_step, now() - before);
  }
}

static void frame(lua_State *L, double start, Figures *figures) {
  double before = now();
  if (neap_turn(L, SLICE)) figures->full++; /* something is ready still: the next frame goes on */
  add(&figures->turns, &figures->worst_turn, now() - before);

  /* ... here the world is moved and drawn ... */

  collect(L, start + FRAME / 2, figures);
  figures->frames++;
  if (now() > start + FRAME) figures->late++;
}

static int die(lua_State *L, const char *what) {
  fprintf(stderr, "frame_loop: %s: %s\n", what, luaL_tolstring(L, -1, NULL));
  return EXIT_FAILURE;
}

int main(int argc, char **argv) {
  int tasks = 10000, least = 120, verbose = 0;
  for (int option; (option = getopt(argc, argv, "n:f:v")) != -1;)
    switch (option) {
    case 'n': tasks = atoi(optarg); break;
    case 'f': least = atoi(optarg); break;
    case 'v': verbose = 1; break;
    default: return EXIT_FAILURE;
    }
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (neap_open(L, NULL) != LUA_OK) return die(L, "open");
  if (luaL_loadstring(L, script) != LUA_OK) return die(L, "load");
  lua_pushinteger(L, tasks);
  if (neap_spawn(L, "main", 1) != LUA_OK) return die(L, "spawn");
  lua_gc(L, LUA_GCSTOP);

  Figures figures = {0};
  int status = LUA_YIELD;
  double start = now();
  while (status == LUA_YIELD || figures.frames < least) {
    frame(L, start, &figures);
    sleep_until(start += FRAME);
    if (now() > start + FRAME) start = now(); /* late by a whole frame: do not catch up */
    if (status == LUA_YIELD) status = neap_result(L, -1, 1);
  }
  if (status != LUA_OK) return die(L, "main");
  printf("%s\n", lua_tostring(L, -1));
  if (verbose) {
    double frames = figures.frames;
    lua_getglobal(L, "readings");
    printf("%d tasks, %d frames, %.0f readings a frame\n", tasks, figures.frames, lua_tonumber(L, -1) / frames);
    printf("turn: %.3f ms, worst %.3f ms; %d ended by the slice\n", figures.turns / frames * 1e3,
           figures.worst_turn * 1e3, figures.full);
    printf("collector: %.3f ms, worst step %.3f ms\n", figures.steps / frames * 1e3, figures.worst_step * 1e3);
    printf("late frames: %d\n", figures.late);
  }
  neap_close(L);
  lua_close(L);
  return EXIT_SUCCESS;
}

/* $ frame_loop -n 10000 -f 60
10000 of 10000 sensors have been read
*/
