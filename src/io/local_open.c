/* SPDX-License-Identifier: MIT
 * open_unix_connection and start_unix_server. Connecting ends at once, but for a server whose queue is
 * full: nothing tells when it has room, so it is tried again, at intervals that grow. */
#include "io/local.h"
#include "io/secure.h"
#include "io/start.h"
#include "kernel/fail.h"
#include "kernel/sleep.h"
#include "kernel/trace.h"

#include <string.h>
#include <unistd.h>

enum { TEXT = 120, MILLISECOND = 1000000, PATIENCE = 100 * MILLISECOND }; /* nanoseconds between two attempts, at most */

/* ---- connecting ---- */

enum { AT_OP = 1, AT_BOX };
enum { ARG_TARGET = 1, ARG_MADE };

typedef struct {
  StreamOptions stream;
  Local local;
} Target;

static int try_connect(lua_State *L, Core *core, Task *task);

static int k_try_again(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_try_again, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return try_connect(L, core, task);
}

static int try_connect(lua_State *L, Core *core, Task *task) {
  Op *op = lua_touserdata(L, AT_OP);
  StreamBox *box = lua_touserdata(L, AT_BOX);
  char text[TEXT];
  lua_getiuservalue(L, AT_OP, ARG_TARGET);
  const Target *target = lua_touserdata(L, -1);
  int status = 0, fd = local_connect(&target->local);
  if (fd == UV_EAGAIN) {
    lua_settop(L, AT_BOX);
    uint64_t delay = op->number < MILLISECOND ? MILLISECOND : op->number < PATIENCE ? (uint64_t)op->number * 2 : PATIENCE;
    op->number = (lua_Number)delay;
    return sleep_park(L, core, task, delay, k_try_again);
  }
  Stream *stream = fd < 0 ? NULL : stream_on(io_of(L), &target->stream, fd, &status);
  if (!stream) {
    if (fd >= 0) close(fd);
    lua_pushfstring(L, "connect to %s", local_text(&target->local, text, sizeof text));
    return fail_raise_uv(L, fd < 0 ? fd : status, lua_tostring(L, -1));
  }
  stream_box_set(box, stream);
  stream_opened(stream, &target->stream);
  lua_getiuservalue(L, AT_OP, ARG_MADE);
  stream_box_origin(L, AT_BOX, lua_gettop(L));
  lua_settop(L, AT_BOX);
  return 1;
}

static int start_local_connect(lua_State *L, Core *core, Task *task, Op *op) {
  op->number = 0;
  stream_box_new(L);
  io_of(L);
  return try_connect(L, core, task);
}

/* awaitable = open_unix_connection(path [, {limit =}]) */
static int f_open_unix_connection(lua_State *L) {
  Target target;
  lua_settop(L, 2);
  if (secure(L, "open_unix_connection")) return 1;
  memset(&target, 0, sizeof target);
  check_local(L, 1, &target.local);
  target.stream = stream_options(L, 2, "limit" TLS_FIELDS);
  target.stream.kind = STREAM_LOCAL;
  lua_settop(L, 0);
  memcpy(lua_newuserdatauv(L, sizeof target, 0), &target, sizeof target);
  trace_where(L, L, 1);
  op_new(L, start_local_connect, "neap.open_unix_connection", 1, 1);
  return 1;
}

/* ---- listening ---- */

static int start_local_server(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(task), UNUSED(op);
  server_box_new(L);
  return server_open(L, core);
}

/* awaitable = start_unix_server(handler, path [, {backlog =, limit =, max_connections =, cleanup_socket =}]) */
static int f_start_unix_server(lua_State *L) {
  lua_settop(L, 3);
  if (secure(L, "start_unix_server")) return 1;
  check_handler(L, 1);
  ServerOptions *options = lua_newuserdatauv(L, sizeof *options, 0);
  server_options(L, 3, "backlog limit max_connections cleanup_socket" TLS_FIELDS, options);
  check_local(L, 2, &options->local);
  options->stream.kind = STREAM_LOCAL;
  options->local.cleanup = field_flag(L, 3, "cleanup_socket", true);
  lua_replace(L, 3);
  trace_where(L, L, 1); /* handler, path, options, where */
  op_new(L, start_local_server, "neap.start_unix_server", 1, 3);
  return 1;
}

const luaL_Reg local_functions[] = {
    {"open_unix_connection", f_open_unix_connection}, {"start_unix_server", f_start_unix_server}, {NULL, NULL}};
