/* SPDX-License-Identifier: MIT
 * What all streams of one core share: the slab they read into, spare slabs, and the list of open
 * streams, so that none outlives the Lua state. */
#ifndef NEAP_IO_IO_H
#define NEAP_IO_IO_H

#include "kernel/core.h"

enum { SLAB_SIZE = 65536, SLABS_SPARE = 8 };

typedef struct {
  Core *core;   /* borrowed */
  char *slab;   /* block of SLAB_SIZE; NULL: made at the next read */
  char *room;   /* the same, for what filters make of it */
  uv_buf_t landed; /* where a stream received by itself; base NULL: it did not. Between its on_alloc and on_read */
  ssize_t came;    /* as socket_receive tells */
  char *spare[SLABS_SPARE]; /* blocks of SLAB_SIZE */
  int spares;
  bool quiet;   /* SIGPIPE was seen to */
  Link streams; /* Streams whose handle is not closed */
  Link datagrams; /* Udps whose handle is not closed */
  struct UdpInbox *udp_inbox; /* block: datagrams are received into it; NULL: made at the first one */
  Link signals; /* SignalWatches */
  Link processes; /* Processes whose handle is not closed */
  struct Poll **polls; /* block, by descriptor; NULL: none */
  size_t poll_room;
  Link fresh_polls;    /* Polls that the kernel is to be told of */
  struct PollCheck *poll_check; /* block; NULL: made with the first Poll */
} Io;

typedef struct PollCheck {
  uv_prepare_t handle; /* active while there are fresh Polls */
  Io *io;              /* borrowed */
} PollCheck;

void io_open(lua_State *L, Core *core); /* registers classes and functions in the module at the top */
void io_close(lua_State *L, Core *core); /* closes all there is; the functions raise from then on */
Io *io_of(lua_State *L);
char *io_slab(Io *io);                 /* the shared one; NULL: out of memory */
char *io_slab_take(Io *io);            /* a block of SLAB_SIZE, the caller's; NULL: out of memory */
void io_slab_used(Io *io);             /* it is somebody's now: the next read has another */
void io_slab_give(Io *io, char *slab); /* a block of SLAB_SIZE that nobody needs; io may be NULL */

/* Writing to a peer that is gone raises SIGPIPE, whose default ends the process, and luv 1.44 leaves it
 * so. From the first stream on it is ignored, unless somebody handles it. */
void io_ignore_sigpipe(Io *io);

#endif
