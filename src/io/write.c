/* SPDX-License-Identifier: MIT
 * The outgoing side of a stream. What the kernel takes at once is sent at once and costs no memory;
 * the rest is collected in `out`, and one uv_write at a time carries a whole buffer of it away.
 *
 * Every write returns the stream's drain operation, which is one object for its life. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/file.h"
#include "io/filter.h"
#include "io/socket.h"
#include "kernel/fail.h"

enum { AT_ONCE = 16 }; /* pieces that one call writes without joining them */

/* ---- bytes leave ---- */

void write_drop(Stream *stream) {
  buffer_destroy(&stream->out);
  stream->above = false;
}

void write_level(Stream *stream) {
  size_t size = write_size(stream);
  if (size > stream->high) stream->above = true;
  if (!stream->above || size > stream->low) return;
  stream->above = false;
  tasks_wake(stream->core, &stream->drainers);
}

/* Nothing can be sent any more. What a peer sent before it went away can still be read. */
static void lose(Stream *stream, int status) {
  if (stream->closing || stream->read_end || (status != UV_EPIPE && status != UV_ECONNRESET)) {
    stream_fail(stream, status);
    return;
  }
  if (!stream->write_end) stream->write_end = status;
  write_drop(stream);
  tasks_wake(stream->core, &stream->drainers);
}

static void on_shutdown(uv_shutdown_t *request, int status) { UNUSED(request), UNUSED(status); }

static void on_written(uv_write_t *request, int status) { write_done(container_of(request, Stream, request.write), status); }

void write_done(Stream *stream, int status) {
  stream->writing = false;
  buffer_destroy(&stream->flight);
  if (stream->shut) return;
  if (status < 0) {
    lose(stream, status);
    return;
  }
  write_flush(stream);
  if (stream->above && write_size(stream) <= stream->low) {
    stream->above = false;
    tasks_wake(stream->core, &stream->drainers);
  }
  stream_settle(stream);
}

void write_flush(Stream *stream) {
  if (stream->writing || stream->shut) return;
  size_t size = buffer_size(&stream->out);
  int status = 0;
  if (size > 0) {
    stream->flight = stream->out;
    memset(&stream->out, 0, sizeof stream->out);
    stream->writing = true;
    uv_buf_t buf = {.base = buffer_data(&stream->flight), .len = size};
    status = stream->file ? file_write(stream) : uv_write(&stream->request.write, &stream->uv, &buf, 1, on_written);
  } else if (stream->eof_wanted && !stream->eof_sent) {
    stream->eof_sent = true;
    if (stream_socket(stream)) {
      status = uv_shutdown(&stream->request.shutdown, &stream->uv, on_shutdown);
    } else { /* its only direction */
      stream->write_end = UV_EOF;
      stream_close(stream);
    }
  }
  if (status >= 0) return;
  stream->writing = false;
  buffer_destroy(&stream->flight);
  lose(stream, status);
}

static bool write_blocking(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t sent = write(fd, data, size);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    data += sent;
    size -= (size_t)sent;
  }
  return true;
}

void write_last(Stream *stream) {
  int fd = stream_fd(stream), mode = fcntl(fd, F_GETFL);
  size_t left = stream->uv.write_queue_size; /* of what libuv was given */
  if (mode < 0 || fcntl(fd, F_SETFL, mode & ~O_NONBLOCK) < 0) return;
  const char *end = buffer_data(&stream->flight) + buffer_size(&stream->flight);
  if (write_blocking(fd, end - left, left)) write_blocking(fd, buffer_data(&stream->out), buffer_size(&stream->out));
}

/* What the kernel takes of it at once, or a uv status. A file that is the standard output is written to in
 * order with what the rest of the program prints, and takes all. */
static ssize_t write_now(Stream *stream, uv_buf_t *bufs, unsigned count) {
  if (LIKELY(stream_socket(stream))) return socket_send(stream_fd(stream), bufs, count);
  if (!stream->file) return uv_try_write(&stream->uv, bufs, count);
  if (!stream->standard) return UV_EAGAIN;
  ssize_t sent = 0;
  for (unsigned i = 0; i < count; i++) {
    if (!write_blocking(stream_fd(stream), bufs[i].base, bufs[i].len)) return -errno;
    sent += (ssize_t)bufs[i].len;
  }
  return sent;
}

/* Sends what the kernel takes and keeps the rest. After the end of the side it drops all. */
void write_raw(Stream *stream, uv_buf_t *bufs, unsigned count) {
  if (UNLIKELY(stream->write_end)) return;
  size_t sent = 0;
  if (LIKELY(!stream->writing)) {
    ssize_t status = write_now(stream, bufs, count);
    if (UNLIKELY(status < 0 && status != UV_EAGAIN)) {
      lose(stream, (int)status);
      return;
    }
    if (status > 0) sent = (size_t)status;
  }
  size_t size = 0;
  for (unsigned i = 0; i < count; i++) size += bufs[i].len;
  if (LIKELY(sent == size)) return;
  for (unsigned i = 0; i < count; i++) {
    size_t skip = sent < bufs[i].len ? sent : bufs[i].len;
    sent -= skip;
    if (LIKELY(skip == bufs[i].len)) continue;
    if (UNLIKELY(!buffer_append(&stream->out, bufs[i].base + skip, bufs[i].len - skip))) {
      lose(stream, UV_ENOMEM); /* the peer must not see a gap */
      return;
    }
  }
  write_flush(stream);
  if (write_size(stream) > stream->high) stream->above = true;
}

