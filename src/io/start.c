/* SPDX-License-Identifier: MIT
 * Nothing is opened before every name is resolved. */
#include "io/start.h"

#include <string.h>

#include "io/resolve.h"
#include "io/secure.h"
#include "kernel/context.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

/* The stack of a task in it; FOUND is a list of Addresses, one for each host. */
enum { AT_OP = 1, AT_BOX, AT_FOUND, AT_TOP = AT_FOUND };

/* User values of the operation; HOSTS is a list, empty: all interfaces. */
enum { ARG_HANDLER = 1, ARG_HOSTS, ARG_OPTIONS, ARG_WHERE };

/* ---- listening ---- */

static int raise_listen(lua_State *L, Server *server, const char *what, int status) {
  server_close(server);
  return fail_raise_uv(L, status, lua_pushfstring(L, "listen on %s", what));
}

static int raise_listen_at(lua_State *L, Server *server, const Address *address, int status) {
  char text[ADDRESS_TEXT];
  return raise_listen(L, server, address_text(address, text), status);
}

/* At all addresses of one host, on one port, which is given back. */
static int listen_all(lua_State *L, Server *server, Addresses *addresses, int port) {
  Address address;
  while (addresses_next(addresses, &address)) {
    bool other = addresses->next || !list_empty(&server->listeners), inet6 = address.any.sa_family == AF_INET6;
    address_set_port(&address, port);
    if (listens_at(server, &address)) continue;
    int status = listen_on(server, &address, inet6);
    if (status == UV_EAFNOSUPPORT && addresses->next) continue; /* no IPv6 here, but there is more */
    if (status == UV_EADDRNOTAVAIL && inet6 && other) continue;
    if (status < 0) raise_listen_at(L, server, &address, status);
    if (port == 0) port = address_port(&container_of(server->listeners.prev, Listener, link)->address);
  }
  return port;
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
  if (status < 0) raise_listen_at(L, server, &address, status);
}

static void listen_local(lua_State *L, Server *server, const Local *local) {
  char text[120];
  int status = listen_on_local(server, local);
  if (status < 0) raise_listen(L, server, local_text(local, text, sizeof text), status);
}

static void listen_everywhere(lua_State *L, Server *server, const ServerOptions *options) {
  lua_Integer hosts = luaL_len(L, AT_FOUND);
  int port = options->port;
  if (options->fd >= 0) {
    int status = listen_inherited(server, options->fd);
    if (status < 0) raise_listen(L, server, lua_pushfstring(L, "descriptor %d", options->fd), status);
  } else if (options->local.size) {
    listen_local(L, server, &options->local);
  } else if (hosts == 0) {
    listen_any(L, server, port);
  }
  for (lua_Integer i = 1; i <= hosts; i++) {
    lua_geti(L, AT_FOUND, i);
    port = listen_all(L, server, lua_touserdata(L, -1), port);
    lua_pop(L, 1);
  }
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
  server->most = options->max_connections;
  server->reuse_port = options->reuse_port;
  server->anchor = anchor_new(L, core, AT_BOX);
  listen_everywhere(L, server, options);
  lua_settop(L, AT_BOX);
  return 1;
}

/* ---- resolving ---- */

static int k_resolved_host(lua_State *L, int status, lua_KContext context);

/* Resolves the hosts that are left, one after the other, then opens the server. */
static int resolve_hosts(lua_State *L, Core *core, Task *task) {
  lua_getiuservalue(L, AT_OP, ARG_HOSTS);
  lua_Integer found = luaL_len(L, AT_FOUND), count = luaL_len(L, -1);
  bool here = true;
  while (here && found < count) {
    lua_geti(L, AT_FOUND + 1, ++found);
    Addresses *addresses = addresses_new(L);
    lua_pushvalue(L, -1);
    lua_seti(L, AT_FOUND, found);
    here = resolve(L, core, task, addresses, lua_tostring(L, -2), 0, 0, true);
    lua_pop(L, 2);
  }
  lua_settop(L, AT_TOP);
  if (here) return server_open(L, core);
  return wait_park(L, core, task, abort_resolve, k_resolved_host, (lua_KContext)core);
}

