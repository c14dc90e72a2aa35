/* SPDX-License-Identifier: MIT
 * A filter: a protocol between a stream's buffers and its socket, written against neap.h. */
#ifndef NEAP_IO_FILTER_H
#define NEAP_IO_FILTER_H

#include "io/stream.h"
#include "neap.h"

/* Of neap.h; a neap_stream is the Filter. */
neap_stream *filter_set(lua_State *L, Stream *stream, const neap_filter *filter, void *self);
int filter_feed(neap_stream *filter, const char *data, size_t size);
void filter_feed_eof(neap_stream *filter);
int filter_send(neap_stream *filter, const char *data, size_t size);
void filter_fail(neap_stream *filter, int status, const char *message);

/* The stream calls, if it has a filter. */
void filter_received(Stream *stream, const char *data, size_t size);
void filter_ended(Stream *stream);
void filter_write(Stream *stream, const uv_buf_t *bufs, unsigned count);
void filter_finish(Stream *stream); /* nothing more is written; at most once */
void filter_destroy(Stream *stream);

#endif
