/* SPDX-License-Identifier: MIT */
#include "io/filter.h"

#include <string.h>

#include "base/memory.h"
#include "kernel/fail.h"
#include "kernel/mailbox.h"

struct neap_stream {
  const neap_api *api; /* first: see NEAP_API_IN */
  Stream *stream;      /* borrowed: it owns this */
  neap_filter calls;
  void *self;
  bool finished, over;
  bool lingering; /* closing, but for the peer's end */
  double linger;  /* seconds */
  Timer timer;    /* ends lingering */
  Buffer before;  /* received before the filter was set, not yet through it */
  Job job;        /* in the ready queue while there is such */
};

typedef struct {
  neap_error base;
  int status;
  char text[];
} TextError; /* block */

static void check(Stream *stream, int status) {
  if (status < 0) filter_fail(stream->filter, status, NULL);
}

static void pass(neap_stream *it, const char *data, size_t size) {
  if (!it->stream->read_end || it->lingering) check(it->stream, it->calls.received(it->self, data, size));
}

/* What came before the filter goes through it first. */
static void deliver(neap_stream *it) {
  Buffer before = it->before;
  if (LIKELY(buffer_size(&before) == 0)) return;
  memset(&it->before, 0, sizeof it->before);
  list_remove(&it->job.link);
  pass(it, buffer_data(&before), buffer_size(&before));
  buffer_destroy(&before);
}

static void on_before(Core *core, Job *job) {
  UNUSED(core);
  deliver(container_of(job, neap_stream, job));
}

/* ---- lingering ---- */

bool filter_lingers(const Stream *stream) { return stream->filter->lingering; }

/* The timer goes on: what is unsent does not stay for ever either. */
static void linger_end(neap_stream *it) {
  it->lingering = false;
  read_pause(it->stream);
  stream_settle(it->stream);
}

static void on_linger_over(Core *core, Job *job) {
  neap_stream *it = container_of(job, neap_stream, timer.job);
  UNUSED(core);
  it->lingering = false;
  if (it->stream->shut) return;
  if (!it->stream->loss) it->stream->loss = UV_ETIMEDOUT;
  stream_abort(it->stream);
}

static bool linger_arm(neap_stream *it) {
  Core *core = it->stream->core;
  if (it->linger <= 0 || !heap_reserve(&core->timers)) return false;
  timer_arm(core, &it->timer, deadline_in(core, it->linger));
  return true;
}

bool filter_stays(Stream *stream) {
  neap_stream *it = stream->filter;
  if (!linger_arm(it) || stream->read_end || stream->ended || stream->write_end) return false;
  it->lingering = true;
  read_start(stream);
  return true;
}

void filter_linger(neap_stream *it, double seconds) { it->linger = seconds; }

/* ---- setting it ---- */

neap_stream *filter_set(lua_State *L, Stream *stream, const neap_filter *filter, void *self) {
  if (stream->write_end) stream_raise(L, stream->write_end, "neap_filter_set");
  if (stream->read_end) fail_raise(L, FAIL_RUNTIME, "the stream has ended");
  if (stream->filter) fail_raise(L, FAIL_RUNTIME, "the stream has a filter already");
  if (stream->reader) fail_raise(L, FAIL_RUNTIME, "a task is reading from the stream");
  neap_stream *it = memory_new(sizeof *it);
  if (!it) luaL_error(L, "not enough memory");
  it->api = stream->core->mailbox->api;
  it->stream = stream;
  memcpy(&it->calls, filter, filter->size < sizeof it->calls ? filter->size : sizeof it->calls);
  it->self = self;
  stream->filter = it;
  it->before = stream->in; /* may be a slab; its bytes are the protocol's */
  memset(&stream->in, 0, sizeof stream->in);
  stream->ready = stream->direct = false; /* nobody receives past the filter */
  it->job.run = on_before;
  list_create(&it->job.link);
  timer_setup(&it->timer, on_linger_over);
  if (buffer_size(&it->before) > 0) job_post(stream->core, &it->job);
  read_start(stream);
  return it;
}

/* ---- what it does ---- */

int filter_feed(neap_stream *it, const char *data, size_t size) {
  if (it->lingering) return 0;
  if (it->stream->read_end) return it->stream->read_end;
  return size == 0 || read_arrived(it->stream, data, size) ? 0 : UV_ENOMEM;
}

