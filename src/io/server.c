/* SPDX-License-Identifier: MIT */
#include "io/server.h"

#include <string.h>

#include "base/memory.h"
#include "kernel/fail.h"

/* ---- the block ---- */

static void release(Server *server) {
  if (server->held || !list_empty(&server->listeners)) return;
  memory_delete(server->local);
  memory_delete(server);
}

void server_settled(Server *server) {
  if (server->closed && server->anchor && list_empty(&server->fresh)) {
    anchor_delete(server->core, server->anchor);
    server->anchor = 0;
  }
  if (server_ended(server) && server->held)
    tasks_wake(server->core, &server->closers);
  release(server);
}

void server_lost_client(Stream *stream) {
  Server *server = stream->server;
  stream->server = NULL;
  list_remove(&stream->client);
  if (server->count-- == server->most) server_watch(server);
  server_settled(server);
}

void server_close(Server *server) {
  if (server->closed) return;
  server->closed = true;
  timer_disarm(server->core, &server->pause);
  list_remove(&server->telling.link);
  Task *forever = server->forever;
  if (forever && wait_pending(forever)) wait_post(server->core, forever);
  if (list_empty(&server->listeners)) server_settled(server); /* it never came to listening */
  list_each_safe(link, &server->listeners) listener_close(container_of(link, Listener, link));
}

Server *server_new(Io *io) {
  Server *server = memory_new(sizeof *server);
  if (!server) return NULL;
  server->core = io->core;
  server->io = io;
  list_create(&server->listeners);
  list_create(&server->clients);
  list_create(&server->fresh);
  list_create(&server->closers);
  list_create(&server->job.link);
  server->job.run = on_fresh;
  list_create(&server->telling.link);
  server->telling.run = on_telling;
  timer_setup(&server->pause, on_pause_over);
  return server;
}

/* ---- the box ---- */

ServerBox *server_check(lua_State *L, int arg) {
  ServerBox *box = object_check(L, arg, &server_type);
  if (!box->server) fail_raise(L, FAIL_RUNTIME, "the server is closed");
  return box;
}

Server *server_of_op(lua_State *L, const Op *op) {
  Server *server = ((ServerBox *)op->self)->server;
  if (!server) fail_raise(L, FAIL_RUNTIME, "the server is closed");
  return server;
}

/* A server that listens is anchored: here it is closed, or the Lua state closes. */
static int server_gc(lua_State *L) {
  ServerBox *box = lua_touserdata(L, 1);
  Server *server = box->server;
  if (!server) return 0;
  box->server = NULL;
  server->forever = NULL;
  list_create(&server->closers);
  server->anchor = 0;
  while (!list_empty(&server->clients)) {
    Stream *stream = container_of(list_shift(&server->clients), Stream, client);
    stream->server = NULL;
    if (!stream->held) stream_shut(stream);
  }
  while (!list_empty(&server->fresh)) list_shift(&server->fresh);
  list_remove(&server->job.link);
  server->held = true; /* closing a listener must not free it under our feet */
  server_close(server);
  server->held = false;
  release(server);
  return 0;
}

/* ---- methods ---- */

/* server:close(): stops listening; connections go on */
static int f_close(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  if (box->server) server_close(box->server);
  return 0;
}

void server_dismiss(Server *server, void (*act)(Stream *stream)) {
  list_each_safe(link, &server->clients) {
    Stream *stream = container_of(link, Stream, client);
    stream->dismissed = true;
    act(stream);
  }
}

/* server:close_clients(): each connection as by stream:close() */
static int f_close_clients(lua_State *L) {
  server_dismiss(server_check(L, 1)->server, stream_close);
  return 0;
}

/* server:abort_clients(): each connection as by stream:abort() */
static int f_abort_clients(lua_State *L) {
  server_dismiss(server_check(L, 1)->server, stream_abort);
  return 0;
}

/* serving = server:is_serving() */
static int f_is_serving(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  lua_pushboolean(L, box->server && !box->server->closed);
  return 1;
}

/* address = server:getsockname(): {ip =, port =, family =} or a path; nil once closed */
static int f_getsockname(lua_State *L) {
  Server *server = server_check(L, 1)->server;
  if (server->closed || list_empty(&server->listeners))
    lua_pushnil(L);
  else if (server->local)
    local_push(L, server->local);
  else
    address_push(L, &container_of(server->listeners.next, Listener, link)->address);
  return 1;
}

static void push_socket(lua_State *L, const Server *server, const Listener *listener) {
  if (!server->local) {
    address_push(L, &listener->address);
    return;
  }
  lua_createtable(L, 0, 2);
  local_push(L, server->local);
  lua_setfield(L, -2, "path");
}

