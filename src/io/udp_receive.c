/* SPDX-License-Identifier: MIT
 * The incoming side. A datagram stays in the queue until a task runs that takes it, so that a cancelled
 * recv loses none. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "io/stream.h"
#include "io/udp.h"

enum {
  SLOT = UDP_LARGEST + 192, /* bytes in the slab a datagram: beginnings share no cache set */
  KEEP = 32768 /* an empty queue larger than this is given back */
};

/* ---- from the kernel to the queue ---- */

/* Where datagrams are received into; shared by all sockets, since nothing stays in it. */
typedef struct UdpInbox {
  size_t max_size; /* that `places` are prepared for */
  struct mmsghdr messages[UDP_BATCH];
  struct iovec places[UDP_BATCH];
  Address from[UDP_BATCH];
  char slots[UDP_BATCH][SLOT];
} UdpInbox;

static void inbox_prepare(UdpInbox *inbox, size_t max_size) {
  inbox->max_size = max_size;
  for (int i = 0; i < UDP_BATCH; i++) {
    inbox->places[i] = (struct iovec){inbox->slots[i], max_size};
    inbox->messages[i].msg_hdr = (struct msghdr){.msg_name = &inbox->from[i], .msg_namelen = sizeof inbox->from[i],
                                                 .msg_iov = &inbox->places[i], .msg_iovlen = 1};
  }
}

/* With room for datagrams of the size that the socket keeps; NULL: no memory. */
static UdpInbox *inbox_for(Udp *udp) {
  Io *io = udp->io;
  if (UNLIKELY(!io->udp_inbox)) {
    io->udp_inbox = memory_resize(NULL, sizeof *io->udp_inbox);
    if (!io->udp_inbox) return NULL;
    io->udp_inbox->max_size = 0;
  }
  if (UNLIKELY(io->udp_inbox->max_size != udp->max_size)) inbox_prepare(io->udp_inbox, udp->max_size);
  return io->udp_inbox;
}

/* How many came; -1: errno. msg_len tells the whole size, also of what was cut. */
static int udp_receive_batch(const Udp *udp, UdpInbox *inbox) {
  int n;
  do
    n = recvmmsg(udp->fd, inbox->messages, UDP_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
  while (n < 0 && errno == EINTR);
  return n;
}

static bool udp_keep(Udp *udp, struct mmsghdr *message) {
  UdpRecord record;
  size_t whole = message->msg_len;
  memset(&record, 0, sizeof record);
  record.whole = (uint32_t)whole;
  record.size = (uint32_t)(whole < udp->max_size ? whole : udp->max_size);
  if (message->msg_hdr.msg_namelen > 0) address_copy(&record.from, message->msg_hdr.msg_name);
  message->msg_hdr.msg_namelen = sizeof(Address); /* for the next one */
  if (!buffer_reserve(&udp->in, sizeof record + record.size)) return false;
  buffer_append(&udp->in, (const char *)&record, sizeof record);
  buffer_append(&udp->in, message->msg_hdr.msg_iov->iov_base, record.size);
  udp->queued++;
  return true;
}

static void udp_wake(Udp *udp, unsigned n) {
  list_each(link, &udp->receivers) {
    Task *task = task_of_link(link);
    if (n == 0) return;
    if (!wait_pending(task)) continue;
    wait_post(udp->core, task);
    n--;
  }
}

/* The next recv tells, and goes on: what fails for ever must not be polled for ever. */
static void udp_failed(Udp *udp, int status) {
  udp->error = status;
  udp_receive_stop(udp);
  udp_wake(udp, 1);
}

static void udp_receive(Udp *udp) {
  UdpInbox *inbox = inbox_for(udp);
  if (UNLIKELY(!inbox)) {
    udp_failed(udp, UV_ENOMEM);
    return;
  }
  int n = udp_receive_batch(udp, inbox), kept = 0;
  if (n < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) udp_failed(udp, -errno);
    return;
  }
  for (int i = 0; i < n; i++)
    if (udp_keep(udp, &inbox->messages[i])) kept++;
  udp_wake(udp, (unsigned)kept);
  if (kept < n) {
    udp->lost += (uint64_t)(n - kept);
    udp_failed(udp, UV_ENOMEM);
  }
  if (buffer_size(&udp->in) >= udp->limit) udp_receive_stop(udp);
}

