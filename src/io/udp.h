/* SPDX-License-Identifier: MIT
 * Datagrams: a UDP socket as a block with the handle, and a box for Lua. udp.c knows its life,
 * udp_open.c how it comes to it, udp_receive.c the incoming side, udp_send.c the outgoing one,
 * udp_options.c what can be set.
 *
 * libuv tells that something has come; it is received here, many datagrams in one call, into a queue of
 * a bounded size. Nobody drops anything but the kernel, whose own queue fills while ours is full, and
 * the kernel counts. From the first recv on the socket is watched, but it keeps the loop alive only
 * while a task waits. `closing`, `shut`, `closed` and `held` are a stream's. */
#ifndef NEAP_IO_UDP_H
#define NEAP_IO_UDP_H

#include "base/buffer.h"
#include "io/address.h"
#include "io/io.h"
#include "kernel/await.h"

enum {
  UDP_BATCH = 16,      /* datagrams received in one call */
  UDP_LARGEST = 65536, /* bytes: no datagram is larger */
  UDP_LIMIT = 262144,  /* bytes in the queue */
};

typedef struct {
  uint32_t size; /* of the data that follows, bytes */
  uint32_t whole; /* of the datagram: more, if it was cut */
  Address from;
} UdpRecord;

typedef struct Udp {
  Buffer in;       /* UdpRecords, each with its data */
  unsigned queued; /* how many */
  int fd;          /* the handle's */
  Core *core;      /* borrowed */
  Io *io;          /* borrowed; NULL once the Lua state closes */
  Link receivers;  /* Tasks */
  size_t limit;    /* bytes in `in` at which receiving pauses; it goes on at half of them */
  size_t max_size; /* bytes of a datagram that are kept */
  int error;       /* uv: of what was sent before, for the next recv or send to tell; 0: none */
  bool receiving;  /* uv_udp_recv_start is in force */
  bool connected;
  bool closing, shut, closed, held;
  uv_udp_t handle;
  unsigned sending;  /* UdpSends under way */
  uint64_t unsent;   /* datagrams that could not be sent */
  uint64_t lost;     /* received, but there was no memory; and what the kernel dropped, once it is closed */
  Link closers;      /* Tasks in wait_closed */
  Link all;          /* in io->datagrams */
  Address self, peer;
} Udp;

typedef struct {
  Head head; /* user values: see below */
  Udp *udp;
  Address known; /* of the host in user value UDP_HOST; its port means nothing */
} UdpBox;

enum { UDP_HOST = 1, UDP_RECV_OP, UDP_ITER_OP, UDP_SENT_OP, UDP_ORIGIN, UDP_SLOTS = UDP_ORIGIN };

typedef struct {
  int family; /* AF_UNSPEC: whatever fits */
  int local_port, remote_port, fd; /* -1: none */
  size_t limit, max_size;
  int receive_buffer, send_buffer, ttl; /* 0: the system's */
  bool reuse_port, broadcast;
} UdpOptions;

extern const Type udp_type, udp_sent_type;
extern const luaL_Reg udp_functions[];

static inline Udp *udp_of_link(Link *all) { return container_of(all, Udp, all); }

UdpBox *udp_check(lua_State *L);      /* the socket at index 1, with a block in it */
Udp *udp_open_check(lua_State *L);    /* and not closed */
int udp_raise(lua_State *L, int status, const char *what);
Udp *udp_new(Io *io, const UdpOptions *options, int family, int *status); /* not held */
void udp_discard(Udp *udp);           /* a held one that did not come to life */
void udp_shut(Udp *udp);              /* closes the handle, drops what is queued, wakes everybody */
void udp_close(Udp *udp);             /* sends what is under way, then closes */
void udp_orphan(Udp *udp);            /* the Lua state closes */

/* The block of an operation that starts. A finalizer can keep one whose box was collected with it. */
static inline Udp *udp_of_op(lua_State *L, const Op *op) {
  Udp *udp = ((UdpBox *)op->self)->udp;
  if (UNLIKELY(!udp || udp->closing)) udp_raise(L, UV_ECONNABORTED, NULL);
  return udp;
}

/* The error that is to be told now. */
static inline int udp_take_error(Udp *udp) {
  int status = udp->error;
  udp->error = 0;
  return status;
}

/* udp_receive.c */
void udp_receive_stop(Udp *udp);
uint64_t udp_kernel_drops(const Udp *udp); /* what the kernel dropped: a queue was full */
int f_udp_recv(lua_State *L);
int f_udp_recv_many(lua_State *L);
int f_udp_iter(lua_State *L);

/* udp_send.c */
int f_udp_send(lua_State *L);

/* udp_options.c */
int f_udp_join(lua_State *L);
int f_udp_leave(lua_State *L);
int f_udp_set_broadcast(lua_State *L);
int f_udp_set_ttl(lua_State *L);
int f_udp_set_multicast_ttl(lua_State *L);
int f_udp_set_multicast_loop(lua_State *L);
int f_udp_set_multicast_interface(lua_State *L);

#endif
