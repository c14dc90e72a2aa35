/* SPDX-License-Identifier: MIT
 * Handlers of descriptors: called whenever there is something to read, or room to write, until they
 * are removed. */
#include "io/poll.h"
#include "kernel/fail.h"

enum { READER, WRITER };

static void reader_dropped(Core *core, Standing *standing) {
  Poll *poll = standing->on;
  UNUSED(core);
  if (!poll) return;
  standing->on = NULL;
  poll->handlers[poll->handlers[READER] == standing ? READER : WRITER] = NULL;
  poll_update(poll);
}

/* Not called any more; the caller sees to the poll. */
static void reader_forget(Core *core, Poll *poll, int kind) {
  Standing *standing = poll->handlers[kind];
  poll->handlers[kind] = NULL;
  standing->on = NULL;
  standing_drop(core, standing);
}

static int reader_add(lua_State *L, int kind, const char *what) {
  Core *core = core_of(L);
  int fd = poll_check_fd(L, 1);
  check_function(L, 2);
  Io *io = io_of(L);
  Poll *poll = NULL;
  Standing *standing = standing_new(L, core, 2, reader_dropped);
  int status = poll_open(io, fd, &poll);
  if (status == 0) {
    if (poll->handlers[kind]) reader_forget(core, poll, kind);
    poll->handlers[kind] = standing;
    standing->on = poll;
    status = poll_update(poll);
  }
  if (status == 0) return 1;
  standing_drop(core, standing);
  return fail_raise_uv(L, status, what);
}

static int reader_remove(lua_State *L, int kind) {
  Poll *poll = poll_find(io_of(L), poll_check_fd(L, 1));
  bool has = poll && poll->handlers[kind];
  if (has) {
    reader_forget(core_of(L), poll, kind);
    poll_update(poll);
  }
  lua_pushboolean(L, has);
  return 1;
}

/* handle = add_reader(fd, fn, ...) */
static int f_add_reader(lua_State *L) { return reader_add(L, READER, "add_reader"); }

/* handle = add_writer(fd, fn, ...) */
static int f_add_writer(lua_State *L) { return reader_add(L, WRITER, "add_writer"); }

/* removed = remove_reader(fd) */
static int f_remove_reader(lua_State *L) { return reader_remove(L, READER); }

/* removed = remove_writer(fd) */
static int f_remove_writer(lua_State *L) { return reader_remove(L, WRITER); }

const luaL_Reg reader_functions[] = {
    {"add_reader", f_add_reader},
    {"add_writer", f_add_writer},
    {"remove_reader", f_remove_reader},
    {"remove_writer", f_remove_writer},
    {NULL, NULL},
};
