/* SPDX-License-Identifier: MIT
 * One poll handle a descriptor, kept when nobody waits, since making one costs three system calls. A
 * number is reused by the system when its file is closed, so a kept handle is used again only for the
 * same file. And just before libuv hands what is new to the kernel, the file is looked at once more:
 * libuv ends the process when the kernel refuses it, because it was closed meanwhile. */
#include "io/poll.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "neap.h"

static void on_poll_closed(uv_handle_t *handle) { memory_delete(container_of((uv_poll_t *)handle, Poll, handle)); }

static void on_event(uv_poll_t *handle, int status, int events);
static void on_prepare(uv_prepare_t *handle);

static bool poll_is_of(const Poll *poll, const struct stat *file) {
  return poll->device == file->st_dev && poll->inode == file->st_ino;
}

static void poll_refresh(Poll *poll) {
  Io *io = poll->io;
  list_remove(&poll->fresh);
  if (!poll->events) return;
  list_append(&io->fresh_polls, &poll->fresh);
  uv_prepare_start(&io->poll_check->handle, on_prepare);
}

static void poll_wake(Poll *poll, PollWaiter *waiter, int ready, int status) {
  list_remove(&waiter->link);
  waiter->happened(poll->io->core, waiter, ready, status);
}

/* The descriptor is another file now, or none, or the loop is not used any more. */
static void poll_drop(Poll *poll, int status) {
  Io *io = poll->io;
  while (!list_empty(&poll->waiters)) poll_wake(poll, container_of(poll->waiters.next, PollWaiter, link), 0, status);
  for (int i = 0; i < 2; i++) {
    Standing *handler = poll->handlers[i];
    poll->handlers[i] = NULL;
    if (handler) standing_fail(io->core, handler, status);
  }
  list_remove(&poll->fresh);
  io->polls[poll->fd] = NULL;
  if (!poll->events) poll->handle.io_watcher.fd = INT_MAX; /* stopped: what others watch by the number now goes on */
  uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

/* The kernel is told next: of those whose file is still there. */
static void on_prepare(uv_prepare_t *handle) {
  Io *io = container_of(handle, PollCheck, handle)->io;
  struct stat file;
  while (!list_empty(&io->fresh_polls)) {
    Poll *poll = container_of(list_shift(&io->fresh_polls), Poll, fresh);
    if (fstat(poll->fd, &file) != 0 || !poll_is_of(poll, &file)) poll_drop(poll, UV_EBADF);
  }
  uv_prepare_stop(handle);
}

/* Watches what is wanted. */
int poll_update(Poll *poll) {
  int events = (poll->handlers[0] ? NEAP_READ : 0) | (poll->handlers[1] ? NEAP_WRITE : 0), status;
  list_each(link, &poll->waiters) events |= container_of(link, PollWaiter, link)->wanted;
  if (events == poll->events) return 0;
  poll->events = events;
  poll_refresh(poll);
  if (!events) return uv_poll_stop(&poll->handle);
  int mask = (events & NEAP_READ ? UV_READABLE : 0) | (events & NEAP_WRITE ? UV_WRITABLE : 0);
  status = uv_poll_start(&poll->handle, mask, on_event);
  if (status < 0) {
    poll->events = 0;
    poll_drop(poll, status);
  }
  return status;
}

static void on_event(uv_poll_t *handle, int status, int events) {
  Poll *poll = container_of(handle, Poll, handle);
  int ready = (events & UV_READABLE ? NEAP_READ : 0) | (events & UV_WRITABLE ? NEAP_WRITE : 0);
  if (status < 0) { /* libuv has stopped it, but left it in the kernel's set */
    uv_poll_stop(handle);
    poll->events = 0;
    ready = NEAP_READ | NEAP_WRITE;
  }
  list_each_safe(link, &poll->waiters) {
    PollWaiter *waiter = container_of(link, PollWaiter, link);
    if (waiter->wanted & ready) poll_wake(poll, waiter, (waiter->wanted & ready) | (status < 0 ? NEAP_ERROR : 0), 0);
  }
  for (int i = 0; i < 2; i++)
    if (poll->handlers[i] && (ready & (i == 0 ? NEAP_READ : NEAP_WRITE))) standing_post(poll->io->core, poll->handlers[i]);
  poll_update(poll);
}

/* ---- the table of them ---- */

static void on_poll_check_closed(uv_handle_t *handle) {
  memory_delete(container_of((uv_prepare_t *)handle, PollCheck, handle));
}

void polls_close(Io *io) {
  for (size_t fd = 0; fd < io->poll_room; fd++)
    if (io->polls[fd]) poll_drop(io->polls[fd], UV_ECONNABORTED);
  memory_delete(io->polls);
  io->polls = NULL;
  io->poll_room = 0;
  if (io->poll_check) uv_close((uv_handle_t *)&io->poll_check->handle, on_poll_check_closed);
  io->poll_check = NULL;
}

static bool check_open(Io *io) {
  if (io->poll_check) return true;
  PollCheck *check = memory_new(sizeof *check);
  if (!check) return false;
  check->io = io;
  uv_prepare_init(io->core->loop, &check->handle);
  check->handle.data = NULL; /* luv takes every handle with data for its own */
  uv_unref((uv_handle_t *)&check->handle);
  io->poll_check = check;
  return true;
}

static int polls_reserve(Io *io, int fd) {
  size_t room = io->poll_room ? io->poll_room : 64;
  if (!check_open(io)) return UV_ENOMEM;
  if ((size_t)fd < io->poll_room) return 0;
  while (room <= (size_t)fd) room *= 2;
  Poll **polls = memory_resize(io->polls, room * sizeof(Poll *));
  if (!polls) return UV_ENOMEM;
  memset(polls + io->poll_room, 0, (room - io->poll_room) * sizeof(Poll *));
  io->polls = polls;
  io->poll_room = room;
  return 0;
}

static int poll_new(Io *io, int fd, const struct stat *file, Poll **result) {
  Poll *poll = memory_new(sizeof *poll);
  if (!poll) return UV_ENOMEM;
  int status = uv_poll_init(io->core->loop, &poll->handle, fd);
  if (status < 0) {
    memory_delete(poll);
    return status;
  }
  poll->handle.data = NULL; /* luv takes every handle with data for its own */
  poll->io = io;
  poll->fd = fd;
  poll->device = file->st_dev;
  poll->inode = file->st_ino;
  list_create(&poll->waiters);
  list_create(&poll->fresh);
  *result = io->polls[fd] = poll;
  return 0;
}

Poll *poll_find(Io *io, int fd) { return fd >= 0 && (size_t)fd < io->poll_room ? io->polls[fd] : NULL; }

int poll_open(Io *io, int fd, Poll **poll) {
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0) return UV_EBADF;
  if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) return UV_EPERM; /* always ready; epoll refuses them */
  int status = polls_reserve(io, fd);
  if (status < 0) return status;
  *poll = io->polls[fd];
  if (*poll && !poll_is_of(*poll, &file)) {
    poll_drop(*poll, UV_EBADF);
    *poll = NULL;
  }
  return *poll ? 0 : poll_new(io, fd, &file, poll);
}
