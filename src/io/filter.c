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
  bool finished;
  Buffer before; /* received before the filter was set, not yet through it */
  Job job;       /* in the ready queue while there is such */
};

static void check(Stream *stream, int status) {
  if (status < 0) filter_fail(stream->filter, status, NULL);
}

/* What came before the filter goes through it first. */
static void deliver(neap_stream *it) {
  Buffer before = it->before;
  if (LIKELY(buffer_size(&before) == 0)) return;
  memset(&it->before, 0, sizeof it->before);
  list_remove(&it->job.link);
  if (!it->stream->read_end) check(it->stream, it->calls.received(it->self, buffer_data(&before), buffer_size(&before)));
  buffer_destroy(&before);
}

static void on_before(Core *core, Job *job) {
  UNUSED(core);
  deliver(container_of(job, neap_stream, job));
}

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
  if (buffer_size(&it->before) > 0) job_post(stream->core, &it->job);
  read_start(stream);
  return it;
}

int filter_feed(neap_stream *it, const char *data, size_t size) {
  if (it->stream->read_end) return it->stream->read_end;
  return size == 0 || read_arrived(it->stream, data, size) ? 0 : UV_ENOMEM;
}

void filter_feed_eof(neap_stream *it) {
  if (!it->stream->read_end) read_ended(it->stream);
}

int filter_send(neap_stream *it, const char *data, size_t size) {
  if (it->stream->write_end) return it->stream->write_end;
  if (it->stream->eof_wanted) return UV_EPIPE; /* the end is on its way */
  uv_buf_t buf = {.base = (char *)data, .len = size};
  if (size > 0) write_raw(it->stream, &buf, 1);
  return it->stream->write_end;
}

void filter_fail(neap_stream *it, int status, const char *message) {
  Stream *stream = it->stream;
  if (stream->shut) return;
  if (status >= 0) status = UV_EPROTO; /* what is no error would leave the sides open */
  if (message && !stream->why) {
    size_t size = strlen(message) + 1;
    stream->why = memory_resize(NULL, size); /* without memory the error tells less */
    if (stream->why) memcpy(stream->why, message, size);
  }
  stream_fail(stream, status);
}

void filter_received(Stream *stream, const char *data, size_t size) {
  neap_stream *it = stream->filter;
  deliver(it);
  if (!stream->read_end) check(stream, it->calls.received(it->self, data, size));
}

void filter_ended(Stream *stream) {
  neap_stream *it = stream->filter;
  deliver(it);
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

void filter_destroy(Stream *stream) {
  neap_stream *it = stream->filter;
  stream->filter = NULL;
  list_remove(&it->job.link);
  buffer_destroy(&it->before);
  if (it->calls.destroy) it->calls.destroy(it->self);
  memory_delete(it);
}
