/* SPDX-License-Identifier: MIT
 * Streams: a connection, a pipe or a terminal as a block with the handle, and a box for Lua. stream.c
 * knows its life from connecting to closing, receive.c and read.c the incoming side, write.c the
 * outgoing one, info.c what it tells about itself.
 *
 * Each side ends once and for good: read_end and write_end are 0 until then and a uv status ever
 * after (UV_EOF: the peer has sent everything). `closing` means that the handle will be closed when
 * what was written is gone, `shut` that uv_close was called, `closed` that its callback has run. A
 * stream of one direction is at the end of the other from the beginning. The
 * block lives until it is closed and the box has let go of it. */
#ifndef NEAP_IO_STREAM_H
#define NEAP_IO_STREAM_H

#include "base/buffer.h"
#include "io/address.h"
#include "io/io.h"
#include "kernel/await.h"

enum { STREAM_LIMIT = 65536, STREAM_HIGH = 65536, STREAM_LOW = 16384 };

typedef struct Server Server;

typedef enum { STREAM_TCP, STREAM_LOCAL, STREAM_PIPE, STREAM_TTY, STREAM_FILE } StreamKind; /* the first two are sockets */

typedef struct {
  /* What each message touches stands together. */
  Buffer in;      /* received, not yet read */
  Task *reader;   /* borrowed: waits for bytes, or for the connection */
  size_t need;    /* bytes in `in` that wake the reader */
  size_t scan;    /* of `in`, already searched for a separator */
  size_t latest;  /* bytes that came with the latest read */
  Core *core;     /* borrowed */
  Io *io;         /* borrowed; NULL once the Lua state closes */
  size_t limit;
  int read_end, write_end;
  int loss;       /* the status with which the connection was lost; 0: closed in order, or open */
  bool reading;   /* uv_read_start is in force */
  bool direct;    /* the reader will receive by itself what has come, or is doing so */
  bool ready;     /* something has come for it */
  bool writing;   /* `flight` is under way */
  bool above;     /* the high-water mark was passed and the low one not yet reached */
  bool eof_wanted, eof_sent;
  bool ended;     /* the peer has sent everything, which its filter was told */
  bool closing, shut, closed;
  bool held;      /* by a box */
  bool dismissed; /* by its server: the handler need not say that the stream was closed */
  bool readable, writable;
  bool standard;  /* the process's: need not be closed, and what was written leaves before the process does */
  uint8_t kind;   /* StreamKind */
  union {
    uv_handle_t handle;
    uv_stream_t uv;
    uv_tcp_t tcp;
    uv_pipe_t pipe; /* all but TCP: libuv's own handle for terminals would write to some of them blocking */
  };
  Buffer out;     /* written, not yet given to libuv */
  Buffer flight;  /* given to uv_write: at most one is under way */
  Link drainers;  /* Tasks */
  Link closers;   /* Tasks in wait_closed */
  size_t high, low;
  struct neap_stream *filter; /* owned; NULL: none */
  struct neap_error *why; /* owned: what its filter says of the loss; NULL: nothing */
  size_t kept;    /* bytes that its filter holds back */
  Server *server; /* borrowed: that accepted it; NULL: none, or it is gone */
  Link all;       /* in io->streams */
  Link client;    /* in server->clients, until closed */
  Link fresh;     /* in server->fresh, until it has a handler */
  Job served;     /* in the callbacks of the task that serves it, until it is shut */
  int connect_status;
  Address peer, self;
  struct Ends *ends;         /* block: the names of a local socket's ends; NULL: none */
  struct File *file;         /* block: what takes the handle's place for STREAM_FILE; NULL otherwise */
  struct Terminal *terminal; /* block: while it is in a mode of ours; NULL: it is as it was */
  union {
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
  } request; /* one after the other: what is written is gone before the end is sent */
} Stream;

typedef struct {
  Head head; /* user values: the last read(n), drain(), where it was made (debug) */
  Stream *stream;
  lua_Integer read_size; /* of the read(n) in user value 1 */
} StreamBox;

enum { STREAM_READ_OP = 1, STREAM_DRAIN_OP, STREAM_ORIGIN, STREAM_SLOTS = STREAM_ORIGIN };

typedef struct {
  size_t limit;
  bool nodelay;
  bool lazy;    /* reads nothing before somebody wants it */
  bool standard;
  uint8_t kind; /* StreamKind */
} StreamOptions;

extern const Type stream_type;

static inline Stream *stream_of_link(Link *all) { return container_of(all, Stream, all); }

