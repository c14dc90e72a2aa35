/* SPDX-License-Identifier: MIT
 * Opening: the names of both ends are resolved, then the pairs of addresses of one family are tried in turn.
 * The box stands on the task's stack from the beginning. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "io/resolve.h"
#include "io/stream.h"
#include "io/udp.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

enum { AT_OP = 1, AT_BOX, AT_LOCAL, AT_REMOTE, AT_TOP = AT_REMOTE }; /* the task's stack */
enum { ARG_OPTIONS = 1, ARG_LOCAL, ARG_REMOTE, ARG_WHERE };          /* user values of the operation */
enum { CANDIDATES = 16 };

/* ---- one pair ---- */

typedef struct {
  const Address *local, *remote; /* remote NULL: none */
  const char *step;              /* what failed: "bind", "connect" */
} UdpAttempt;

static int set_buffers(Udp *udp, const UdpOptions *options) {
  int size = options->receive_buffer, status = 0;
  if (size > 0) status = uv_recv_buffer_size((uv_handle_t *)&udp->handle, &size);
  size = options->send_buffer;
  if (status == 0 && size > 0) status = uv_send_buffer_size((uv_handle_t *)&udp->handle, &size);
  return status;
}

static int udp_set(Udp *udp, const UdpOptions *options) {
  int status = set_buffers(udp, options);
  if (status == 0 && options->broadcast) status = uv_udp_set_broadcast(&udp->handle, 1);
  if (status == 0 && options->ttl > 0) status = uv_udp_set_ttl(&udp->handle, options->ttl);
  return status;
}