static void on_udp_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  UNUSED(handle), UNUSED(suggested);
  *buf = (uv_buf_t){.base = NULL, .len = 0}; /* libuv receives nothing and calls on_udp_ready with ENOBUFS */
}

static void on_udp_ready(uv_udp_t *handle, ssize_t size, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
  Udp *udp = container_of(handle, Udp, handle);
  UNUSED(buf), UNUSED(from), UNUSED(flags);
  if (LIKELY(size == UV_ENOBUFS)) udp_receive(udp);
}

static int udp_receive_start(Udp *udp) {
  if (LIKELY(udp->receiving)) return 0;
  int status = uv_udp_recv_start(&udp->handle, on_udp_alloc, on_udp_ready);
  udp->receiving = status == 0;
  return status;
}

void udp_receive_stop(Udp *udp) {
  if (!udp->receiving) return;
  udp->receiving = false;
  uv_udp_recv_stop(&udp->handle);
}

uint64_t udp_kernel_drops(const Udp *udp) {
#ifdef SO_MEMINFO
  enum { DROPS = 8, FIELDS }; /* SK_MEMINFO_DROPS of linux/sock_diag.h */
  uint32_t info[FIELDS];
  socklen_t size = sizeof info;
  if (!udp->shut && getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 && size == sizeof info) return info[DROPS];
#endif
  UNUSED(udp);
  return 0;
}

/* ---- from the queue to Lua ---- */

static bool same_host(const Address *a, const Address *b) {
  if (a->any.sa_family != b->any.sa_family) return false;
  if (a->any.sa_family == AF_INET) return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
  return a->any.sa_family == AF_INET6 && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
         memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
}

/* Pushes the host of an address that is not the one known, and knows it. The box is at `index`. */
static void push_new_host(lua_State *L, int index, UdpBox *box, const Address *from) {
  char ip[ADDRESS_IP];
  if (!address_ip(from, ip)) {
    lua_pushnil(L); /* a socket of another kind, which was given as a descriptor */
    return;
  }
  lua_pushstring(L, ip);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, UDP_HOST);
  box->known = *from;
}

/* Pushes data, host, port, and the size of one that was cut, of the datagram at *offset in the queue; their number.
 * The box is at `index`. It stays in the queue, for what is pushed may raise. */
static int push_datagram(lua_State *L, int index, UdpBox *box, size_t *offset) {
  const char *at = buffer_data(&box->udp->in) + *offset;
  UdpRecord record;
  memcpy(&record, at, sizeof record);
  *offset += sizeof record + record.size;
  lua_pushlstring(L, at + sizeof record, record.size); /* a finalizer may close the socket from here on */
  if (LIKELY(same_host(&box->known, &record.from)))
    lua_getiuservalue(L, index, UDP_HOST);
  else
    push_new_host(L, index, box, &record.from);
  if (UNLIKELY(lua_isnil(L, -1)))
    lua_pushnil(L);
  else
    lua_pushinteger(L, address_port(&record.from));
  if (LIKELY(record.size == record.whole)) return 3;
  lua_pushinteger(L, record.whole);
  return 4;
}

/* The first n, so many bytes, are somebody's now. */
static void udp_taken(Udp *udp, unsigned n, size_t bytes) {
  if (UNLIKELY(udp->shut)) return; /* meanwhile: the queue is gone */
  buffer_consume(&udp->in, bytes);
  udp->queued -= n;
  if (UNLIKELY(!udp->receiving) && !udp->closing && buffer_size(&udp->in) <= udp->limit / 2) udp_receive_start(udp);
}

static int udp_take(lua_State *L, int index, UdpBox *box) {
  size_t bytes = 0;
  int values = push_datagram(L, index, box, &bytes);
  udp_taken(box->udp, 1, bytes);
  return values;
}

/* ---- awaiting them ---- */

enum { RECV_ONE, RECV_NEXT, RECV_MANY };