char *filter_room(neap_stream *it, size_t least, size_t *size) { return read_room(it->stream, least, size); }

void filter_feed_eof(neap_stream *it) {
  if (it->lingering)
    linger_end(it);
  else if (!it->stream->read_end)
    read_ended(it->stream);
}

int filter_send(neap_stream *it, const char *data, size_t size) {
  if (it->stream->write_end) return it->stream->write_end;
  if (it->stream->eof_wanted) return UV_EPIPE; /* the end is on its way */
  uv_buf_t buf = {.base = (char *)data, .len = size};
  if (size > 0) write_raw(it->stream, &buf, 1);
  return it->stream->write_end;
}

void filter_hold(neap_stream *it, size_t size) {
  it->stream->kept = size;
  write_level(it->stream);
}

/* ---- its errors ---- */

static void text_push(lua_State *L, neap_error *error) {
  fail_push_uv(L, ((TextError *)error)->status, ((TextError *)error)->text);
}

static void text_destroy(neap_error *error) { memory_delete(error); }

/* NULL without memory: then the error tells less. */
static neap_error *text_new(int status, const char *text) {
  size_t size = strlen(text) + 1;
  TextError *error = memory_resize(NULL, sizeof *error + size);
  if (!error) return NULL;
  *error = (TextError){{text_push, text_destroy}, status};
  memcpy(error->text, text, size);
  return &error->base;
}

void filter_forgive(Stream *stream) {
  neap_error *error = stream->why;
  stream->why = NULL;
  if (error) error->destroy(error);
}

/* What was sent before still leaves: it may tell the peer why. */
static void lose(Stream *stream, int status) {
  if (!stream->closing) {
    stream->loss = status;
    stream->closing = true;
    linger_arm(stream->filter);
  }
  stream_end(stream, status);
  linger_end(stream->filter);
}

void filter_fail_with(neap_stream *it, int status, neap_error *error) {
  Stream *stream = it->stream;
  if (error && (stream->shut || stream->why))
    error->destroy(error);
  else if (error)
    stream->why = error;
  if (!stream->shut) lose(stream, status < 0 ? status : UV_EPROTO); /* what is no error would leave the sides open */
}

void filter_fail(neap_stream *it, int status, const char *message) {
  if (!it->stream->shut) filter_fail_with(it, status, message ? text_new(status < 0 ? status : UV_EPROTO, message) : NULL);
}

/* ---- what the stream calls ---- */

void filter_received(Stream *stream, const char *data, size_t size) {
  neap_stream *it = stream->filter;
  deliver(it);
  pass(it, data, size);
}

void filter_ended(Stream *stream) {
  neap_stream *it = stream->filter;
  deliver(it);
  if (it->lingering) linger_end(it);
  if (stream->read_end) return;
  if (it->calls.ended)
    check(stream, it->calls.ended(it->self));
  else
    read_ended(stream);
}

void filter_write(Stream *stream, const uv_buf_t *bufs, unsigned count) {
  neap_stream *it = stream->filter;
  for (unsigned i = 0; i < count && !stream->write_end; i++)
    if (bufs[i].len > 0) check(stream, it->calls.write(it->self, bufs[i].base, bufs[i].len));
}

void filter_finish(Stream *stream) {
  neap_stream *it = stream->filter;
  if (it->finished || stream->write_end) return;
  it->finished = true;
  if (it->calls.write_eof) check(stream, it->calls.write_eof(it->self));
}

void filter_over(Stream *stream, int status) {
  neap_stream *it = stream->filter;
  if (it->over) return;
  it->over = true;
  if (it->calls.over) it->calls.over(it->self, status);
}

bool filter_info(lua_State *L, Stream *stream, const char *name) {
  neap_stream *it = stream->filter;
  return it->calls.info && it->calls.info(L, it->self, name);
}

void filter_destroy(Stream *stream) {
  neap_stream *it = stream->filter;
  stream->filter = NULL;
  timer_disarm(stream->core, &it->timer);
  list_remove(&it->job.link);
  buffer_destroy(&it->before);
  if (it->calls.destroy) it->calls.destroy(it->self);
  memory_delete(it);
}
