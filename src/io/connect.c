/* SPDX-License-Identifier: MIT
 * Everything is decided in continuations; the callbacks only note how it went and post the wait.
 * The box of the stream stands on the task's stack from the beginning: whatever happens to the task,
 * the socket of the attempt under way has an owner. */
#include "io/connect.h"

#include <string.h>

#include "io/resolve.h"
#include "io/stream.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

/* The stack of a task in it. ERRORS: the text of those before, or nil. */
enum { AT_OP = 1, AT_BOX, AT_ADDRESSES, AT_ERRORS, AT_TOP = AT_ERRORS };

/* User values of the operation: the host, options, local ip, where. */
enum { ARG_HOST = 1, ARG_OPTIONS, ARG_LOCAL, ARG_WHERE };

typedef struct {
  StreamOptions stream;
  int port, local_port;
  int status; /* of the first failure */
  bool mixed; /* failures of several kinds */
} Attempt; /* in a userdata, user value 1 of the box until it is connected */

static int attempt(lua_State *L, Core *core, Task *task);

static void on_connected(uv_connect_t *request, int status) {
  Stream *stream = container_of(request, Stream, request.connect);
  if (stream->shut) return;
  stream->connect_status = status;
  read_wake(stream); /* the one who connects waits where readers will */
}

static bool abort_connect(Core *core, Task *task, lua_State *L, int message) {
  Stream *stream = task->wait.u.on;
  bool pending = wait_pending(task);
  bool accepted = abort_reader(core, task, L, message);
  if (pending) stream_shut(stream);
  return accepted;
}

static Attempt *attempt_of(lua_State *L) {
  lua_getiuservalue(L, AT_BOX, STREAM_READ_OP);
  Attempt *state = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return state;
}

/* Lets go of the stream of a failed attempt. */
static void discard(StreamBox *box) {
  Stream *stream = box->stream;
  if (!stream) return;
  box->stream = NULL;
  stream_discard(stream);
}

static void note_failure(lua_State *L, Attempt *state, const Address *address, int status) {
  char text[ADDRESS_TEXT];
  bool first = lua_isnil(L, AT_ERRORS);
  const char *before = first ? "" : lua_pushfstring(L, "%s; ", lua_tostring(L, AT_ERRORS));
  lua_pushfstring(L, "%s%s: %s (%s)", before, address_text(address, text), uv_strerror(status), uv_err_name(status));
  lua_replace(L, AT_ERRORS);
  lua_settop(L, AT_TOP);
  if (first) state->status = status;
  if (state->status != status) state->mixed = true;
}

static int raise_failures(lua_State *L, Attempt *state) {
  if (lua_isnil(L, AT_ERRORS)) return fail_raise_uv(L, UV_EAI_ADDRFAMILY, "connect");
  lua_pushfstring(L, "connect to %s", lua_tostring(L, AT_ERRORS));
  if (state->mixed) {
    fail_push(L, FAIL_OS, lua_tostring(L, -1));
    lua_pushstring(L, uv_err_name(state->status));
    lua_setfield(L, -2, "code");
  } else {
    fail_push_uv(L, state->status, NULL);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "message");
  }
  return lua_error(L);
}

static int connected(lua_State *L, Core *core, Stream *stream, const StreamOptions *options) {
  UNUSED(core);
  lua_pushnil(L);
  lua_setiuservalue(L, AT_BOX, STREAM_READ_OP);
  lua_getiuservalue(L, AT_OP, ARG_WHERE);
  stream_box_origin(L, AT_BOX, lua_gettop(L));
  stream_opened(stream, options);
  lua_settop(L, AT_BOX);
  return 1;
}

static int k_connect(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_connect, context);
  Task *task = core->current;
  StreamBox *box = lua_touserdata(L, AT_BOX);
  Stream *stream = box->stream;
  Attempt *state = attempt_of(L);
  if (stream->reader == task) stream->reader = NULL;
  if (UNLIKELY(wait_cancelled(task))) {
    discard(box);
    return wait_raise(L, core, task);
  }
  if (stream->connect_status == 0) return connected(L, core, stream, &state->stream);
  Address address = stream->peer;
  int failure = stream->connect_status;
  discard(box);
  note_failure(L, state, &address, failure);
  return attempt(L, core, task);
}

static int bind_local(lua_State *L, Stream *stream, const Attempt *state) {
  if (lua_getiuservalue(L, AT_OP, ARG_LOCAL) == LUA_TNIL) return lua_pop(L, 1), 0;
  Address local;
  address_parse(&local, lua_tostring(L, -1), state->local_port);
  lua_pop(L, 1);
  return uv_tcp_bind(&stream->tcp, &local.any, 0);
}

