/* SPDX-License-Identifier: MIT
 * One poll handle a descriptor, kept when nobody waits, since making one costs three system calls. A
 * number is reused by the system when its file is closed, so a kept handle is used again only for the
 * same file: a number that meanwhile is a regular file would end the process inside libuv. */
#include "io/poll.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "kernel/await.h"
#include "kernel/fail.h"
#include "kernel/op.h"
#include "neap.h"

typedef struct Poll {
  uv_poll_t handle;
  int fd;
  dev_t device;
  ino_t inode;
  int events; /* the handle is started for; 0: stopped */
  Link waiters;
} Poll;

typedef struct { /* userdata at the top of the parked task's stack */
  Link link;     /* in poll->waiters, until something happened */
  Task *task;    /* borrowed */
  Core *core;    /* borrowed */
  Poll *poll;    /* borrowed while linked */
  int wanted, ready;
  int status;    /* of a descriptor that cannot be watched any more */
  lua_KFunction k;
  lua_KContext context;
} Waiter;

static void on_closed(uv_handle_t *handle) { memory_delete(container_of((uv_poll_t *)handle, Poll, handle)); }

static void on_event(uv_poll_t *handle, int status, int events);

/* Watches what the waiters want. */
static int update(Poll *poll) {
  int events = 0;
  list_each(link, &poll->waiters) events |= container_of(link, Waiter, link)->wanted;
  if (events == poll->events) return 0;
  poll->events = events;
  if (!events) return uv_poll_stop(&poll->handle);
  return uv_poll_start(&poll->handle, (events & NEAP_READ ? UV_READABLE : 0) | (events & NEAP_WRITE ? UV_WRITABLE : 0), on_event);
}

static void wake(Waiter *waiter, int ready, int status) {
  list_remove(&waiter->link);
  waiter->ready = ready;
  waiter->status = status;
  if (wait_pending(waiter->task)) wait_post(waiter->core, waiter->task);
}

static void on_event(uv_poll_t *handle, int status, int events) {
  Poll *poll = container_of(handle, Poll, handle);
  int ready = (events & UV_READABLE ? NEAP_READ : 0) | (events & UV_WRITABLE ? NEAP_WRITE : 0);
  if (status < 0) { /* libuv has stopped it, but left it in the kernel's set */
    uv_poll_stop(handle);
    poll->events = 0;
  }
  list_each_safe(link, &poll->waiters) {
    Waiter *waiter = container_of(link, Waiter, link);
    if (status < 0)
      wake(waiter, waiter->wanted | NEAP_ERROR, 0);
    else if (waiter->wanted & ready)
      wake(waiter, waiter->wanted & ready, 0);
  }
  update(poll);
}

/* The descriptor is another file now, or none, or the loop is not used any more. */
static void drop(Io *io, Poll *poll, int status) {
  while (!list_empty(&poll->waiters)) wake(container_of(poll->waiters.next, Waiter, link), 0, status);
  io->polls[poll->fd] = NULL;
  if (!poll->events) poll->handle.io_watcher.fd = INT_MAX; /* stopped: what others watch by the number now goes on */
  uv_close((uv_handle_t *)&poll->handle, on_closed);
}

void polls_close(Io *io) {
  for (size_t fd = 0; fd < io->poll_room; fd++)
    if (io->polls[fd]) drop(io, io->polls[fd], UV_ECONNABORTED);
  memory_delete(io->polls);
  io->polls = NULL;
  io->poll_room = 0;
}

static int reserve(Io *io, int fd) {
  size_t room = io->poll_room ? io->poll_room : 64;
  if ((size_t)fd < io->poll_room) return 0;
  while (room <= (size_t)fd) room *= 2;
  Poll **polls = memory_resize(io->polls, room * sizeof(Poll *));
  if (!polls) return UV_ENOMEM;
  memset(polls + io->poll_room, 0, (room - io->poll_room) * sizeof(Poll *));
  io->polls = polls;
  io->poll_room = room;
  return 0;
}

