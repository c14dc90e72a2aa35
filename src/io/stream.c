/* SPDX-License-Identifier: MIT */
#include "io/stream.h"

#include "base/memory.h"
#include "io/file.h"
#include "io/filter.h"
#include "io/local.h"
#include "io/server.h"
#include "io/terminal.h"
#include "kernel/fail.h"
#include "kernel/report.h"

/* ---- waiting ---- */

void tasks_wake(Core *core, Link *waiting) {
  while (!list_empty(waiting)) {
    Task *task = task_of_link(list_shift(waiting));
    if (wait_pending(task)) wait_post(core, task);
  }
}

bool abort_link(Core *core, Task *task, lua_State *L, int message) {
  bool accepted = wait_abort(core, task, L, message);
  list_remove(&task->wait.u.link);
  return accepted;
}

bool abort_reader(Core *core, Task *task, lua_State *L, int message) {
  bool accepted = wait_abort(core, task, L, message);
  Stream *stream = task->wait.u.on;
  if (stream->reader == task) stream->reader = NULL;
  return accepted;
}

int stream_raise(lua_State *L, int status, const char *what) {
  return fail_raise_uv(L, status, status == UV_ECONNABORTED ? "the stream was closed" : what);
}

int stream_raise_end(lua_State *L, Stream *stream, int status, const char *what) {
  if (!stream->why) return stream_raise(L, status, what);
  stream->why->push(L, stream->why);
  return lua_error(L);
}

/* ---- the block ---- */

static void release(Stream *stream) {
  if (stream->held || !stream->closed) return;
  buffer_destroy(&stream->in);
  filter_forgive(stream);
  memory_delete(stream->ends);
  memory_delete(stream);
}

static void on_closed(uv_handle_t *handle) { stream_closed(container_of(handle, Stream, handle)); }

void stream_closed(Stream *stream) {
  stream->closed = true;
  if (stream->filter) filter_destroy(stream);
  list_remove(&stream->all);
  list_remove(&stream->fresh);
  buffer_destroy(&stream->out);
  buffer_destroy(&stream->flight);
  if (stream->io) tasks_wake(stream->core, &stream->closers);
  if (stream->server) server_lost_client(stream);
  release(stream);
}

static int handle_open(uv_loop_t *loop, Stream *stream) {
  if (stream->kind == STREAM_TCP) return uv_tcp_init(loop, &stream->tcp);
  if (stream->kind == STREAM_FILE) return 0;
  return uv_pipe_init(loop, &stream->pipe, 0);
}

Stream *stream_new(Io *io, const StreamOptions *options, int *status) {
  io_ignore_sigpipe(io);
  Stream *stream = memory_new(sizeof *stream);
  *status = UV_ENOMEM;
  if (!stream) return NULL;
  stream->kind = options->kind;
  *status = handle_open(io->core->loop, stream);
  if (*status < 0) {
    memory_delete(stream);
    return NULL;
  }
  stream->handle.data = NULL; /* luv takes every handle with data for its own */
  stream->core = io->core;
  stream->io = io;
  stream->readable = stream->writable = true;
  stream->limit = options->limit;
  stream->standard = options->standard;
  stream->high = STREAM_HIGH;
  stream->low = STREAM_LOW;
  list_create(&stream->client);
  list_create(&stream->fresh);
  list_create(&stream->served.link);
  list_create(&stream->drainers);
  list_create(&stream->closers);
  list_create(&stream->all);
  list_append(&io->streams, &stream->all);
  return stream;
}

Stream *stream_on(Io *io, const StreamOptions *options, int fd, int *status) {
  Stream *stream = stream_new(io, options, status);
  if (!stream) return NULL;
  if (stream->kind == STREAM_FILE)
    *status = (stream->file = file_new(stream, fd)) ? 0 : UV_ENOMEM;
  else
    *status = stream->kind == STREAM_TCP ? uv_tcp_open(&stream->tcp, fd) : uv_pipe_open(&stream->pipe, fd);
  if (*status == 0) return stream;
  if (stream->kind == STREAM_FILE)
    stream_closed(stream);
  else
    stream_shut(stream); /* nobody holds it: freed when closed */
  return NULL;
}

void stream_direct(Stream *stream, bool readable, bool writable) {
  if (!readable) stream->read_end = UV_EOF;
  if (!writable) stream->write_end = UV_EBADF;
  stream->readable = readable;
  stream->writable = writable;
}

