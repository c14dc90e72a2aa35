/* SPDX-License-Identifier: MIT
 * Tasks that wait for descriptors. */
#include "io/poll.h"
#include "kernel/await.h"
#include "kernel/fail.h"
#include "kernel/op.h"
#include "neap.h"

typedef struct { /* userdata at the top of the parked task's stack */
  PollWaiter waiter;
  Task *task; /* borrowed */
  Core *core; /* borrowed */
  Poll *poll; /* borrowed while linked */
  int ready;
  int status; /* of a descriptor that cannot be watched any more */
  lua_KFunction k;
  lua_KContext context;
} FdWait;

static void fd_happened(Core *core, PollWaiter *waiter, int ready, int status) {
  FdWait *wait = container_of(waiter, FdWait, waiter);
  wait->ready = ready;
  wait->status = status;
  if (wait_pending(wait->task)) wait_post(core, wait->task);
}

static bool abort_fd_wait(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_abort(core, task, L, message)) return false;
  FdWait *wait = task->wait.u.on;
  list_remove(&wait->waiter.link);
  poll_update(wait->poll);
  return true;
}

static int k_fd_wait(lua_State *L, int status, lua_KContext context) {
  FdWait wait = *(FdWait *)context;
  Core *core = wait.core;
  WAIT_MINE(L, core, k_fd_wait, context);
  lua_pop(L, 1);
  bool cancelled = wait_cancelled(core->current);
  if (!cancelled && wait.status < 0) return fail_raise_uv(L, wait.status, "wait_fd");
  if (cancelled)
    lua_pushnil(L);
  else
    lua_pushinteger(L, wait.ready);
  return wait.k(L, status, wait.context);
}

int poll_park(lua_State *L, Core *core, int fd, int events, lua_KFunction k, lua_KContext context) {
  Task *task = wait_task(L, core);
  Io *io = io_of(L);
  Poll *poll = NULL;
  luaL_checkstack(L, 3, NULL);
  FdWait *wait = lua_newuserdatauv(L, sizeof *wait, 0);
  if (events <= 0 || events > (NEAP_READ | NEAP_WRITE)) fail_raise_uv(L, UV_EINVAL, "wait_fd");
  int status = poll_open(io, fd, &poll);
  if (status < 0) fail_raise_uv(L, status, "wait_fd");
  *wait = (FdWait){.waiter = {.wanted = events, .happened = fd_happened},
                   .task = task, .core = core, .poll = poll, .k = k, .context = context};
  list_append(&poll->waiters, &wait->waiter.link);
  status = poll_update(poll);
  if (status < 0) fail_raise_uv(L, status, "wait_fd");
  task->wait.u.on = wait;
  return wait_park(L, core, task, abort_fd_wait, k_fd_wait, (lua_KContext)wait);
}

/* ---- the Lua side ---- */

static int k_fd_ready(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  UNUSED(status);
  if (wait_cancelled(core->current)) return wait_raise(L, core, core->current);
  static const char *const names[] = {"", "r", "w", "rw"};
  lua_pushstring(L, names[lua_tointeger(L, -1) & (NEAP_READ | NEAP_WRITE)]);
  return 1;
}

static int start_wait_fd(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(task);
  return poll_park(L, core, (int)op->number, (int)op->integer, k_fd_ready, (lua_KContext)core);
}

int poll_check_fd(lua_State *L, int arg) {
  lua_Integer fd = luaL_checkinteger(L, arg);
  luaL_argcheck(L, fd >= 0 && fd <= 0x7fffffff, arg, "not a descriptor");
  return (int)fd;
}

/* events = await(wait_fd(fd, "r" | "w" | "rw")) */
static int f_wait_fd(lua_State *L) {
  static const char *const names[] = {"r", "w", "rw", "wr", NULL};
  int fd = poll_check_fd(L, 1);
  int events = luaL_checkoption(L, 2, NULL, names) + 1;
  lua_settop(L, 1);
  Op *op = op_new(L, start_wait_fd, "neap.wait_fd", 1, 0);
  op->number = fd;
  op->integer = events > 3 ? 3 : events;
  return 1;
}

const luaL_Reg wait_fd_functions[] = {{"wait_fd", f_wait_fd}, {NULL, NULL}};
