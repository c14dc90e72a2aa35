/* SPDX-License-Identifier: MIT */
#include "io/udp.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "io/stream.h"
#include "kernel/fail.h"
#include "kernel/report.h"

int udp_raise(lua_State *L, int status, const char *what) {
  return fail_raise_uv(L, status, status == UV_ECONNABORTED ? "the socket was closed" : what);
}

/* ---- the block ---- */

static void udp_release(Udp *udp) {
  if (!udp->held && udp->closed) memory_delete(udp);
}

static void on_udp_closed(uv_handle_t *handle) {
  Udp *udp = container_of((uv_udp_t *)handle, Udp, handle);
  udp->closed = true;
  list_remove(&udp->all);
  if (udp->io) tasks_wake(udp->core, &udp->closers);
  udp_release(udp);
}

Udp *udp_new(Io *io, const UdpOptions *options, int family, int *status) {
  Udp *udp = memory_new(sizeof *udp);
  *status = UV_ENOMEM;
  if (!udp) return NULL;
  *status = uv_udp_init_ex(io->core->loop, &udp->handle, (unsigned)family);
  if (*status < 0) {
    memory_delete(udp);
    return NULL;
  }
  udp->handle.data = NULL; /* luv takes every handle with data for its own */
  uv_unref((uv_handle_t *)&udp->handle);
  udp->core = io->core;
  udp->io = io;
  udp->limit = options->limit;
  udp->max_size = options->max_size;
  list_create(&udp->receivers);
  list_create(&udp->closers);
  list_create(&udp->all);
  list_append(&io->datagrams, &udp->all);
  return udp;
}

/* ---- its end ---- */

void udp_shut(Udp *udp) {
  if (udp->shut) return;
  udp->lost += udp_kernel_drops(udp);
  udp->closing = udp->shut = true;
  udp->receiving = false;
  udp->queued = 0;
  buffer_destroy(&udp->in);
  tasks_wake(udp->core, &udp->receivers);
  uv_close((uv_handle_t *)&udp->handle, on_udp_closed);
}

void udp_close(Udp *udp) {
  if (udp->closing) return;
  udp->closing = true;
  udp_receive_stop(udp);
  tasks_wake(udp->core, &udp->receivers);
  if (udp->sending == 0) udp_shut(udp);
}

void udp_discard(Udp *udp) {
  udp->held = false;
  udp_shut(udp);
  udp_release(udp);
}

void udp_orphan(Udp *udp) {
  udp->io = NULL;
  udp_shut(udp);
}

/* ---- the box ---- */

UdpBox *udp_check(lua_State *L) {
  UdpBox *box = object_check(L, 1, &udp_type);
  if (UNLIKELY(!box->udp)) udp_raise(L, UV_ECONNABORTED, NULL);
  return box;
}

Udp *udp_open_check(lua_State *L) {
  Udp *udp = udp_check(L)->udp;
  if (UNLIKELY(udp->closing)) udp_raise(L, UV_ECONNABORTED, NULL);
  return udp;
}

enum { UDP_TEXT = 2 * ADDRESS_TEXT + 96 };

static char *udp_text(const Udp *udp, char text[UDP_TEXT]) {
  char self[ADDRESS_TEXT], peer[ADDRESS_TEXT];
  snprintf(text, UDP_TEXT, "neap.Datagram (%s, %s%s%s, %u queued)",
           udp->closed ? "closed" : udp->closing ? "closing" : "open", address_text(&udp->self, self),
           udp->connected ? " -> " : "", udp->connected ? address_text(&udp->peer, peer) : "", udp->queued);
  return text;
}

/* An unreferenced socket is closed. Whoever waited in it is gone too: the Lua state closes. */
static int udp_gc(lua_State *L) {
  UdpBox *box = lua_touserdata(L, 1);
  Udp *udp = box->udp;
  Core *core = core_of(L);
  if (!udp) return 0;
  box->udp = NULL;
  udp->held = false;
  list_create(&udp->receivers);
  list_create(&udp->closers);
  bool forgotten = !udp->closing;
  char text[UDP_TEXT] = "";
  if (forgotten && core->debug) udp_text(udp, text);
  udp_close(udp);
  udp_release(udp);
  if (!forgotten || !core->debug) return 0;
  const char *where = lua_getiuservalue(L, 1, UDP_ORIGIN) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  report_text(L, core, "%s was never closed (made at %s)", text, where);
  return 0;
}

