/* SPDX-License-Identifier: MIT
 * A queue of bytes in one block: taken from the front, added at the back. Knows neither Lua nor uv.
 * The block is the caller's to swap: who takes it away sets the Buffer to zeroes. */
#ifndef NEAP_BASE_BUFFER_H
#define NEAP_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  char *base;        /* block; NULL: nothing yet */
  size_t start, end; /* the data is in between; both 0 when empty */
  size_t room;       /* of the block */
} Buffer;

static inline size_t buffer_size(const Buffer *buffer) { return buffer->end - buffer->start; }
static inline char *buffer_data(const Buffer *buffer) { return buffer->base + buffer->start; }
static inline size_t buffer_tail(const Buffer *buffer) { return buffer->room - buffer->end; }

bool buffer_reserve(Buffer *buffer, size_t more); /* a tail of at least `more`; false: out of memory */
bool buffer_append(Buffer *buffer, const char *data, size_t size);
void buffer_destroy(Buffer *buffer); /* it is empty then, and usable */

static inline void buffer_consume(Buffer *buffer, size_t size) {
  buffer->start += size;
  if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
}

#endif
