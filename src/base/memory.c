/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static MemoryHook hooked;

void memory_hook(MemoryHook hook) { hooked = hook; }

void *memory_resize(void *block, size_t size) { return hooked ? hooked(block, size) : realloc(block, size); }

void *memory_new(size_t size) {
  void *block = memory_resize(NULL, size);
  if (block) memset(block, 0, size);
  return block;
}

void memory_delete(void *block) { free(block); }