/* ---- the Lua side ---- */

/* socket:close(): sends what is under way first */
static int f_udp_close(lua_State *L) {
  UdpBox *box = object_check(L, 1, &udp_type);
  if (box->udp) udp_close(box->udp);
  return 0;
}

/* socket:abort() */
static int f_udp_abort(lua_State *L) {
  UdpBox *box = object_check(L, 1, &udp_type);
  if (box->udp) udp_shut(box->udp);
  return 0;
}

/* closing = socket:is_closing() */
static int f_udp_is_closing(lua_State *L) {
  lua_pushboolean(L, udp_check(L)->udp->closing);
  return 1;
}

static int k_udp_closed(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_udp_closed, context);
  list_remove(&core->current->wait.u.link);
  return wait_cancelled(core->current) ? wait_raise(L, core, core->current) : 0;
}

static int start_udp_wait_closed(lua_State *L, Core *core, Task *task, Op *op) {
  Udp *udp = ((UdpBox *)op->self)->udp;
  if (!udp || udp->closed) return 0;
  list_append(&udp->closers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_udp_closed, (lua_KContext)core);
}

/* awaitable = socket:wait_closed() */
static int f_udp_wait_closed(lua_State *L) {
  udp_check(L);
  lua_settop(L, 1);
  op_new(L, start_udp_wait_closed, "neap.Datagram:wait_closed", 1, 0);
  return 1;
}

/* {ip =, port =, family =} = socket:getsockname() */
static int f_udp_getsockname(lua_State *L) {
  address_push(L, &udp_check(L)->udp->self);
  return 1;
}

/* value = socket:get_extra_info(name [, default]): "sockname", "peername", "socket" (its number) */
static int f_udp_get_extra_info(lua_State *L) {
  Udp *udp = udp_check(L)->udp;
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  if (strcmp(name, "sockname") == 0)
    address_push(L, &udp->self);
  else if (strcmp(name, "peername") == 0)
    address_push(L, &udp->peer);
  else if (strcmp(name, "socket") == 0 && !udp->shut)
    lua_pushinteger(L, udp->fd);
  if (lua_isnil(L, -1)) lua_settop(L, 3);
  return 1;
}

/* received, sent = socket:dropped(): datagrams that the system dropped since its queue was full, and those that
 * could not be sent */
static int f_udp_dropped(lua_State *L) {
  Udp *udp = udp_check(L)->udp;
  lua_pushinteger(L, (lua_Integer)(udp->lost + udp_kernel_drops(udp)));
  lua_pushinteger(L, (lua_Integer)udp->unsent);
  return 2;
}

static int f_udp_tostring(lua_State *L) {
  UdpBox *box = object_check(L, 1, &udp_type);
  char text[UDP_TEXT];
  lua_pushstring(L, box->udp ? udp_text(box->udp, text) : "neap.Datagram (closed)");
  return 1;
}

static const luaL_Reg methods[] = {
    {"recv", f_udp_recv},
    {"recv_many", f_udp_recv_many},
    {"iter", f_udp_iter},
    {"send", f_udp_send},
    {"sendto", f_udp_send},
    {"close", f_udp_close},
    {"abort", f_udp_abort},
    {"is_closing", f_udp_is_closing},
    {"wait_closed", f_udp_wait_closed},
    {"getsockname", f_udp_getsockname},
    {"get_extra_info", f_udp_get_extra_info},
    {"dropped", f_udp_dropped},
    {"join", f_udp_join},
    {"leave", f_udp_leave},
    {"set_broadcast", f_udp_set_broadcast},
    {"set_ttl", f_udp_set_ttl},
    {"set_multicast_ttl", f_udp_set_multicast_ttl},
    {"set_multicast_loop", f_udp_set_multicast_loop},
    {"set_multicast_interface", f_udp_set_multicast_interface},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__tostring", f_udp_tostring}, {"__close", f_udp_close}, {"__gc", udp_gc}, {NULL, NULL}};

const Type udp_type = {.name = "neap.Datagram", .methods = methods, .metamethods = metamethods};
