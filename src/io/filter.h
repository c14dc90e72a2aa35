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
void filter_fail_with(neap_stream *filter, int status, neap_error *error);
char *filter_room(neap_stream *filter, size_t least, size_t *size);
void filter_linger(neap_stream *filter, double seconds);
void filter_hold(neap_stream *filter, size_t size);

/* The stream calls, if it has a filter. */
void filter_received(Stream *stream, const char *data, size_t size);
void filter_ended(Stream *stream);
void filter_write(Stream *stream, const uv_buf_t *bufs, unsigned count);
void filter_finish(Stream *stream); /* nothing more is written; at most once */
void filter_over(Stream *stream, int status); /* both sides have ended; at most once */
bool filter_info(lua_State *L, Stream *stream, const char *name); /* pushes, if it knows the name */
void filter_destroy(Stream *stream);
void filter_forgive(Stream *stream); /* destroys stream->why */

/* At close: the stream stays open for its peer's end, and goes on receiving. False: it does not. */
bool filter_stays(Stream *stream);
bool filter_lingers(const Stream *stream); /* is that so now? */

#endif
