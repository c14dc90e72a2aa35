/* SPDX-License-Identifier: MIT
 * A task for each accepted connection: it calls the handler, reports its error, closes the stream. */
#include "io/server.h"
#include "kernel/coroutine.h"
#include "kernel/context.h"
#include "kernel/fail.h"
#include "kernel/report.h"
#include "kernel/trace.h"

/* The stack of a connection's task. */
enum { AT_HANDLER = 1, AT_STREAM, AT_TRACE };

/* what the handler gave */
static int await_result(lua_State *L) { return await_value(L, core_of(L)); }

/* Reports the error at the top. */
static void report_error(lua_State *L, Core *core) {
  int error = lua_gettop(L);
  Task *task = core->current;
  lua_createtable(L, 0, 5);
  lua_pushliteral(L, "error in the handler of a connection");
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, error);
  lua_setfield(L, -2, "exception");
  lua_pushvalue(L, AT_STREAM);
  lua_setfield(L, -2, "stream");
  task_push(L, core, task);
  slot_push(L, -1, &task->future, SLOT_TRACE);
  lua_setfield(L, error + 1, "traceback");
  lua_setfield(L, error + 1, "task");
  report(L, core);
}

static int k_serve(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  Stream *stream = ((StreamBox *)lua_touserdata(L, AT_STREAM))->stream;
  if (status == LUA_OK || status == LUA_YIELD) {
    if (stream) stream_close(stream);
    return 0;
  }
  if (fail_is(L, -1, FAIL_CANCELLED)) {
    if (stream) stream_close(stream);
    return lua_error(L);
  }
  bool expected = stream && stream->dismissed && fail_is(L, -1, FAIL_ABORTED);
  if (stream) stream_abort(stream);
  if (!expected) report_error(L, core);
  return 0;
}

/* what the handler gave: if it is an async function, that is awaited */
static int k_handler(lua_State *L, int status, lua_KContext context) {
  if ((status != LUA_OK && status != LUA_YIELD) || lua_isfunction(L, -1) || !awaitable(L, lua_gettop(L)))
    return k_serve(L, status, context);
  lua_pushlightuserdata(L, core_of(L));
  lua_pushcclosure(L, await_result, 1);
  lua_insert(L, -2);
  return k_serve(L, lua_pcallk(L, 1, 0, AT_TRACE, context, k_serve), context);
}

/* handler, stream */
static int serve(lua_State *L) {
  lua_KContext context = (lua_KContext)core_of(L);
  lua_pushlightuserdata(L, core_of(L));
  lua_pushcclosure(L, trace_on_error, 1);
  lua_pushvalue(L, AT_HANDLER);
  lua_pushvalue(L, AT_STREAM);
  return k_handler(L, lua_pcallk(L, 1, 1, AT_TRACE, context, k_handler), context);
}

/* Its task has ended. Was there no memory to begin, or was it cancelled before? Then nobody has closed the stream. */
static void on_served(Core *core, Job *job) {
  UNUSED(core);
  Stream *stream = container_of(job, Stream, served);
  if (!stream->closing) stream_abort(stream);
}

static void serve_until(Stream *stream, Task *task) {
  stream->served.run = on_served;
  list_append(&task->future.u.callbacks, &stream->served.link);
}

/* server box, core: a task for the oldest fresh stream */
static int spawn(lua_State *L) {
  Server *server = ((ServerBox *)lua_touserdata(L, 1))->server;
  Core *core = lua_touserdata(L, 2);
  StreamBox *box = stream_box_new(L); /* 3 */
  lua_getiuservalue(L, 1, SERVER_ORIGIN);
  stream_box_origin(L, 3, 4);
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, serve, 1);
  lua_getiuservalue(L, 1, SERVER_HANDLER);
  lua_pushvalue(L, 3);
  coro_pack(L, core, 5);
  Task *task = task_new(L, core, 5, 0);
  if (!list_empty(&server->fresh)) { /* else a finalizer aborted it: the task has a stream that is closed */
    Stream *stream = container_of(list_shift(&server->fresh), Stream, fresh);
    stream_box_set(box, stream);
    if (!stream->shut) serve_until(stream, task);
  }
  task_start(L, core, task, false);
  return 0;
}

/* server box, core: in the context in which the server was started */
static int spawn_in_context(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  lua_getiuservalue(L, 1, SERVER_CONTEXT);
  context_enter(L, core); /* 3: what was current */
  lua_pushcfunction(L, spawn);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  int status = lua_pcall(L, 2, 0, 0);
  lua_pushvalue(L, 3);
  context_leave(L, core);
  return status == LUA_OK ? 0 : lua_error(L);
}

void on_fresh(Core *core, Job *job) {
  Server *server = container_of(job, Server, job);
  if (list_empty(&server->fresh)) return;
  Stream *stream = container_of(server->fresh.next, Stream, fresh);
  core_call(core, spawn_in_context, server->anchor, "a connection is dropped");
  if (!list_empty(&stream->fresh)) { /* no memory for the task */
    list_remove(&stream->fresh);
    stream_abort(stream);
  }
  if (list_empty(&server->fresh))
    server_settled(server);
  else if (list_empty(&job->link))
    job_post(core, job);
}
