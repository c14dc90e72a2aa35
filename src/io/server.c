/* SPDX-License-Identifier: MIT */
#include "io/server.h"

#include <string.h>

#include "base/memory.h"
#include "io/resolve.h"
#include "io/secure.h"
#include "kernel/context.h"
#include "kernel/fail.h"
#include "kernel/report.h"
#include "kernel/trace.h"

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
  if (server->closed && list_empty(&server->listeners) && list_empty(&server->clients) && server->held)
    tasks_wake(server->core, &server->closers);
  release(server);
}

void server_lost_client(Stream *stream) {
  Server *server = stream->server;
  stream->server = NULL;
  list_remove(&stream->client);
  server_settled(server);
}

void server_close(Server *server) {
  if (server->closed) return;
  server->closed = true;
  timer_disarm(server->core, &server->pause);
  Task *forever = server->forever;
  if (forever && wait_pending(forever)) wait_post(server->core, forever);
  if (list_empty(&server->listeners)) server_settled(server); /* it never came to listening */
  list_each_safe(link, &server->listeners) listener_close(container_of(link, Listener, link));
}

static Server *server_new(Io *io) {
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
  timer_setup(&server->pause, on_pause_over);
  return server;
}

/* ---- the box ---- */

static ServerBox *server_check(lua_State *L, int arg) {
  ServerBox *box = object_check(L, arg, &server_type);
  if (!box->server) fail_raise(L, FAIL_RUNTIME, "the server is closed");
  return box;
}

/* As stream_of_op. */
static Server *server_of_op(lua_State *L, const Op *op) {
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

/* ---- start_server ---- */

/* The stack of a task in it, and the user values of the operation. */
enum { AT_OP = 1, AT_BOX, AT_ADDRESSES, AT_TOP = AT_ADDRESSES };
enum { ARG_HANDLER = 1, ARG_HOST, ARG_OPTIONS, ARG_WHERE };

static int raise_listen(lua_State *L, Server *server, const Address *address, int status) {
  char text[ADDRESS_TEXT];
  server_close(server);
  return fail_raise_uv(L, status, lua_pushfstring(L, "listen on %s", address_text(address, text)));
}

/* All addresses, on one port. */
static void listen_all(lua_State *L, Server *server, Addresses *addresses, int port) {
  Address address;
  bool any = false;
  while (addresses_next(addresses, &address)) {
    address_set_port(&address, port);
    int status = listen_on(server, &address, address.any.sa_family == AF_INET6);
    if (status == UV_EAFNOSUPPORT && addresses->next) continue; /* no IPv6 here, but there is more */
    if (status == UV_EADDRNOTAVAIL && address.any.sa_family == AF_INET6 && (any || addresses->next)) continue;
    if (status < 0) raise_listen(L, server, &address, status);
    any = true;
    if (port == 0) port = address_port(&container_of(server->listeners.prev, Listener, link)->address);
  }
}

/* No host: both families by one socket where that works. */
static void listen_any(lua_State *L, Server *server, int port) {
  Address address;
  address_parse(&address, "::", port);
  int status = listen_on(server, &address, false);
  if (status == 0) return;
  if (status == UV_EAFNOSUPPORT || status == UV_EADDRNOTAVAIL || status == UV_EINVAL) {
    address_parse(&address, "0.0.0.0", port);
    status = listen_on(server, &address, false);
  }
  if (status < 0) raise_listen(L, server, &address, status);
}

static void listen_local(lua_State *L, Server *server, const Local *local) {
  char text[120];
  server->local = memory_new(sizeof *local);
  if (server->local) *server->local = *local;
  int status = server->local ? listen_on(server, NULL, false) : UV_ENOMEM;
  if (status == 0) return;
  server_close(server);
  fail_raise_uv(L, status, lua_pushfstring(L, "listen on %s", local_text(local, text, sizeof text)));
}

int server_open(lua_State *L, Core *core) {
  ServerBox *box = lua_touserdata(L, AT_BOX);
  static const int from[] = {ARG_HANDLER, 0, ARG_WHERE}, to[] = {SERVER_HANDLER, SERVER_CONTEXT, SERVER_ORIGIN};
  for (int i = 0; i < 3; i++) {
    if (from[i])
      lua_getiuservalue(L, AT_OP, from[i]);
    else if (!context_push(L, core))
      lua_pushnil(L);
    lua_setiuservalue(L, AT_BOX, to[i]);
  }
  lua_getiuservalue(L, AT_OP, ARG_OPTIONS);
  const ServerOptions *options = lua_touserdata(L, -1);
  Server *server = server_new(io_of(L));
  if (!server) return luaL_error(L, "not enough memory");
  box->server = server;
  server->held = true;
  server->options = options->stream;
  server->backlog = options->backlog;
  server->reuseport = options->reuseport;
  server->anchor = anchor_new(L, core, AT_BOX);
  if (options->local.size)
    listen_local(L, server, &options->local);
  else if (lua_isnil(L, AT_ADDRESSES))
    listen_any(L, server, options->port);
  else
    listen_all(L, server, lua_touserdata(L, AT_ADDRESSES), options->port);
  lua_settop(L, AT_BOX);
  return 1;
}

static int k_resolved(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_resolved, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  Addresses *addresses = lua_touserdata(L, AT_ADDRESSES);
  if (addresses->status == 0) return server_open(L, core);
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  return raise_unresolved(L, addresses->status, lua_tostring(L, -1));
}

void server_box_new(lua_State *L) {
  object_new(L, &server_type, sizeof(ServerBox), SERVER_SLOTS);
  lua_pushnil(L);
}

static int start_server(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  server_box_new(L);
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  if (lua_isnil(L, -1)) {
    lua_settop(L, AT_TOP);
    return server_open(L, core);
  }
  Addresses *addresses = addresses_new(L);
  lua_replace(L, AT_ADDRESSES);
  bool here = resolve(L, core, task, addresses, lua_tostring(L, -1), 0, 0, true);
  lua_settop(L, AT_TOP);
  if (here) return server_open(L, core);
  return wait_park(L, core, task, abort_resolve, k_resolved, (lua_KContext)core);
}

void check_handler(lua_State *L, int arg) {
  if (lua_isfunction(L, arg)) return;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL) argument_error(L, arg, "function");
  lua_pop(L, 1);
}