void stream_opened(Stream *stream, const StreamOptions *options) {
  if (stream->kind == STREAM_TCP) {
    int size = sizeof stream->peer;
    if (uv_tcp_getpeername(&stream->tcp, &stream->peer.any, &size) < 0) stream->peer.any.sa_family = 0;
    size = sizeof stream->self;
    if (uv_tcp_getsockname(&stream->tcp, &stream->self.any, &size) < 0) stream->self.any.sa_family = 0;
    if (options->nodelay) uv_tcp_nodelay(&stream->tcp, 1);
  } else if (stream->kind == STREAM_LOCAL) {
    stream->ends = ends_new(stream_fd(stream));
  }
  if (!options->lazy) read_start(stream);
}

int stream_fd(const Stream *stream) {
  uv_os_fd_t fd;
  if (stream->kind == STREAM_FILE) return stream->shut ? -1 : file_fd(stream);
  return !stream->shut && uv_fileno(&stream->handle, &fd) == 0 ? fd : -1;
}

/* ---- its end ---- */

void stream_end(Stream *stream, int status) {
  if (!stream->read_end) stream->read_end = status;
  if (!stream->write_end) stream->write_end = status;
  read_wake(stream);
  tasks_wake(stream->core, &stream->drainers);
  if (stream->filter) filter_over(stream, status);
}

void stream_settle(Stream *stream) {
  if (stream->closing && !stream->writing && !(stream->filter && filter_lingers(stream))) stream_shut(stream);
}

void stream_shut(Stream *stream) {
  if (stream->shut) return;
  stream->closing = stream->shut = true;
  stream->reading = false;
  list_remove(&stream->served.link);
  if (stream->terminal) terminal_restore(stream);
  if (stream->file)
    file_shut(stream);
  else
    uv_close(&stream->handle, on_closed);
}

void stream_close(Stream *stream) {
  if (stream->closing) return;
  if (stream->filter) filter_finish(stream);
  if (stream->closing) return; /* its filter failed */
  stream->closing = true;
  if (!stream->filter || !filter_stays(stream)) read_pause(stream);
  stream_end(stream, UV_ECONNABORTED);
  stream_settle(stream);
}

/* Drops everything; the peer shall not take it for an end of stream. */
static void reset(Stream *stream) {
  write_drop(stream);
  stream->closing = true;
  if (stream->kind != STREAM_TCP || uv_tcp_close_reset(&stream->tcp, on_closed) < 0) {
    stream_shut(stream); /* also when it is not connected, or its end is being sent */
    return;
  }
  stream->shut = true;
  stream->reading = false;
  list_remove(&stream->served.link);
}

void stream_abort(Stream *stream) {
  if (stream->shut) return;
  stream->closing = true;
  stream_end(stream, UV_ECONNABORTED);
  reset(stream);
}

void stream_fail(Stream *stream, int status) {
  if (stream->shut) return;
  if (!stream->closing) stream->loss = status;
  stream_end(stream, status);
  reset(stream);
}

void stream_discard(Stream *stream) {
  stream->held = false;
  stream_shut(stream);
  release(stream);
}

void stream_orphan(Stream *stream) {
  if (stream->standard && stream->writing && !stream->shut) write_last(stream);
  stream->io = NULL;
  stream_shut(stream);
  if (stream->filter) filter_destroy(stream); /* now: its module may be unloaded before the handle is closed */
  filter_forgive(stream);
  if (stream->file) file_orphan(stream);
}

/* ---- the box ---- */

StreamBox *stream_box_new(lua_State *L) { return object_new(L, &stream_type, sizeof(StreamBox), STREAM_SLOTS); }

void stream_box_set(StreamBox *box, Stream *stream) {
  box->stream = stream;
  stream->held = true;
}

void stream_box_origin(lua_State *L, int box, int where) {
  lua_pushvalue(L, where);
  lua_setiuservalue(L, box, STREAM_ORIGIN);
}

StreamBox *stream_check(lua_State *L, int arg) {
  StreamBox *box = object_check(L, arg, &stream_type);
  if (UNLIKELY(!box->stream)) stream_raise(L, UV_ECONNABORTED, NULL);
  return box;
}

size_t field_size(lua_State *L, int arg, const char *field, size_t otherwise, lua_Integer least) {
  if (lua_isnoneornil(L, arg)) return otherwise;
  if (lua_getfield(L, arg, field) != LUA_TNIL) {
    int integral;
    lua_Integer size = lua_tointegerx(L, -1, &integral);
    if (lua_type(L, -1) != LUA_TNUMBER || !integral || size < least)
      luaL_argerror(L, arg, lua_pushfstring(L, "field '%s': integer, at least %I, expected", field, least));
    otherwise = (size_t)size;
  }
  lua_pop(L, 1);
  return otherwise;
}

