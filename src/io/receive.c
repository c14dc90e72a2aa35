/* SPDX-License-Identifier: MIT
 * The incoming side of a stream, up to its buffer. Reads stay armed: bytes arrive in the core's slab
 * or straight in the stream's buffer, and stay there until somebody takes them, so that a cancelled
 * read loses none. Reading pauses above twice the limit and goes on at the limit; a task that waits
 * for more than is there keeps it going.
 *
 * A task that waits in read(n) for large messages receives by itself: the callback only wakes it, so
 * that the string is made of the slab while that is in the cache. With a filter too: what it makes of
 * the bytes is read, and often answered, before the next stream's turn, and all share two slabs. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/file.h"
#include "io/filter.h"
#include "io/socket.h"

enum {
  ADOPT = 4096, /* from this size on a reader gets the slab itself */
  TAIL = 16384, /* a buffer with this much room is read into directly */
  KEEP = 4096   /* an empty buffer larger than this is given back */
};

void read_wake(Stream *stream) {
  if (stream->reader && wait_pending(stream->reader)) wait_post(stream->core, stream->reader);
}

/* With this answer libuv reads nothing and calls on_read with ENOBUFS. */
static const uv_buf_t nowhere = {.base = NULL, .len = 0};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  Stream *stream = container_of(handle, Stream, handle);
  Io *io = stream->io;
  UNUSED(suggested);
  if (stream->direct && stream->reader && (stream->ready || wait_pending(stream->reader))) {
    stream->ready = true; /* until it runs, which may be some polls later */
    *buf = nowhere;
    return;
  }
  if (!stream->filter && buffer_tail(&stream->in) >= TAIL) {
    buf->base = stream->in.base + stream->in.end;
    buf->len = buffer_tail(&stream->in);
  } else {
    buf->base = io_slab(io);
    buf->len = buf->base ? SLAB_SIZE : 0;
  }
  if (!stream_socket(stream) || stream->latest >= ADOPT || buf->len == 0) return; /* of much libuv reads on and on */
  io->landed = *buf;
  io->came = socket_receive(stream_fd(stream), buf->base, buf->len);
  *buf = nowhere;
}

/* The slab, with `size` bytes in it, becomes the buffer, which is empty. */
static void adopt(Stream *stream, size_t size) {
  read_trim(stream);
  stream->in = (Buffer){stream->io->slab, 0, size, SLAB_SIZE};
  io_slab_used(stream->io);
}

static bool keep(Stream *stream, const char *base, size_t size) {
  Buffer *in = &stream->in;
  if (base != stream->io->slab) {
    in->end += size;
    return true;
  }
  if (size < ADOPT || buffer_size(in) > 0 || !stream->reader) return buffer_append(in, base, size);
  adopt(stream, size);
  return true;
}

/* libuv tells a reset that comes together with the last bytes as an end of stream (1.44, Linux: POLLHUP
 * after a partial read). Linux tells the end of what runs in a terminal as an error. */