void server_options(lua_State *L, int arg, ServerOptions *options) {
  memset(options, 0, sizeof *options);
  options->stream = stream_options(L, arg);
  size_t backlog = field_size(L, arg, "backlog", 128, 1);
  options->backlog = backlog > 65535 ? 65535 : (int)backlog;
}

/* awaitable = start_server(handler, host, port [, {backlog =, limit =, nodelay =, reuseport =}]) */
static int f_start_server(lua_State *L) {
  lua_settop(L, 4);
  if (secure(L, "start_server")) return 1;
  check_handler(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING && lua_rawlen(L, 2) == 0) {
    lua_pushnil(L);
    lua_replace(L, 2);
  }
  if (!lua_isnil(L, 2)) check_host(L, 2);
  ServerOptions *options = lua_newuserdatauv(L, sizeof *options, 0);
  server_options(L, 4, options);
  options->port = check_port(L, 3, 0);
  options->reuseport = field_flag(L, 4, "reuseport", false);
  lua_replace(L, 3);
  trace_where(L, L, 1);
  lua_replace(L, 4); /* handler, host, options, where */
  op_new(L, start_server, "neap.start_server", 1, 3);
  return 1;
}

const luaL_Reg server_functions[] = {{"start_server", f_start_server}, {NULL, NULL}};

/* ---- methods ---- */

/* server:close(): stops listening; connections go on */
static int f_close(lua_State *L) {
  ServerBox *box = object_check(L, 1, &server_type);
  if (box->server) server_close(box->server);
  return 0;
}

static void each_client(lua_State *L, void (*act)(Stream *stream)) {
  Server *server = server_check(L, 1)->server;
  list_each_safe(link, &server->clients) {
    Stream *stream = container_of(link, Stream, client);
    stream->dismissed = true;
    act(stream);
  }
}

/* server:close_clients(): each connection as by stream:close() */
static int f_close_clients(lua_State *L) {
  each_client(L, stream_close);
  return 0;
}

/* server:abort_clients(): each connection as by stream:abort() */
static int f_abort_clients(lua_State *L) {
  each_client(L, stream_abort);
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

static bool ended(const Server *server) {
  return server->closed && list_empty(&server->listeners) && list_empty(&server->clients);
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
  if (ended(server)) return 0;
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
  if (ended(server)) return lua_error(L);
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
    {"serve_forever", f_serve_forever},
    {"is_serving", f_is_serving},
    {"getsockname", f_getsockname},
    {"close_clients", f_close_clients},
    {"abort_clients", f_abort_clients},
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
