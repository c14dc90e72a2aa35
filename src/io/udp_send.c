/* SPDX-License-Identifier: MIT
 * The outgoing side. A datagram is sent at once. What the system does not take at once is copied and given
 * to libuv; a UdpSend stands for it, a block that lives until it is sent and nobody asks for it any more. */
#include <string.h>

#include "base/memory.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "io/udp.h"
#include "kernel/fail.h"

typedef struct {
  uv_udp_send_t request;
  Udp *udp;     /* borrowed until done */
  Link waiters; /* Tasks */
  int status;
  bool done, held;
  char data[];
} UdpSend;

typedef struct {
  Head head;
  UdpSend *send;
} UdpSent; /* what send() gives then */

/* User values of a send to a name, after the socket. */
enum { AT_HOST = 2, AT_DATA };

/* ---- later ---- */

static void send_release(UdpSend *send) {
  if (send->done && !send->held) memory_delete(send);
}

static void on_sent(uv_udp_send_t *request, int status) {
  UdpSend *send = container_of(request, UdpSend, request);
  Udp *udp = send->udp;
  send->done = true;
  send->status = status;
  if (status < 0) udp->unsent++;
  if (udp->io) tasks_wake(udp->core, &send->waiters);
  if (--udp->sending == 0 && udp->closing) udp_shut(udp);
  send_release(send);
}

/* Pushes what stands for it. 0, or a uv error. */
static int send_later(lua_State *L, Udp *udp, const uv_buf_t *data, const struct sockaddr *to) {
  UdpSent *box = object_new(L, &udp_sent_type, sizeof *box, 0);
  if (udp->closing) return UV_ECONNABORTED; /* by a finalizer */
  UdpSend *send = memory_resize(NULL, sizeof *send + data->len);
  if (!send) return UV_ENOMEM;
  send->udp = udp;
  send->done = false;
  list_create(&send->waiters);
  memcpy(send->data, data->base, data->len);
  uv_buf_t copy = {.base = send->data, .len = data->len};
  int status = uv_udp_send(&send->request, &udp->handle, &copy, 1, to, on_sent);
  if (status < 0) {
    memory_delete(send);
    return status;
  }
  udp->sending++;
  send->held = true;
  box->send = send;
  return 0;
}

static int k_sent(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_sent, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  UdpSent *box = lua_touserdata(L, -1);
  return box->send->status < 0 ? udp_raise(L, box->send->status, "send") : 0;
}

/* The UdpSent is at the top. */
static int sent_park(lua_State *L, Core *core, UdpSent *box) {
  if (box->send->done) return box->send->status < 0 ? udp_raise(L, box->send->status, "send") : 0;
  Task *task = core->current;
  list_append(&box->send->waiters, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_sent, (lua_KContext)core);
}

static int sent_await(lua_State *L, Core *core, Head *head) { return sent_park(L, core, (UdpSent *)head); }

static int sent_gc(lua_State *L) {
  UdpSent *box = lua_touserdata(L, 1);
  UdpSend *send = box->send;
  if (!send) return 0;
  box->send = NULL;
  send->held = false;
  list_create(&send->waiters); /* who waited is gone too */
  send_release(send);
  return 0;
}

static const luaL_Reg sent_metamethods[] = {{"__gc", sent_gc}, {NULL, NULL}};
const Type udp_sent_type = {.name = "neap.Datagram:send", .await = sent_await, .metamethods = sent_metamethods};

/* ---- at once ---- */

static int start_sent(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(core), UNUSED(task);
  return op->integer < 0 ? udp_raise(L, (int)op->integer, "send") : 0;
}

/* Pushes what tells how it went when it is awaited. The box is at index 1. */
static int push_outcome(lua_State *L, Udp *udp, int status) {
  if (LIKELY(status >= 0)) {
    if (LIKELY(lua_getiuservalue(L, 1, UDP_SENT_OP) == LUA_TUSERDATA)) return 1;
    op_new(L, start_sent, "neap.Datagram:send", 1, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, UDP_SENT_OP);
    return 1;
  }
  udp->unsent++;
  op_new(L, start_sent, "neap.Datagram:send", 1, 0)->integer = status;
  return 1;
}