static int end_status(const Stream *stream, int status) {
  int error = 0;
  socklen_t size = sizeof error;
  if (status == UV_EIO && stream->kind == STREAM_TTY) return UV_EOF;
  if (status != UV_EOF || !stream_socket(stream)) return status;
  return getsockopt(stream_fd(stream), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error ? -error : UV_EOF;
}

void read_ended(Stream *stream) {
  read_pause(stream);
  if (stream->write_end && stream->writable) { /* nothing goes in either direction any more */
    stream_fail(stream, stream->write_end);
    return;
  }
  stream->read_end = UV_EOF;
  read_wake(stream);
  if (!stream->writable) stream_shut(stream); /* nothing is left to do with it */
}

static void on_end(Stream *stream) {
  if (UNLIKELY(stream->filter != NULL)) {
    stream->ended = true;
    read_pause(stream);
    filter_ended(stream);
  } else {
    read_ended(stream);
  }
}

/* Wakes who waits for so much; with nobody waiting, reading pauses above twice the limit. */
static void arrived(Stream *stream) {
  size_t here = buffer_size(&stream->in);
  bool waiting = stream->reader && wait_pending(stream->reader);
  if (waiting && here >= stream->need)
    wait_post(stream->core, stream->reader);
  else if (!waiting && here / 2 > stream->limit)
    read_pause(stream);
}

char *read_room(Stream *stream, size_t least, size_t *size) {
  Io *io = stream->io;
  size_t tail = buffer_tail(&stream->in);
  if (tail >= least && tail >= TAIL) {
    *size = tail;
    return stream->in.base + stream->in.end;
  }
  *size = SLAB_SIZE;
  if (least > SLAB_SIZE || !io) return NULL;
  if (!io->room) io->room = io_slab_take(io);
  return io->room;
}

bool read_arrived(Stream *stream, const char *data, size_t size) {
  Buffer *in = &stream->in;
  if (data == stream->io->room && size >= ADOPT && buffer_size(in) == 0 && (stream->reader || stream->direct)) {
    read_trim(stream);
    *in = (Buffer){stream->io->room, 0, size, SLAB_SIZE};
    stream->io->room = NULL;
  } else if (in->base && data == in->base + in->end && size <= buffer_tail(in)) { /* not the block behind a full one */
    in->end += size;
  } else if (!buffer_append(in, data, size)) {
    return false;
  }
  arrived(stream);
  return true;
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf) {
  Stream *stream = container_of(handle, Stream, uv);
  Io *io = stream->io;
  const char *base = buf->base;
  if (size == UV_ENOBUFS && io->landed.base) {
    base = io->landed.base;
    size = io->came == 0 ? UV_EOF : io->came == UV_EAGAIN ? 0 : io->came;
    io->landed = nowhere;
  }
  if (UNLIKELY(size < 0)) size = end_status(stream, (int)size);
  if (LIKELY(size > 0)) stream->latest = (size_t)size;
  if (UNLIKELY(size > 0 && stream->filter)) {
    filter_received(stream, base, (size_t)size);
  } else if (LIKELY(size > 0)) {
    if (UNLIKELY(!keep(stream, base, (size_t)size))) {
      stream_fail(stream, UV_ENOMEM);
      return;
    }
    arrived(stream);
  } else if (size == UV_EOF) {
    on_end(stream);
  } else if (size == UV_ENOBUFS && stream->ready) {
    read_wake(stream);
  } else if (size < 0) {
    stream_fail(stream, size == UV_ENOBUFS ? UV_ENOMEM : (int)size);
  }
}

void read_take(Stream *stream, char *slab, ssize_t size) {
  bool adopted = false;
  if (size > 0 && stream->filter) {
    filter_received(stream, slab, (size_t)size);
  } else if (size > 0) {
    adopted = size >= ADOPT && buffer_size(&stream->in) == 0;
    if (adopted) {
      read_trim(stream);
      stream->in = (Buffer){slab, 0, (size_t)size, SLAB_SIZE};
    }
    if (adopted || buffer_append(&stream->in, slab, (size_t)size))
      arrived(stream);
    else
      stream_fail(stream, UV_ENOMEM);
  } else if (size == 0) {
    on_end(stream);
  } else {
    stream_fail(stream, (int)size);
  }
  if (!adopted) io_slab_give(stream->io, slab);
}

void read_start(Stream *stream) {
  if (stream->reading || stream->ended || stream->shut) return;
  if ((stream->read_end || stream->closing) && !(stream->filter && filter_lingers(stream))) return;
  int status = stream->file ? file_read(stream) : uv_read_start(&stream->uv, on_alloc, on_read);
  if (status < 0)
    stream_fail(stream, status);
  else
    stream->reading = true;
}

void read_pause(Stream *stream) {
  if (!stream->reading) return;
  stream->reading = false;
  if (!stream->file) uv_read_stop(&stream->uv);
}

void read_trim(Stream *stream) {
  Buffer *in = &stream->in;
  if (in->room == SLAB_SIZE)
    io_slab_give(stream->io, in->base);
  else
    memory_delete(in->base);
  memset(in, 0, sizeof *in);
}

void read_consume(Stream *stream, size_t size) {
  buffer_consume(&stream->in, size);
  size_t left = buffer_size(&stream->in);
  if (left == 0 && stream->in.room > KEEP) read_trim(stream);
  if (UNLIKELY(!stream->reading) && left <= stream->limit) read_start(stream);
}

void read_expect(Stream *stream) { stream->direct = stream->latest >= ADOPT; }

/* As socket_receive, from whatever it is. */
static ssize_t receive(const Stream *stream, int fd, char *slab) {
  if (stream_socket(stream)) return socket_receive(fd, slab, SLAB_SIZE);
  ssize_t size = read(fd, slab, SLAB_SIZE);
  if (size >= 0) return size;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? UV_EAGAIN : -errno;
}

void read_now(Stream *stream) {
  if (LIKELY(!stream->ready)) return;
  stream->ready = false;
  char *slab = io_slab(stream->io);
  int fd = stream_fd(stream);
  if (!slab || stream->read_end || fd < 0) return;
  ssize_t size = receive(stream, fd, slab);
  if (LIKELY(size > 0)) {
    stream->latest = (size_t)size;
    if (stream->filter) {
      stream->direct = true; /* what it feeds is taken at once */
      filter_received(stream, slab, (size_t)size);
      stream->direct = false;
    } else {
      adopt(stream, (size_t)size);
    }
  } else if (size == 0) {
    on_end(stream);
  } else if (size != UV_EAGAIN) {
    int status = end_status(stream, (int)size);
    if (status == UV_EOF)
      on_end(stream);
    else
      stream_fail(stream, status);
  }
}