static int k_resolved_host(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_resolved_host, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  lua_Integer found = luaL_len(L, AT_FOUND);
  lua_geti(L, AT_FOUND, found);
  const Addresses *addresses = lua_touserdata(L, -1);
  if (addresses->status < 0) {
    lua_getiuservalue(L, AT_OP, ARG_HOSTS);
    lua_geti(L, -1, found);
    return raise_unresolved(L, addresses->status, lua_tostring(L, -1));
  }
  lua_settop(L, AT_TOP);
  return resolve_hosts(L, core, task);
}

void server_box_new(lua_State *L) {
  object_new(L, &server_type, sizeof(ServerBox), SERVER_SLOTS);
  lua_newtable(L);
}

static int start_server(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  server_box_new(L);
  return resolve_hosts(L, core, task);
}

/* ---- the Lua side ---- */

void check_handler(lua_State *L, int arg) {
  if (lua_isfunction(L, arg)) return;
  if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL) argument_error(L, arg, "function");
  lua_pop(L, 1);
}

static void check_element(lua_State *L, lua_Integer i) {
  size_t size;
  const char *host = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (!host || size == 0 || strlen(host) != size)
    luaL_argerror(L, 2, lua_pushfstring(L, "element %I: a host, a string that is not empty, expected", i));
}

/* Makes of the host, list of hosts or nil at index 2 a list that nobody else has. */
static void check_hosts(lua_State *L) {
  lua_newtable(L);
  if (lua_type(L, 2) == LUA_TTABLE) {
    lua_Integer count = luaL_len(L, 2);
    luaL_argcheck(L, count > 0, 2, "the list of hosts is empty");
    for (lua_Integer i = 1; i <= count; i++) {
      lua_geti(L, 2, i);
      check_element(L, i);
      lua_seti(L, -2, i);
    }
  } else if (!lua_isnil(L, 2) && !(lua_type(L, 2) == LUA_TSTRING && lua_rawlen(L, 2) == 0)) {
    check_host(L, 2);
    lua_pushvalue(L, 2);
    lua_seti(L, -2, 1);
  }
  lua_replace(L, 2);
}

/* The descriptor of {fd =} at index 2, or -1; then nil is left in its place. */
static int check_inherited_fd(lua_State *L) {
  if (lua_type(L, 2) != LUA_TTABLE) return -1;
  int integral = 0, type = lua_getfield(L, 2, "fd");
  lua_Integer fd = lua_tointegerx(L, -1, &integral);
  lua_pop(L, 1);
  if (type == LUA_TNIL) return -1;
  if (type != LUA_TNUMBER || !integral || fd < 0 || fd > 0x7fffffff) luaL_argerror(L, 2, "field 'fd': a descriptor expected");
  luaL_argcheck(L, lua_isnil(L, 3), 3, "an inherited socket has its port");
  lua_pushnil(L);
  lua_replace(L, 2);
  return (int)fd;
}

void server_options(lua_State *L, int arg, const char *known, ServerOptions *options) {
  memset(options, 0, sizeof *options);
  options->fd = -1;
  options->stream = stream_options(L, arg, known);
  options->max_connections = field_size(L, arg, "max_connections", SIZE_MAX, 1);
  size_t backlog = field_size(L, arg, "backlog", 128, 1);
  options->backlog = backlog > 65535 ? 65535 : (int)backlog;
}

/* awaitable = start_server(handler, host, port [, {backlog =, limit =, nodelay =, max_connections =, reuse_port =}]) */
static int f_start_server(lua_State *L) {
  lua_settop(L, 4);
  if (secure(L, "start_server")) return 1;
  check_handler(L, 1);
  int fd = check_inherited_fd(L);
  check_hosts(L);
  ServerOptions *options = lua_newuserdatauv(L, sizeof *options, 0);
  server_options(L, 4, "backlog limit nodelay max_connections reuse_port" TLS_FIELDS, options);
  options->fd = fd;
  options->port = fd < 0 ? check_port(L, 3, 0) : 0;
  options->reuse_port = field_flag(L, 4, "reuse_port", false);
  lua_replace(L, 3);
  trace_where(L, L, 1);
  lua_replace(L, 4); /* handler, hosts, options, where */
  op_new(L, start_server, "neap.start_server", 1, 3);
  return 1;
}

const luaL_Reg start_functions[] = {{"start_server", f_start_server}, {NULL, NULL}};
