/* SPDX-License-Identifier: MIT
 * Scripts that are not trusted: each in a state of its own, with a choice of functions as its globals (no
 * io, no os, no require), with limited memory, and with limited time:
 *
 *   - one that awaits too long is cancelled: it may clean up, and what it answers counts no more;
 *   - one that spins never gives control back, so neap cannot stop it. The host sets a count hook,
 *     which Lua hands on to every coroutine made later, and raises an error from it.
 *
 * A hook does not run inside C functions: string.find on an evil pattern, or a sort with a slow
 * comparison, lasts as long as it lasts. Where that matters, use a process that can be killed. */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "neap.h"

typedef struct {
  size_t used, limit; /* bytes */
  double deadline;    /* of the script; 0: none */
} Guard;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The allocator of lua_newstate: refusing makes Lua raise "not enough memory". */
static void *allocate(void *data, void *block, size_t before, size_t after) {
  Guard *guard = data;
  if (!block) before = 0; /* then it is the kind of the object */
  if (after > before && guard->used + (after - before) > guard->limit) return NULL;
  void *result = NULL;
  if (after == 0)
    free(block);
  else if (!(result = realloc(block, after)))
    return NULL;
  guard->used += after - before;
  return result;
}

static void on_count(lua_State *L, lua_Debug *frame) {
  void *guard;
  (void)frame;
  lua_getallocf(L, &guard);
  if (((Guard *)guard)->deadline == 0 || now() < ((Guard *)guard)->deadline) return;
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1); /* from here on every instruction fails, also after a pcall */
  luaL_error(L, "the script spins");
}

/* chunk -> chunk, whose globals are these and nothing else */
static void confine(lua_State *L) {
  static const char *const names[] = {"assert", "error", "ipairs", "math",   "next",   "pairs", "pcall",
                                      "print",  "select", "string", "table", "tonumber", "tostring", "type"};
  static const char *const of_neap[] = {"async", "await", "gather", "sleep", "create_task", "wait_for", "Queue", "Lock"};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_getglobal(L, names[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_getglobal(L, "neap");
  for (size_t i = 0; i < sizeof of_neap / sizeof *of_neap; i++) {
    lua_getfield(L, -1, of_neap[i]);
    lua_setfield(L, -3, of_neap[i]);
  }
  lua_pop(L, 1);
  lua_setupvalue(L, -2, 1); /* _ENV */
}

/* script -> task; protected, for whoever makes values may find no memory */
static int start(lua_State *L) {
  const char *script = lua_touserdata(L, 1);
  if (luaL_loadbufferx(L, script, strlen(script), "=script", "t") != LUA_OK) return lua_error(L); /* no bytecode */
  confine(L);
  if (neap_spawn(L, "script", 0) != LUA_OK) return lua_error(L);
  return 1;
}

static void run(const char *script, double seconds) {
  Guard guard = {.limit = 8 << 20};
  lua_State *L = lua_newstate(allocate, &guard);
  if (!L) return;
  luaL_openlibs(L); /* neap itself needs require; the script sees nothing of it */
  if (neap_open(L, NULL) != LUA_OK) {
    printf("open: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return;
  }
  lua_setglobal(L, "neap");
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1000);

  guard.limit = guard.used + (1 << 20);
  double end = now() + seconds;
  guard.deadline = end + 0.1; /* a script that is cancelled has this much time to clean up */
  lua_pushcfunction(L, start);
  lua_pushlightuserdata(L, (void *)(size_t)script);
  int status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK) {
    int task = lua_gettop(L);
    bool late = false;
    while ((status = neap_result(L, task, 1)) == LUA_YIELD && now() < guard.deadline) {
      if (!late && (late = now() > end)) neap_cancel(L, task);
      if (neap_turn(L, 0.01)) continue;
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* or what else the host has to do */
    }
  }
  guard.deadline = 0; /* what follows is the host's, and has as much as it needs */
  guard.limit = (size_t)-1;
  lua_sethook(L, NULL, 0, 0);
  if (status == LUA_YIELD) {
    printf("  it ignores its cancellation\n"); /* and neap_close would wait 10 seconds for it to think again */
  } else {
    printf("  %s: %s\n", status == LUA_OK ? "result" : "ended", luaL_tolstring(L, -1, NULL));
    neap_close(L);
  }
  lua_close(L); /* drops what is left; enough, since the loop is luv's own and goes with the state */
}

int main(void) {
  static const char *const scripts[][2] = {
      {"good", "local two = await(gather(sleep(0.01, 'a'), sleep(0.02, 'b'))) return two[1] .. two[2]"},
      {"curious", "return tostring(io) .. tostring(os) .. tostring(require) .. tostring(debug)"},
      {"greedy", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end"},
      {"slow", "local ok, why = pcall(await, sleep(60)) print('  cleaning up') await(sleep(0)) error(why, 0)"},
      {"stubborn", "while true do pcall(await, sleep(60)) end"},
      {"spinning", "while true do end"},
      {"spinning and catching", "while true do pcall(function() while true do end end) end"},
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    printf("%s\n", scripts[i][0]);
    run(scripts[i][1], 0.4);
  }
  return EXIT_SUCCESS;
}

/* $ sandbox
good
  result: ab
curious
  result: nilnilnilnil
greedy
  ended: not enough memory
slow
  cleaning up
  ended: CancelledError
stubborn
  it ignores its cancellation
spinning
  ended: the script spins
spinning and catching
  ended: the script spins
*/