/* list = the datagrams that are there, at most so many; the box is below it */
static int take_many(lua_State *L, UdpBox *box, lua_Integer most) {
  static const char *const fields[] = {"size", "port", "host", "data"};
  Udp *udp = box->udp;
  unsigned n = 0, wanted = udp->queued < most ? udp->queued : (unsigned)most;
  size_t bytes = 0;
  lua_createtable(L, (int)wanted, 1);
  int list = lua_gettop(L);
  while (n < wanted && !udp->shut) {
    lua_createtable(L, 0, 4);
    if (udp->shut) break; /* by a finalizer */
    int values = push_datagram(L, list - 1, box, &bytes);
    for (int i = 4 - values; i < 4; i++) lua_setfield(L, list + 1, fields[i]);
    lua_rawseti(L, list, ++n);
  }
  lua_settop(L, list);
  lua_pushinteger(L, n);
  lua_setfield(L, list, "n");
  udp_taken(udp, n, bytes);
  return 1;
}

static int recv_or_park(lua_State *L, Core *core, Task *task, const Op *op);

static int k_udp_recv(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_udp_recv, context);
  Task *task = core->current;
  Op *op = lua_touserdata(L, 1);
  Udp *udp = ((UdpBox *)op->self)->udp;
  list_remove(&task->wait.u.link);
  if (list_empty(&udp->receivers)) uv_unref((uv_handle_t *)&udp->handle);
  if (LIKELY(!wait_cancelled(task))) return recv_or_park(L, core, task, op);
  if (udp->queued > 0 || udp->error) udp_wake(udp, 1);
  return wait_raise(L, core, task);
}

static int recv_or_park(lua_State *L, Core *core, Task *task, const Op *op) {
  UdpBox *box = op->self;
  Udp *udp = box->udp;
  int status = 0;
  if (UNLIKELY(udp->closing)) return op->number == RECV_NEXT ? (lua_pushnil(L), 1) : udp_raise(L, UV_ECONNABORTED, NULL);
  if (UNLIKELY(udp->error != 0)) return udp_raise(L, udp_take_error(udp), "recv");
  if (udp->queued > 0) {
    lua_getiuservalue(L, 1, 1);
    return op->number == RECV_MANY ? take_many(L, box, op->integer) : udp_take(L, 2, box);
  }
  status = udp_receive_start(udp);
  if (UNLIKELY(status < 0)) return udp_raise(L, status, "recv");
  if (udp->in.room > KEEP) buffer_destroy(&udp->in);
  uv_ref((uv_handle_t *)&udp->handle);
  list_append(&udp->receivers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_udp_recv, (lua_KContext)core);
}

static int start_udp_recv(lua_State *L, Core *core, Task *task, Op *op) {
  if (UNLIKELY(!((UdpBox *)op->self)->udp)) return udp_raise(L, UV_ECONNABORTED, NULL);
  return recv_or_park(L, core, task, op);
}

/* ---- the Lua side ---- */

static Op *push_recv(lua_State *L, int slot, int kind, const char *what) {
  udp_check(L);
  if (LIKELY(slot && lua_getiuservalue(L, 1, slot) == LUA_TUSERDATA)) return NULL;
  lua_settop(L, 1);
  Op *op = op_new(L, start_udp_recv, what, 1, 0);
  op->number = kind;
  if (!slot) return op;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, slot);
  return op;
}

/* data, host, port, size = await(socket:recv()): size of one that was cut */
int f_udp_recv(lua_State *L) {
  push_recv(L, UDP_RECV_OP, RECV_ONE, "neap.Datagram:recv");
  return 1;
}

enum { PACKETS_MOST = 1 << 20 }; /* a table of as many can be made */

/* {{data =, host =, port =, size =}, ..., n =} = await(socket:recv_many([most])) */
int f_udp_recv_many(lua_State *L) {
  lua_Integer most = luaL_optinteger(L, 2, 64);
  luaL_argcheck(L, most > 0, 2, "a number of datagrams, at least 1, expected");
  push_recv(L, 0, RECV_MANY, "neap.Datagram:recv_many")->integer = most < PACKETS_MOST ? most : PACKETS_MOST;
  return 1;
}

/* for data, host, port, size in socket:iter() do */
int f_udp_iter(lua_State *L) {
  push_recv(L, UDP_ITER_OP, RECV_NEXT, "neap.Datagram:iter");
  await_push_function(L, core_of(L));
  lua_insert(L, -2);
  return 2;
}