/* Tries the next address, and the ones after it as long as they fail at once. */
static int attempt(lua_State *L, Core *core, Task *task) {
  StreamBox *box = lua_touserdata(L, AT_BOX);
  Attempt *state = attempt_of(L);
  Address address;
  while (addresses_next(lua_touserdata(L, AT_ADDRESSES), &address)) {
    int status;
    Stream *stream = stream_new(io_of(L), &state->stream, &status);
    if (!stream) return raise_failures(L, (note_failure(L, state, &address, status), state));
    stream->peer = address;
    stream_box_set(box, stream);
    status = bind_local(L, stream, state);
    if (status == 0) status = uv_tcp_connect(&stream->request.connect, &stream->tcp, &address.any, on_connected);
    if (status == 0) {
      stream->reader = task;
      task->wait.u.on = stream;
      return wait_park(L, core, task, abort_connect, k_connect, (lua_KContext)core);
    }
    discard(box);
    note_failure(L, state, &address, status);
  }
  return raise_failures(L, state);
}

static int k_resolved(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_resolved, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  Addresses *addresses = lua_touserdata(L, AT_ADDRESSES);
  if (addresses->status == 0) return attempt(L, core, task);
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  return fail_raise_uv(L, addresses->status, lua_pushfstring(L, "resolve %s", lua_tostring(L, -1)));
}

static int start_connect(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  stream_box_new(L);
  addresses_new(L);
  lua_pushnil(L);
  Attempt *state = lua_newuserdatauv(L, sizeof *state, 0);
  lua_getiuservalue(L, AT_OP, ARG_OPTIONS);
  memcpy(state, lua_touserdata(L, -1), sizeof *state);
  lua_pop(L, 1);
  lua_setiuservalue(L, AT_BOX, STREAM_READ_OP);
  int port = state->port;
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  const char *host = lua_tostring(L, -1);
  bool here = resolve(L, core, task, lua_touserdata(L, AT_ADDRESSES), host, port, false);
  lua_settop(L, AT_TOP);
  if (here) return attempt(L, core, task);
  return wait_park(L, core, task, abort_resolve, k_resolved, (lua_KContext)core);
}

/* ---- the Lua side ---- */

/* Leaves the ip of the field local_addr, {ip, port} or {ip =, port =}, or nil at the top. */
static int check_local(lua_State *L, int arg) {
  Address address;
  lua_settop(L, arg);
  if (lua_isnil(L, arg) || lua_getfield(L, arg, "local_addr") == LUA_TNIL) {
    lua_settop(L, arg);
    lua_pushnil(L);
    return 0;
  }
  if (lua_type(L, -1) != LUA_TTABLE) luaL_argerror(L, arg, "field 'local_addr': a table {ip, port} expected");
  if (lua_getfield(L, arg + 1, "ip") == LUA_TNIL) lua_geti(L, arg + 1, 1);
  int ip = lua_gettop(L);
  if (lua_getfield(L, arg + 1, "port") == LUA_TNIL) lua_geti(L, arg + 1, 2);
  int integral = 1;
  lua_Integer port = lua_isnil(L, -1) ? 0 : lua_tointegerx(L, -1, &integral);
  if (!integral || port < 0 || port > 65535 || lua_type(L, ip) != LUA_TSTRING ||
      !address_parse(&address, lua_tostring(L, ip), (int)port))
    luaL_argerror(L, arg, "field 'local_addr': a numeric ip and a port from 0 to 65535 expected");
  lua_pushvalue(L, ip);
  return (int)port;
}

/* awaitable = open_connection(host, port [, {limit =, nodelay =, local_addr =}]) */
static int f_open_connection(lua_State *L) {
  lua_settop(L, 3);
  check_host(L, 1);
  Attempt options;
  memset(&options, 0, sizeof options);
  options.port = check_port(L, 2, 1);
  options.stream = stream_options(L, 3);
  options.local_port = check_local(L, 3); /* -> its ip */
  lua_replace(L, 3);
  lua_settop(L, 3);
  memcpy(lua_newuserdatauv(L, sizeof options, 0), &options, sizeof options);
  lua_insert(L, 3);
  trace_where(L, L, 1); /* host, port, options, local, where */
  op_new(L, start_connect, "neap.open_connection", 1, 3);
  return 1;
}

const luaL_Reg connect_functions[] = {{"open_connection", f_open_connection}, {NULL, NULL}};
