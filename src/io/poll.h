/* SPDX-License-Identifier: MIT
 * Descriptors that other libraries own: one poll handle each, for tasks that wait and for handlers.
 * poll.c has the handles, wait_fd.c the tasks, reader.c the handlers. */
#ifndef NEAP_IO_POLL_H
#define NEAP_IO_POLL_H

#include <sys/stat.h>

#include "io/io.h"
#include "kernel/callback.h"
#include "kernel/task.h"

typedef struct PollWaiter PollWaiter;

/* ready: those of the events wanted that are there, with NEAP_ERROR; 0: the descriptor cannot be watched any
 * more, status tells why. It is not linked any more. */
typedef void (*PollFn)(Core *core, PollWaiter *waiter, int ready, int status);

struct PollWaiter {
  Link link; /* in poll->waiters, until something happened */
  int wanted;
  PollFn happened;
};

typedef struct Poll {
  uv_poll_t handle;
  Io *io; /* borrowed */
  int fd;
  dev_t device;
  ino_t inode;
  int events; /* the handle is started for; 0: stopped */
  Link waiters;
  Standing *handlers[2]; /* anchored: for reading, for writing; NULL: none */
  Link fresh; /* in io->fresh_polls: the kernel does not know it yet */
} Poll;

int poll_open(Io *io, int fd, Poll **poll); /* the descriptor's; 0, or a uv error */
int poll_update(Poll *poll);                /* after waiters or handlers changed; on an error it is gone */
Poll *poll_find(Io *io, int fd);            /* NULL: nobody watches it */
void polls_close(Io *io);                   /* nobody waits any more */

/* Parks the current task until the descriptor is ready: see neap_wait_fd. */
int poll_park(lua_State *L, Core *core, int fd, int events, lua_KFunction k, lua_KContext context);

int poll_check_fd(lua_State *L, int arg);

extern const luaL_Reg wait_fd_functions[], reader_functions[];

#endif
