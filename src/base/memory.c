/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdlib.h>

void *memory_new(size_t size) { return calloc(1, size); }

void *memory_resize(void *block, size_t size) { return realloc(block, size); }

void memory_delete(void *block) { free(block); }