static int send_now(Udp *udp, const uv_buf_t *data, const struct sockaddr *to) {
  if (UNLIKELY(udp->closing)) return UV_ECONNABORTED; /* by a finalizer, since it was looked at */
  if (UNLIKELY(udp->error != 0)) return udp_take_error(udp);
  return uv_udp_try_send(&udp->handle, data, 1, to);
}

/* ---- to a name: when it is awaited ---- */

static bool pick_address(const Udp *udp, Addresses *addresses, Address *to) {
  bool found = false;
  for (Address next; !found && addresses_next(addresses, &next);) {
    if (next.any.sa_family != udp->self.any.sa_family) continue;
    *to = next;
    found = true;
  }
  return found;
}

static int send_resolved(lua_State *L, Core *core, const Op *op) {
  Udp *udp = udp_of_op(L, op);
  Address to;
  uv_buf_t data;
  if (!pick_address(udp, lua_touserdata(L, 2), &to)) return udp_raise(L, UV_EAI_ADDRFAMILY, "send");
  address_set_port(&to, (int)op->integer);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, AT_DATA);
  data.base = (char *)lua_tolstring(L, -1, &data.len);
  int status = send_now(udp, &data, &to.any);
  if (status == UV_EAGAIN) {
    status = send_later(L, udp, &data, &to.any);
    if (status == 0) return sent_park(L, core, lua_touserdata(L, -1));
  }
  if (status >= 0) return 0;
  udp->unsent++;
  return udp_raise(L, status, "send");
}

static int k_send_resolved(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_send_resolved, context);
  if (UNLIKELY(wait_cancelled(core->current))) return wait_raise(L, core, core->current);
  Addresses *addresses = lua_touserdata(L, 2);
  if (addresses->status == 0) return send_resolved(L, core, lua_touserdata(L, 1));
  lua_getiuservalue(L, 1, AT_HOST);
  return raise_unresolved(L, addresses->status, lua_tostring(L, -1));
}

static int start_send_name(lua_State *L, Core *core, Task *task, Op *op) {
  Udp *udp = udp_of_op(L, op);
  Addresses *addresses = addresses_new(L);
  lua_getiuservalue(L, 1, AT_HOST);
  bool here = resolve(L, core, task, addresses, lua_tostring(L, -1), (int)op->integer, udp->self.any.sa_family, false);
  lua_settop(L, 2);
  if (here) return send_resolved(L, core, op);
  return wait_park(L, core, task, abort_resolve, k_send_resolved, (lua_KContext)core);
}

/* socket, data, host, port */
static int push_send_name(lua_State *L, int port) {
  lua_settop(L, 3);
  lua_insert(L, 2);
  Op *op = op_new(L, start_send_name, "neap.Datagram:send", 1, 2);
  op->integer = port;
  return 1;
}

/* ---- the Lua side ---- */

/* The address of a numeric host at index 3, with the port; false: it is a name. */
static bool numeric_host(lua_State *L, UdpBox *box, int port, Address *to) {
  bool known = lua_getiuservalue(L, 1, UDP_HOST) == LUA_TSTRING && lua_rawequal(L, -1, 3);
  lua_pop(L, 1);
  if (known)
    *to = box->known;
  else if (!address_parse(to, lua_tostring(L, 3), port))
    return false;
  else {
    box->known = *to;
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 1, UDP_HOST);
  }
  address_set_port(to, port);
  return true;
}

/* awaitable = socket:send(data [, host, port]), or socket:sendto(...) */
int f_udp_send(lua_State *L) {
  UdpBox *box = udp_check(L);
  Udp *udp = udp_open_check(L);
  Address address;
  const struct sockaddr *to = NULL;
  uv_buf_t data;
  if (UNLIKELY(!lua_isstring(L, 2))) return argument_error(L, 2, "string or number");
  data.base = (char *)lua_tolstring(L, 2, &data.len);
  if (udp->connected) {
    luaL_argcheck(L, lua_isnoneornil(L, 3), 3, "no host expected: the socket is connected");
  } else {
    check_host(L, 3);
    int port = check_port(L, 4, 1);
    if (!numeric_host(L, box, port, &address)) return push_send_name(L, port);
    to = &address.any;
  }
  int status = send_now(udp, &data, to);
  if (LIKELY(status != UV_EAGAIN)) return push_outcome(L, udp, status);
  status = send_later(L, udp, &data, to);
  return status < 0 ? push_outcome(L, udp, status) : 1;
}