static int udp_bind(Udp *udp, const UdpOptions *options, const Address *local) {
  int on = 1;
  if (options->reuse_port && setsockopt(udp->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return UV_ENOTSUP;
  return uv_udp_bind(&udp->handle, &local->any, 0);
}

static int udp_adopt(Udp *udp, int fd) {
  int type;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return -errno;
  return type == SOCK_DGRAM ? uv_udp_open(&udp->handle, fd) : UV_EINVAL;
}

/* Everything but the creation. 0, or a uv error of attempt->step. */
static int udp_set_up(Udp *udp, const UdpOptions *options, UdpAttempt *attempt) {
  uv_os_fd_t fd = -1;
  int status = options->fd >= 0 ? udp_adopt(udp, options->fd) : 0;
  if (status == 0) status = uv_fileno((uv_handle_t *)&udp->handle, &fd);
  udp->fd = fd;
  if (status == 0) status = udp_set(udp, options);
  if (status < 0 || options->fd >= 0) return status;
  attempt->step = "bind";
  status = udp_bind(udp, options, attempt->local);
  if (status < 0 || !attempt->remote) return status;
  attempt->step = "connect";
  return uv_udp_connect(&udp->handle, &attempt->remote->any);
}

static void know_addresses(Udp *udp) {
  int size = sizeof udp->self;
  if (uv_udp_getsockname(&udp->handle, &udp->self.any, &size) < 0) udp->self.any.sa_family = 0;
  size = sizeof udp->peer;
  udp->connected = uv_udp_getpeername(&udp->handle, &udp->peer.any, &size) == 0;
  if (!udp->connected) udp->peer.any.sa_family = 0;
}

static int udp_try(Io *io, UdpBox *box, const UdpOptions *options, UdpAttempt *attempt) {
  int status;
  attempt->step = "open_datagram";
  Udp *udp = udp_new(io, options, options->fd >= 0 ? AF_UNSPEC : attempt->local->any.sa_family, &status);
  if (!udp) return status;
  udp->held = true;
  status = udp_set_up(udp, options, attempt);
  if (status < 0) {
    udp_discard(udp);
    return status;
  }
  know_addresses(udp);
  box->udp = udp;
  return 0;
}

/* ---- all of them ---- */

static int opened(lua_State *L) {
  lua_getiuservalue(L, AT_OP, ARG_WHERE);
  lua_setiuservalue(L, AT_BOX, UDP_ORIGIN);
  lua_settop(L, AT_BOX);
  return 1;
}

static const UdpOptions *options_of(lua_State *L) {
  lua_getiuservalue(L, AT_OP, ARG_OPTIONS);
  const UdpOptions *options = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return options;
}

static const char *host_of(lua_State *L, int arg) {
  lua_getiuservalue(L, AT_OP, arg);
  const char *host = lua_tostring(L, -1);
  lua_pop(L, 1);
  return host;
}

static int candidates(Addresses *addresses, int family, Address found[CANDIDATES]) {
  int n = 0;
  while (n < CANDIDATES && addresses_next(addresses, &found[n]))
    if (family == AF_UNSPEC || found[n].any.sa_family == family) n++;
  return n;
}

/* The addresses to bind to: without a host, any, of the families that there may be. */
static int local_candidates(lua_State *L, const UdpOptions *options, bool remote, Address found[CANDIDATES]) {
  int n = 0;
  if (host_of(L, ARG_LOCAL)) return candidates(lua_touserdata(L, AT_LOCAL), options->family, found);
  if (options->family != AF_INET6) address_parse(&found[n++], "0.0.0.0", options->local_port);
  if (options->family == AF_INET6 || (options->family == AF_UNSPEC && remote)) address_parse(&found[n++], "::", options->local_port);
  return n;
}

static int raise_attempt(lua_State *L, const UdpAttempt *attempt, int status) {
  char text[ADDRESS_TEXT];
  if (strcmp(attempt->step, "open_datagram") == 0) return fail_raise_uv(L, status, attempt->step);
  const Address *address = strcmp(attempt->step, "bind") == 0 ? attempt->local : attempt->remote;
  return fail_raise_uv(L, status, lua_pushfstring(L, "%s %s", attempt->step, address_text(address, text)));
}

/* Both ends are resolved. */
static int open_any(lua_State *L) {
  const UdpOptions *options = options_of(L);
  UdpBox *box = lua_touserdata(L, AT_BOX);
  Io *io = io_of(L);
  Address locals[CANDIDATES], remotes[CANDIDATES];
  bool remote = host_of(L, ARG_REMOTE) != NULL;
  int local_count = local_candidates(L, options, remote, locals);
  int remote_count = remote ? candidates(lua_touserdata(L, AT_REMOTE), options->family, remotes) : 1;
  int status = UV_EAI_ADDRFAMILY;
  UdpAttempt attempt = {.step = "open_datagram"};
  for (int i = 0; i < remote_count; i++) {
    for (int j = 0; j < local_count; j++) {
      if (remote && remotes[i].any.sa_family != locals[j].any.sa_family) continue;
      attempt.local = &locals[j];
      attempt.remote = remote ? &remotes[i] : NULL;
      status = udp_try(io, box, options, &attempt);
      if (status == 0) return opened(L);
    }
  }
  return raise_attempt(L, &attempt, status);
}

/* Resolves the remote end. */
static int k_remote(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_remote, context);
  if (UNLIKELY(wait_cancelled(core->current))) return wait_raise(L, core, core->current);
  Addresses *addresses = lua_touserdata(L, AT_REMOTE);
  return addresses->status == 0 ? open_any(L) : raise_unresolved(L, addresses->status, host_of(L, ARG_REMOTE));
}

static int open_remote(lua_State *L, Core *core) {
  const char *host = host_of(L, ARG_REMOTE);
  const UdpOptions *options = options_of(L);
  Task *task = core->current;
  if (!host || resolve(L, core, task, lua_touserdata(L, AT_REMOTE), host, options->remote_port, options->family, false))
    return open_any(L);
  return wait_park(L, core, task, abort_resolve, k_remote, (lua_KContext)core);
}

static int k_local(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_local, context);
  if (UNLIKELY(wait_cancelled(core->current))) return wait_raise(L, core, core->current);
  Addresses *addresses = lua_touserdata(L, AT_LOCAL);
  return addresses->status == 0 ? open_remote(L, core) : raise_unresolved(L, addresses->status, host_of(L, ARG_LOCAL));
}

