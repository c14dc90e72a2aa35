/* SPDX-License-Identifier: MIT */
#include "kernel/host.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "kernel/fail.h"
#include "kernel/loop.h"
#include "kernel/mailbox.h"
#include "kernel/report.h"
#include "kernel/run.h"
#include "kernel/watchdog.h"

/* ---- forks ---- */

static atomic_uint forks; /* between the process that loaded this and this one */
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void on_child(void) { atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed); }
static void watch(void) { pthread_atfork(NULL, NULL, on_child); }

void fork_watch(void) { pthread_once(&watched, watch); }
unsigned fork_count(void) { return atomic_load_explicit(&forks, memory_order_relaxed); }

void fork_check(lua_State *L, const Core *core) {
  if (LIKELY(core->forks == fork_count())) return;
  fail_raise(L, FAIL_RUNTIME, "this process was forked, and shares the loop of its parent: call neap.after_fork() first");
}

/* libuv before 1.46 leaves a wake-up that the parent had not seen pending for ever: no other is sent. */
static void wake_anew(uv_async_t *async) {
  async->pending = 0;
  uv_async_send(async);
}

int host_after_fork(Core *core) {
  if (core->closed || core->forks == fork_count()) return 0;
  int status = uv_loop_fork(core->loop);
  if (status < 0) return status;
  mailbox_forked(core);
  wake_anew(&core->handles->async);
  wake_anew(&core->loop->wq_async); /* work that ended */
  core->handles->lost = core->handles->open - 4;
  core->lost = core->loop->active_reqs.count;
  core->forks = fork_count();
  if (core->wanted > 0) watchdog_once(core); /* the thread is the parent's */
  return 0;
}

/* after_fork(): in the child of a fork, before the loop is used again */
static int f_after_fork(lua_State *L) {
  int status = host_after_fork(core_of(L));
  return status < 0 ? fail_raise_uv(L, status, "after_fork") : 0;
}

const luaL_Reg host_functions[] = {{"after_fork", f_after_fork}, {NULL, NULL}};

/* ---- turning ---- */

/* core, mode: luv may raise in there when it has no memory for the arguments of a callback */
static int call_run(lua_State *L) {
  Core *core = lua_touserdata(L, 1);
  uv_run(core->loop, (uv_run_mode)lua_tointeger(L, 2));
  return 0;
}

static void run_once(lua_State *L, Core *core, uv_run_mode mode) {
  lua_pushcfunction(L, call_run);
  lua_pushlightuserdata(L, core);
  lua_pushinteger(L, mode);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* the callback is lost; the loop goes on */
}

bool host_turn(lua_State *L, Core *core, double seconds) {
  if (core->closed || run_active(core) || core->forks != fork_count() || !lua_checkstack(L, LUA_MINSTACK)) return false;
  uint64_t until = seconds > 0 ? uv_hrtime() + deadline_at(seconds) : 0;
  lua_State *from = core->from;
  core->from = L;
  core->luv->mode = UV_RUN_NOWAIT;
  core->budget = until;
  core_expect(core, 1); /* a loop that waits for nothing polls too: what other threads sent is to be taken */
  do
    run_once(L, core, UV_RUN_NOWAIT);
  while (!core->closed && !list_empty(&core->ready) && uv_hrtime() < until);
  if (core->closed) return false;
  core_expect(core, -1);
  core->budget = 0;
  core->luv->mode = -1;
  core->from = from;
  return !list_empty(&core->ready);
}

/* Are there watchers that libuv has not told the kernel of? It does so when it polls next. A queue links
 * to itself when it is empty, of whichever type libuv's version declares it. */
static bool unpolled(uv_loop_t *loop) {
  void *queue = &loop->watcher_queue;
  return *(void **)queue != queue;
}

int host_timeout(Core *core) {
  if (core->closed || core->forks != fork_count()) return -1;
  if (unpolled(core->loop)) return 0;
  uv_update_time(core->loop);
  if (!uv_loop_alive(core->loop)) return -1; /* libuv says 0: uv_run would return at once */
  return uv_backend_timeout(core->loop);
}

/* ---- closing ---- */

/* upvalue 1: the core */
static int call_end(lua_State *L) { return run_end(L, core_of(L)); }

static int call_close_handles(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "luv");
  lua_call(L, 1, 1);
  lua_getfield(L, 1, "walk");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_call(L, 1, 0);
  return 0;
}

/* luv handle */
static int close_handle(lua_State *L) {
  lua_getfield(L, 1, "is_closing");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  if (lua_toboolean(L, -1)) return 0;
  lua_getfield(L, 1, "close");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

enum { REQUESTS_WAIT = 10 }; /* seconds */

/* luv's requests come back to the state, and have no list. What the host has under way counts too. */
static void finish_requests(lua_State *L, Core *core) {
  uint64_t until = uv_hrtime() + deadline_at(REQUESTS_WAIT);
  while (core->loop->active_reqs.count > core->lost && uv_hrtime() < until) {
    struct timespec moment = {0, 1000000};
    run_once(L, core, UV_RUN_NOWAIT);
    if (core->loop->active_reqs.count > core->lost) nanosleep(&moment, NULL);
  }
}

void host_close(lua_State *L, Core *core, void (*close_io)(lua_State *L, Core *core)) {
  if (core->closed || run_active(core) || !lua_checkstack(L, LUA_MINSTACK)) return;
  int top = lua_gettop(L);
  if (core->forks != fork_count()) {
    host_after_fork(core); /* closing must not change what the parent polls; the tasks are the parent's */
    anchors_purge(L, core);
  } else {
    lua_pushlightuserdata(L, core);
    lua_pushcclosure(L, call_end, 1);
    lua_pcall(L, 0, 0, 0); /* tasks that ignore their cancellation are abandoned: reported below */
    lua_settop(L, top);
  }
  Handles *handles = core->handles;
  handles_hold(handles);
  close_io(L, core);
  lua_pushcfunction(L, close_handle);
  lua_pushcclosure(L, call_close_handles, 1);
  lua_pcall(L, 0, 0, 0);
  lua_settop(L, top);
  loop_close(core);
  core->luv->mode = UV_RUN_DEFAULT;
  run_once(L, core, UV_RUN_NOWAIT);
  while (handles->open > 1 + handles->lost) run_once(L, core, UV_RUN_ONCE);
  finish_requests(L, core);
  core->luv->mode = -1;
  handles_release(handles);
}