static inline void transmit(Stream *stream, uv_buf_t *bufs, unsigned count) {
  if (UNLIKELY(stream->filter != NULL))
    filter_write(stream, bufs, count);
  else
    write_raw(stream, bufs, count);
}

/* ---- awaiting room ---- */

static int end_drain(lua_State *L, Stream *stream) {
  if (UNLIKELY(stream->write_end && stream->write_end != UV_EOF)) return stream_raise_end(L, stream, stream->write_end, "write");
  return 0;
}

static int k_drain(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_drain, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return end_drain(L, ((StreamBox *)((Op *)lua_touserdata(L, 1))->self)->stream);
}

static int start_drain(lua_State *L, Core *core, Task *task, Op *op) {
  Stream *stream = stream_of_op(L, op);
  if (UNLIKELY(stream->closing)) { /* lets others run: else a loop that writes and drains would never end */
    list_create(&task->wait.u.link);
    job_post(core, &task->wait.job);
    return wait_park(L, core, task, NULL, k_drain, (lua_KContext)core);
  }
  if (LIKELY(!stream->above)) return end_drain(L, stream);
  list_append(&stream->drainers, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_drain, (lua_KContext)core);
}

/* Pushes the drain operation of the stream at index 1. */
static void push_drain(lua_State *L) {
  if (LIKELY(lua_getiuservalue(L, 1, STREAM_DRAIN_OP) != LUA_TNIL)) return;
  lua_pop(L, 1);
  op_new(L, start_drain, "neap.Stream:drain", 1, 0);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, STREAM_DRAIN_OP);
}

/* ---- the Lua side ---- */

static Stream *check_direction(lua_State *L) {
  Stream *stream = stream_check(L, 1)->stream;
  if (UNLIKELY(!stream->writable)) fail_raise(L, FAIL_RUNTIME, "the stream is not open for writing");
  return stream;
}

static Stream *check_writable(lua_State *L) {
  Stream *stream = check_direction(L);
  if (UNLIKELY(stream->eof_wanted)) fail_raise(L, FAIL_RUNTIME, "write after write_eof");
  return stream;
}

static void check_data(lua_State *L, int arg) {
  if (UNLIKELY(!lua_isstring(L, arg))) argument_error(L, arg, "string or number");
}

/* awaitable = stream:write(...): completes below the high-water mark */
int f_write(lua_State *L) {
  Stream *stream = check_writable(L);
  int n = lua_gettop(L) - 1;
  for (int i = 1; i <= n; i++) check_data(L, i + 1);
  if (UNLIKELY(n > AT_ONCE || (stream->filter && n > 1))) { /* a filter makes one message of it */
    lua_concat(L, n);
    n = 1;
  }
  uv_buf_t bufs[AT_ONCE];
  for (int i = 0; i < n; i++) bufs[i].base = (char *)lua_tolstring(L, i + 2, &bufs[i].len);
  push_drain(L);
  if (LIKELY(n > 0)) transmit(stream, bufs, (unsigned)n);
  return 1;
}

/* awaitable = stream:writelines(list) */
int f_writelines(lua_State *L) {
  Stream *stream = check_writable(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  push_drain(L);
  luaL_Buffer all;
  luaL_buffinit(L, &all);
  lua_Integer n = luaL_len(L, 2);
  for (lua_Integer i = 1; i <= n; i++) {
    int type = lua_geti(L, 2, i);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
      luaL_argerror(L, 2, lua_pushfstring(L, "item %I: string or number expected, got %s", i, type_name(L, -1)));
    luaL_addvalue(&all);
  }
  luaL_pushresult(&all);
  uv_buf_t buf;
  buf.base = (char *)lua_tolstring(L, -1, &buf.len);
  if (buf.len > 0) transmit(stream, &buf, 1);
  lua_settop(L, 3);
  return 1;
}

/* awaitable = stream:drain() */
int f_drain(lua_State *L) {
  check_direction(L);
  push_drain(L);
  return 1;
}

/* Can the peer be shown an end while its own bytes still come, or do none come anyway? */
static bool has_half(const Stream *stream) { return stream_socket(stream) || !stream->readable; }

/* stream:write_eof(): after what was written; reading goes on */
int f_write_eof(lua_State *L) {
  Stream *stream = check_direction(L);
  if (!has_half(stream)) fail_raise(L, FAIL_RUNTIME, "a terminal, or a pipe or file of both directions, has no end to send");
  if (stream->eof_wanted || stream->write_end) return 0;
  if (stream->filter) filter_finish(stream);
  stream->eof_wanted = true;
  write_flush(stream);
  return 0;
}

/* can = stream:can_write_eof() */
int f_can_write_eof(lua_State *L) {
  const Stream *stream = stream_check(L, 1)->stream;
  lua_pushboolean(L, stream->writable && has_half(stream));
  return 1;
}

/* stream:set_write_buffer_limits([{high =, low =}]): bytes */
int f_set_write_buffer_limits(lua_State *L) {
  Stream *stream = stream_check(L, 1)->stream;
  lua_settop(L, 2);
  check_fields(L, 2, "high low");
  size_t low = field_size(L, 2, "low", SIZE_MAX, 0);
  size_t high = field_size(L, 2, "high", low == SIZE_MAX ? STREAM_HIGH : low > SIZE_MAX / 4 ? low : 4 * low, 0);
  if (low == SIZE_MAX) low = high / 4;
  luaL_argcheck(L, low <= high, 2, "field 'low' is above field 'high'");
  stream->high = high;
  stream->low = low;
  write_level(stream);
  return 0;
}

/* bytes = stream:get_write_buffer_size() */
int f_get_write_buffer_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)write_size(stream_check(L, 1)->stream));
  return 1;
}
