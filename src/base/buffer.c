/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

enum { SMALLEST = 128 };

bool buffer_reserve(Buffer *buffer, size_t more) {
  if (buffer_tail(buffer) >= more) return true;
  size_t size = buffer_size(buffer);
  if (more > SIZE_MAX / 4 || size > SIZE_MAX / 4) return false;
  if (buffer->start > 0) { /* to the front: each byte moves at most once for each byte taken */
    bool enough = size <= buffer->start && buffer->room - size >= more;
    memmove(buffer->base, buffer->base + buffer->start, size);
    buffer->start = 0;
    buffer->end = size;
    if (enough) return true;
  }
  size_t room = buffer->room ? buffer->room : SMALLEST;
  while (room < size + more) room *= 2;
  if (room == buffer->room) return true;
  char *base = memory_resize(buffer->base, room);
  if (!base) return false;
  buffer->base = base;
  buffer->room = room;
  return true;
}

bool buffer_append(Buffer *buffer, const char *data, size_t size) {
  if (!buffer_reserve(buffer, size)) return false;
  memcpy(buffer->base + buffer->end, data, size);
  buffer->end += size;
  return true;
}

void buffer_destroy(Buffer *buffer) {
  memory_delete(buffer->base);
  memset(buffer, 0, sizeof *buffer);
}
