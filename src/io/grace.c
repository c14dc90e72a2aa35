/* SPDX-License-Identifier: MIT
 * server:shutdown(timeout): the connections may end by themselves for a while; then they are aborted. */
#include "io/server.h"

typedef struct {
  Head head;
  Core *core;     /* borrowed */
  Server *server; /* borrowed: the operation's box holds it */
  Timer over;
  lua_Integer aborted; /* connections */
} Grace; /* at index 2 of the task's stack, while it waits */

static void on_grace_over(Core *core, Job *job) {
  Grace *grace = container_of(job, Grace, over.job);
  UNUSED(core);
  grace->aborted = (lua_Integer)grace->server->count;
  server_dismiss(grace->server, stream_abort);
}

static void grace_end(Grace *grace) {
  if (grace->core && !grace->core->closed) timer_disarm(grace->core, &grace->over);
}

static int grace_gc(lua_State *L) {
  grace_end(lua_touserdata(L, 1));
  return 0;
}

static int k_shutdown(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_shutdown, context);
  Task *task = core->current;
  Grace *grace = lua_touserdata(L, 2);
  list_remove(&task->wait.u.link);
  grace_end(grace);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  lua_pushinteger(L, grace->aborted);
  return 1;
}

static int start_shutdown(lua_State *L, Core *core, Task *task, Op *op) {
  Server *server = server_of_op(L, op);
  Grace *grace = object_new(L, &grace_type, sizeof *grace, 0);
  timer_setup(&grace->over, on_grace_over);
  grace->core = core;
  grace->server = server;
  timer_reserve(L, core);
  server_close(server);
  if (server_ended(server)) {
    lua_pushinteger(L, 0);
    return 1;
  }
  if (op->number >= 0) timer_arm(core, &grace->over, deadline_in(core, op->number));
  list_append(&server->closers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_shutdown, (lua_KContext)core);
}

/* awaitable = server:shutdown([timeout]): the number of connections that had to be aborted */
int f_shutdown(lua_State *L) {
  server_check(L, 1);
  double timeout = lua_isnoneornil(L, 2) ? -1 : check_seconds(L, 2);
  luaL_argcheck(L, lua_isnoneornil(L, 2) || timeout >= 0, 2, "the timeout is negative");
  op_new(L, start_shutdown, "neap.Server:shutdown", 1, 0)->number = timeout;
  return 1;
}

static const luaL_Reg grace_metamethods[] = {{"__gc", grace_gc}, {NULL, NULL}};
const Type grace_type = {.name = "neap.Grace", .metamethods = grace_metamethods};