bool field_flag(lua_State *L, int arg, const char *field, bool otherwise) {
  if (lua_isnoneornil(L, arg)) return otherwise;
  int type = lua_getfield(L, arg, field);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    luaL_argerror(L, arg, lua_pushfstring(L, "field '%s': boolean expected", field));
  if (type == LUA_TBOOLEAN) otherwise = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return otherwise;
}

StreamOptions stream_options(lua_State *L, int arg, const char *known) {
  check_fields(L, arg, known);
  return (StreamOptions){.limit = field_size(L, arg, "limit", STREAM_LIMIT, 1), .nodelay = field_flag(L, arg, "nodelay", true)};
}

/* An unreferenced stream is closed. Whoever waited in it is gone too: the Lua state closes. */
static int stream_gc(lua_State *L) {
  StreamBox *box = lua_touserdata(L, 1);
  Stream *stream = box->stream;
  Core *core = core_of(L);
  if (!stream) return 0;
  box->stream = NULL;
  stream->held = false;
  stream->reader = NULL;
  list_create(&stream->drainers);
  list_create(&stream->closers);
  bool forgotten = !stream->closing && !stream->standard;
  char text[STREAM_TEXT] = "";
  if (forgotten && core->debug) stream_text(stream, text);
  stream_close(stream);
  release(stream);
  if (!forgotten || !core->debug) return 0;
  const char *where = lua_getiuservalue(L, 1, STREAM_ORIGIN) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  report_text(L, core, "%s was never closed (made at %s)", text, where);
  return 0;
}

/* ---- the Lua side ---- */

/* stream:close() */
static int f_close(lua_State *L) {
  StreamBox *box = object_check(L, 1, &stream_type);
  if (box->stream) stream_close(box->stream);
  return 0;
}

/* stream:abort() */
static int f_abort(lua_State *L) {
  StreamBox *box = object_check(L, 1, &stream_type);
  if (box->stream) stream_abort(box->stream);
  return 0;
}

/* closing = stream:is_closing() */
static int f_is_closing(lua_State *L) {
  lua_pushboolean(L, stream_check(L, 1)->stream->closing);
  return 1;
}

static int end_wait_closed(lua_State *L, Stream *stream) {
  if (stream->loss) return stream_raise_end(L, stream, stream->loss, "connection lost");
  return 0;
}

static int k_wait_closed(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_wait_closed, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return end_wait_closed(L, ((StreamBox *)((Op *)lua_touserdata(L, 1))->self)->stream);
}

static int start_wait_closed(lua_State *L, Core *core, Task *task, Op *op) {
  Stream *stream = stream_of_op(L, op);
  if (stream->closed) return end_wait_closed(L, stream);
  list_append(&stream->closers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_wait_closed, (lua_KContext)core);
}

/* awaitable = stream:wait_closed() */
static int f_wait_closed(lua_State *L) {
  stream_check(L, 1);
  op_new(L, start_wait_closed, "neap.Stream:wait_closed", 1, 0);
  return 1;
}

static int f_tostring(lua_State *L) {
  StreamBox *box = object_check(L, 1, &stream_type);
  char text[STREAM_TEXT];
  if (box->stream)
    lua_pushstring(L, stream_text(box->stream, text));
  else
    lua_pushliteral(L, "neap.Stream (closed)");
  return 1;
}

static const luaL_Reg methods[] = {
    {"read", f_read},
    {"readexactly", f_readexactly},
    {"readuntil", f_readuntil},
    {"readline", f_readline},
    {"lines", f_lines},
    {"at_eof", f_at_eof},
    {"write", f_write},
    {"writelines", f_writelines},
    {"drain", f_drain},
    {"write_eof", f_write_eof},
    {"can_write_eof", f_can_write_eof},
    {"set_write_buffer_limits", f_set_write_buffer_limits},
    {"get_write_buffer_size", f_get_write_buffer_size},
    {"close", f_close},
    {"wait_closed", f_wait_closed},
    {"abort", f_abort},
    {"is_closing", f_is_closing},
    {"get_extra_info", f_get_extra_info},
    {"isatty", f_isatty},
    {"get_winsize", f_get_winsize},
    {"set_tty_mode", f_set_tty_mode},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__tostring", f_tostring}, {"__close", f_close}, {"__gc", stream_gc}, {NULL, NULL}};

const Type stream_type = {.name = "neap.Stream", .methods = methods, .metamethods = metamethods};