StreamBox *stream_box_new(lua_State *L);            /* pushes it, empty */
void stream_box_set(StreamBox *box, Stream *stream); /* takes hold; never raises */
void stream_box_origin(lua_State *L, int box, int where); /* the string at `where` tells who made it */
StreamBox *stream_check(lua_State *L, int arg);     /* with a stream in it */
StreamOptions stream_options(lua_State *L, int arg, const char *known); /* limit and nodelay; `known`: see check_fields */
size_t field_size(lua_State *L, int arg, const char *field, size_t otherwise, lua_Integer least);
bool field_flag(lua_State *L, int arg, const char *field, bool otherwise);

Stream *stream_new(Io *io, const StreamOptions *options, int *status); /* unconnected, not held */
Stream *stream_on(Io *io, const StreamOptions *options, int fd, int *status); /* of a descriptor, which is the stream's from
                                                                               * then on; on NULL it stays the caller's */
void stream_direct(Stream *stream, bool readable, bool writable); /* only so; before it is opened */
void stream_opened(Stream *stream, const StreamOptions *options);     /* connected: starts reading */
void stream_close(Stream *stream); /* flushes, then closes */
void stream_abort(Stream *stream); /* drops what is buffered, resets the connection */
void stream_fail(Stream *stream, int status); /* the connection is lost */
void stream_settle(Stream *stream);           /* shuts it if it is closing and nothing holds it open */
void stream_end(Stream *stream, int status);  /* both sides, if they have not ended yet; wakes everybody */
void stream_shut(Stream *stream);             /* closes the handle */
void stream_closed(Stream *stream);           /* it is; frees what nobody holds */
void stream_discard(Stream *stream);         /* the box lets go of it; closes at once */
void stream_orphan(Stream *stream);           /* the Lua state closes */
int stream_fd(const Stream *stream);          /* -1: none any more */
static inline bool stream_socket(const Stream *stream) { return stream->kind <= STREAM_LOCAL; }
void tasks_wake(Core *core, Link *waiting);   /* and unlinks them */
bool abort_link(Core *core, Task *task, lua_State *L, int message); /* of a task in such a list */
bool abort_reader(Core *core, Task *task, lua_State *L, int message); /* wait.u.on is the stream */
int stream_raise(lua_State *L, int status, const char *what);
int stream_raise_end(lua_State *L, Stream *stream, int status, const char *what); /* as its filter words it */

/* The stream of an operation that starts. A finalizer can keep one whose box was collected with it. */
static inline Stream *stream_of_op(lua_State *L, const Op *op) {
  Stream *stream = ((StreamBox *)op->self)->stream;
  if (UNLIKELY(!stream)) stream_raise(L, UV_ECONNABORTED, NULL);
  return stream;
}

/* receive.c */
void read_start(Stream *stream);
void read_pause(Stream *stream);
void read_wake(Stream *stream);
void read_trim(Stream *stream); /* frees the buffer, which is empty */
void read_consume(Stream *stream, size_t size);
void read_expect(Stream *stream); /* before a task parks that takes what comes: it may receive by itself */
bool read_arrived(Stream *stream, const char *data, size_t size); /* by a filter; false: no memory */
char *read_room(Stream *stream, size_t least, size_t *size); /* for a filter: what it feeds from there is not copied */
void read_ended(Stream *stream);  /* the peer has sent everything */
void read_take(Stream *stream, char *slab, ssize_t size); /* what came into a block of SLAB_SIZE, which is the stream's
                                                           * now; 0: the end, or a uv status */
void read_now(Stream *stream);    /* does so, into the empty buffer, if something has come */

/* info.c */
enum { STREAM_TEXT = 2 * ADDRESS_TEXT + 48 };
char *stream_text(const Stream *stream, char text[STREAM_TEXT]);
int f_get_extra_info(lua_State *L);

/* read.c */
int f_read(lua_State *L);
int f_readexactly(lua_State *L);
int f_readuntil(lua_State *L);
int f_readline(lua_State *L);
int f_lines(lua_State *L);
int f_at_eof(lua_State *L);

/* write.c */
void write_flush(Stream *stream); /* gives `out` to libuv if nothing is under way, then the end of stream */
void write_drop(Stream *stream);
void write_done(Stream *stream, int status); /* `flight` is gone */
void write_last(Stream *stream);             /* the Lua state closes: what is left is sent, blocking */
void write_level(Stream *stream); /* `kept` or the limits have changed */
void write_raw(Stream *stream, uv_buf_t *bufs, unsigned count); /* past the filter */
static inline size_t write_size(const Stream *stream) {
  return buffer_size(&stream->out) + buffer_size(&stream->flight) + stream->kept;
}
int f_write(lua_State *L);
int f_writelines(lua_State *L);
int f_drain(lua_State *L);
int f_write_eof(lua_State *L);
int f_can_write_eof(lua_State *L);
int f_set_write_buffer_limits(lua_State *L);
int f_get_write_buffer_size(lua_State *L);

#endif
