/* SPDX-License-Identifier: MIT
 * Hosts that close a state while C functions of theirs are in the middle of something: each must come to its end. */
#include <pthread.h>
#include <sys/wait.h>

#include "host.h"

static int held, wrong; /* blocks that only hold() can free; finalizers that came before its end */

static int box_gc(lua_State *L) {
  wrong += *(bool *)lua_touserdata(L, 1);
  return 0;
}

/* hold(fn): the block is the C function's own while fn runs; the box is Lua's, with a finalizer */
static int f_hold(lua_State *L) {
  bool *busy = lua_newuserdatauv(L, sizeof *busy, 0);
  lua_newtable(L);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_insert(L, 1);
  char *block = malloc(100);
  held++;
  *busy = true;
  block[0] = 'x';
  int status = lua_pcall(L, 0, 0, 0);
  *busy = block[0] != 'x';
  free(block);
  held--;
  return status == LUA_OK ? 0 : lua_error(L);
}

/* Tasks within hold(), in the middle of an await of some kind, one in a coroutine of its own. */
static const char tasks[] =
    "local function park(fn) neap.create_task(function() "
    "  local c <close> = setmetatable({}, {__close = function() count() end}) "
    "  hold(fn) end) end "
    "park(function() await(neap.sleep(100)) end) "
    "park(function() await(neap.Future()) end) "
    "park(function() for _ = 1, 5 do pcall(await, neap.Queue():get()) end end) "
    "park(coroutine.wrap(function() hold(function() await(neap.sleep(100)) end) end)) "
    "park(function() local group <close> = neap.TaskGroup() group:create_task(neap.sleep(100)) end) ";

enum { TASKS = 5, HELD = 6 };

static int closed; /* tasks that ran their <close> */

static int f_count(lua_State *L) {
  (void)L;
  closed++;
  return 0;
}

static lua_State *open_parked(uv_loop_t *loop) {
  uv_loop_init(loop);
  lua_State *L = state_open(loop);
  held = closed = wrong = 0;
  lua_register(L, "hold", f_hold);
  lua_register(L, "count", f_count);
  load(L, tasks);
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  for (int i = 0; i < 4; i++) neap_turn(L, 0);
  expect(held == HELD && closed == 0);
  return L;
}

static void sum_up(bool unwound) {
  expect(closed == (unwound ? TASKS : 0));
  expect(held == (unwound ? 0 : HELD) && wrong == (unwound ? 0 : HELD));
}

/* With the collector's usual mode, and with the one that keeps other lists of what has a finalizer. */
static void parked_lua_close(void) {
  for (int generational = 0; generational < 2; generational++) {
    uv_loop_t loop;
    lua_State *L = open_parked(&loop);
    if (generational) lua_gc(L, LUA_GCGEN, 0, 0);
    for (int i = 0; i < 3; i++) {
      lua_gc(L, LUA_GCSTEP, 0);
      load(L, tasks);
      expect_ok(L, lua_pcall(L, 0, 0, 0));
      neap_turn(L, 0);
    }
    lua_close(L);
    expect(held == 0 && wrong == 0 && closed == 4 * TASKS);
    loop_end(&loop);
  }
}

static void *close_here(void *L) {
  lua_close(L);
  return NULL;
}

static void parked_thread(void) {
  uv_loop_t loop;
  lua_State *L = open_parked(&loop);
  pthread_t thread;
  expect(pthread_create(&thread, NULL, close_here, L) == 0 && pthread_join(thread, NULL) == 0);
  sum_up(true);
  loop_end(&loop);
}

static void parked_neap_close(void) {
  uv_loop_t loop;
  lua_State *L = open_parked(&loop);
  load(L, "for _, task in ipairs(neap.all_tasks()) do task:cancel(nil, {grace = 0}) end"); /* or it takes 10 seconds */
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_close(L);
  sum_up(true);
  lua_close(L);
  loop_end(&loop);
}

static int allowed; /* so many allocations succeed */

static void *scarce(void *ud, void *block, size_t old, size_t size) {
  (void)ud;
  if (size == 0) return free(block), NULL;
  return (!block || size > old) && --allowed < 0 ? NULL : realloc(block, size);
}

/* Memory ends sooner or later. Every error is another one then, but all come to their end. */
static void parked_no_memory(void) {
  int errors = dup(STDERR_FILENO);
  for (int n = 0, enough = 0; !enough; n += 1 + n / 4) {
    uv_loop_t loop;
    lua_State *L = open_parked(&loop);
    expect(freopen("/dev/null", "w", stderr) != NULL);
    allowed = n;
    lua_setallocf(L, scarce, NULL);
    lua_close(L);
    enough = allowed >= 0;
    dup2(errors, STDERR_FILENO);
    expect(held == 0 && wrong == 0);
    loop_end(&loop);
  }
  close(errors);
}

/* The tasks are the parent's, until the child says that they are its own too. */
static void parked_fork(void) {
  for (int mended = 0; mended < 2; mended++) {
    uv_loop_t loop;
    lua_State *L = open_parked(&loop);
    pid_t pid = fork();
    if (pid == 0) {
      if (mended) expect(neap_after_fork(L) == 0);
      lua_close(L);
      sum_up(mended);
      _exit(0);
    }
    int status;
    expect(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lua_close(L);
    sum_up(true);
    loop_end(&loop);
  }
}

const Scenario parked_scenarios[] = {
    {"parked_lua_close", parked_lua_close}, {"parked_thread", parked_thread}, {"parked_neap_close", parked_neap_close},
    {"parked_no_memory", parked_no_memory}, {"parked_fork", parked_fork},
    {NULL, NULL},
};