/* list = server:sockets(): {ip =, port =, family =, fd =} or {path =, fd =} of each that listens */
static int f_sockets(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  lua_newtable(L);
  if (!box->server || box->server->closed) return 1;
  lua_Integer n = 0;
  list_each(link, &box->server->listeners) {
    const Listener *listener = container_of(link, Listener, link);
    push_socket(L, box->server, listener);
    lua_pushinteger(L, listener->fd);
    lua_setfield(L, -2, "fd");
    lua_seti(L, 2, ++n);
  }
  return 1;
}

/* count = server:connections(): those that are open */
static int f_connections(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  lua_pushinteger(L, box->server ? (lua_Integer)box->server->count : 0);
  return 1;
}

/* count = server:accept_errors(): how often it could not accept */
static int f_accept_errors(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  lua_pushinteger(L, box->server ? (lua_Integer)box->server->accept_errors : 0);
  return 1;
}

static int k_wait_closed(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_wait_closed, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return 0;
}

static int start_wait_closed(lua_State *L, Core *core, Task *task, Op *op) {
  Server *server = server_of_op(L, op);
  if (server_ended(server)) return 0;
  list_append(&server->closers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_wait_closed, (lua_KContext)core);
}

/* awaitable = server:wait_closed(): until it is closed and all its connections are */
static int f_wait_closed(lua_State *L) {
  server_check(L, 1);
  op_new(L, start_wait_closed, "neap.Server:wait_closed", 1, 0);
  return 1;
}

/* operation, the CancelledError */
static int k_forever_closed(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_forever_closed, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  lua_settop(L, 2);
  return lua_error(L);
}

/* Cancelled, or closed by somebody: as in asyncio that cancels it too. */
static int k_forever(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_forever, context);
  Task *task = core->current;
  Server *server = ((ServerBox *)((Op *)lua_touserdata(L, 1))->self)->server;
  if (server->forever == task) server->forever = NULL;
  server_close(server);
  lua_settop(L, 1);
  if (wait_cancelled(task)) {
    wait_push_error(L, core, task);
  } else {
    lua_pushnil(L);
    fail_push_cancelled(L);
  }
  if (server_ended(server)) return lua_error(L);
  list_append(&server->closers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_forever_closed, (lua_KContext)core);
}

static bool abort_forever(Core *core, Task *task, lua_State *L, int message) {
  Server *server = task->wait.u.on;
  bool accepted = wait_abort(core, task, L, message);
  if (server->forever == task) server->forever = NULL;
  return accepted;
}

static int start_forever(lua_State *L, Core *core, Task *task, Op *op) {
  Server *server = server_of_op(L, op);
  if (server->forever) return fail_raise(L, FAIL_RUNTIME, "serve_forever is already waiting on this server");
  if (server->closed) return fail_raise(L, FAIL_RUNTIME, "the server is closed");
  server->forever = task;
  task->wait.u.on = server;
  return wait_park(L, core, task, abort_forever, k_forever, (lua_KContext)core);
}

/* awaitable = server:serve_forever(): until cancelled; then closes the server */
static int f_serve_forever(lua_State *L) {
  server_check(L, 1);
  op_new(L, start_forever, "neap.Server:serve_forever", 1, 0);
  return 1;
}

static int f_tostring(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  Server *server = box->server;
  char text[120];
  if (!server || server->closed || list_empty(&server->listeners)) {
    lua_pushliteral(L, "neap.Server (closed)");
    return 1;
  }
  lua_pushfstring(L, "neap.Server (listening on %s)",
                  server->local ? local_text(server->local, text, sizeof text)
                                : address_text(&container_of(server->listeners.next, Listener, link)->address, text));
  return 1;
}

static const luaL_Reg methods[] = {
    {"close", f_close},
    {"wait_closed", f_wait_closed},
    {"shutdown", f_shutdown},
    {"serve_forever", f_serve_forever},
    {"is_serving", f_is_serving},
    {"getsockname", f_getsockname},
    {"close_clients", f_close_clients},
    {"abort_clients", f_abort_clients},
    {"sockets", f_sockets},
    {"connections", f_connections},
    {"accept_errors", f_accept_errors},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__tostring", f_tostring}, {"__close", f_close}, {"__gc", server_gc}, {NULL, NULL}};

/* run() ends, and nobody will serve */
static void server_purge(Core *core, Head *head) {
  UNUSED(core);
  Server *server = ((ServerBox *)head)->server;
  if (server) server_close(server);
}

const Type server_type = {.name = "neap.Server", .methods = methods, .metamethods = metamethods, .purge = server_purge};