static int start_open(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  object_new(L, &udp_type, sizeof(UdpBox), UDP_SLOTS);
  addresses_new(L);
  addresses_new(L);
  const char *host = host_of(L, ARG_LOCAL);
  const UdpOptions *options = options_of(L);
  if (!host || resolve(L, core, task, lua_touserdata(L, AT_LOCAL), host, options->local_port, options->family, true))
    return open_remote(L, core);
  return wait_park(L, core, task, abort_resolve, k_local, (lua_KContext)core);
}

/* ---- the Lua side ---- */

/* Pushes the host of {host, port}, {host =, port =} or {ip =, port =} in the field of the table at 1, or nil. */
static int check_end(lua_State *L, const char *field, bool remote) {
  int integral = 1;
  lua_Integer port = 0;
  if (lua_getfield(L, 1, field) == LUA_TNIL) return 0;
  int end = lua_gettop(L);
  if (lua_type(L, end) != LUA_TTABLE) luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': a table {host, port} expected", field));
  if (lua_getfield(L, end, "port") != LUA_TNIL || lua_geti(L, end, 2) != LUA_TNIL) port = lua_tointegerx(L, -1, &integral);
  if (lua_type(L, -1) == LUA_TSTRING || !integral || port < remote || port > 65535)
    luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': a port from %d to 65535 expected", field, (int)remote));
  lua_settop(L, end);
  if (lua_getfield(L, end, "host") == LUA_TNIL && lua_getfield(L, end, "ip") == LUA_TNIL) lua_geti(L, end, 1);
  size_t size = 0;
  const char *host = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  if (host ? size == 0 || strlen(host) != size : remote || !lua_isnil(L, -1))
    luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': a host, a name or a numeric address, expected", field));
  lua_replace(L, end);
  lua_settop(L, end);
  return (int)port;
}

static int field_int(lua_State *L, const char *field, int most) {
  size_t size = field_size(L, 1, field, 0, 1);
  if (size > (size_t)most) luaL_argerror(L, 1, lua_pushfstring(L, "field '%s': at most %d expected", field, most));
  return (int)size;
}

static int field_fd(lua_State *L) {
  size_t fd = field_size(L, 1, "fd", SIZE_MAX, 0);
  if (fd == SIZE_MAX) return -1;
  luaL_argcheck(L, fd <= 0x7fffffff, 1, "field 'fd': not a descriptor");
  luaL_argcheck(L, lua_isnil(L, 3) && lua_isnil(L, 4), 1, "field 'fd': no address expected beside it");
  return (int)fd;
}

/* awaitable = open_datagram([{local_addr =, remote_addr =, family =, ...}]) */
static int f_open_datagram(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  check_fields(L, 1, "local_addr remote_addr family reuse_port broadcast ttl limit max_size recv_buffer_size send_buffer_size fd");
  UdpOptions *options = lua_newuserdatauv(L, sizeof *options, 0);
  options->local_port = check_end(L, "local_addr", false); /* -> options, local host */
  options->remote_port = check_end(L, "remote_addr", true);
  options->fd = field_fd(L);
  options->family = field_family(L, 1);
  options->limit = field_size(L, 1, "limit", UDP_LIMIT, 1);
  options->max_size = field_size(L, 1, "max_size", UDP_LARGEST, 1);
  if (options->max_size > UDP_LARGEST) options->max_size = UDP_LARGEST;
  options->receive_buffer = field_int(L, "recv_buffer_size", 1 << 30);
  options->send_buffer = field_int(L, "send_buffer_size", 1 << 30);
  options->ttl = field_int(L, "ttl", 255);
  options->reuse_port = field_flag(L, 1, "reuse_port", false);
  options->broadcast = field_flag(L, 1, "broadcast", false);
  trace_where(L, L, 1); /* table, options, local, remote, where */
  lua_remove(L, 1);
  op_new(L, start_open, "neap.open_datagram", 1, 3);
  return 1;
}

const luaL_Reg udp_functions[] = {{"open_datagram", f_open_datagram}, {NULL, NULL}};