static int open_poll(Io *io, int fd, Poll **result) {
  struct stat file;
  if (fstat(fd, &file) != 0) return UV_EBADF;
  if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)) return UV_EPERM; /* always ready; epoll refuses them */
  int status = reserve(io, fd);
  if (status < 0) return status;
  Poll *poll = io->polls[fd];
  if (poll && (poll->device != file.st_dev || poll->inode != file.st_ino)) {
    drop(io, poll, UV_EBADF);
    poll = NULL;
  }
  if (!poll) {
    poll = memory_new(sizeof *poll);
    if (!poll) return UV_ENOMEM;
    status = uv_poll_init(io->core->loop, &poll->handle, fd);
    if (status < 0) {
      memory_delete(poll);
      return status;
    }
    poll->handle.data = NULL; /* luv takes every handle with data for its own */
    poll->fd = fd;
    poll->device = file.st_dev;
    poll->inode = file.st_ino;
    list_create(&poll->waiters);
    io->polls[fd] = poll;
  }
  *result = poll;
  return 0;
}

/* ---- waiting ---- */

static bool abort_poll(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_abort(core, task, L, message)) return false;
  Waiter *waiter = task->wait.u.on;
  list_remove(&waiter->link);
  update(waiter->poll);
  return true;
}

static int k_poll(lua_State *L, int status, lua_KContext context) {
  Waiter waiter = *(Waiter *)context;
  Core *core = waiter.core;
  WAIT_MINE(L, core, k_poll, context);
  lua_pop(L, 1);
  bool cancelled = wait_cancelled(core->current);
  if (!cancelled && waiter.status < 0) return fail_raise_uv(L, waiter.status, "wait_fd");
  if (cancelled)
    lua_pushnil(L);
  else
    lua_pushinteger(L, waiter.ready);
  return waiter.k(L, status, waiter.context);
}

int poll_park(lua_State *L, Core *core, int fd, int events, lua_KFunction k, lua_KContext context) {
  Task *task = wait_task(L, core);
  Io *io = io_of(L);
  Poll *poll = NULL;
  luaL_checkstack(L, 3, NULL);
  Waiter *waiter = lua_newuserdatauv(L, sizeof *waiter, 0);
  if (events <= 0 || events > (NEAP_READ | NEAP_WRITE)) fail_raise_uv(L, UV_EINVAL, "wait_fd");
  int status = fd < 0 ? UV_EBADF : open_poll(io, fd, &poll);
  if (status < 0) fail_raise_uv(L, status, "wait_fd");
  *waiter = (Waiter){.task = task, .core = core, .poll = poll, .wanted = events, .k = k, .context = context};
  list_create(&waiter->link);
  list_append(&poll->waiters, &waiter->link);
  status = update(poll);
  if (status < 0) {
    list_remove(&waiter->link);
    poll->events = 0;
    drop(io, poll, status);
    fail_raise_uv(L, status, "wait_fd");
  }
  task->wait.u.on = waiter;
  return wait_park(L, core, task, abort_poll, k_poll, (lua_KContext)waiter);
}

/* ---- the Lua side ---- */

static int k_ready(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  UNUSED(status);
  if (wait_cancelled(core->current)) return wait_raise(L, core, core->current);
  static const char *const names[] = {"", "r", "w", "rw"};
  lua_pushstring(L, names[lua_tointeger(L, -1) & (NEAP_READ | NEAP_WRITE)]);
  return 1;
}

static int start_wait(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(task);
  return poll_park(L, core, (int)op->number, (int)op->integer, k_ready, (lua_KContext)core);
}

/* events = await(wait_fd(fd, "r" | "w" | "rw")) */
static int f_wait_fd(lua_State *L) {
  static const char *const names[] = {"r", "w", "rw", "wr", NULL};
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd <= 0x7fffffff, 1, "not a descriptor");
  int events = luaL_checkoption(L, 2, NULL, names) + 1;
  lua_settop(L, 1);
  Op *op = op_new(L, start_wait, "neap.wait_fd", 1, 0);
  op->number = (double)fd;
  op->integer = events > 3 ? 3 : events;
  return 1;
}

const luaL_Reg poll_functions[] = {{"wait_fd", f_wait_fd}, {NULL, NULL}};
