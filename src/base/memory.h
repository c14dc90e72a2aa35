/* SPDX-License-Identifier: MIT
 * The one place through which the core asks for memory that is not Lua's, so that tests can make
 * every request fail once. */
#ifndef NEAP_BASE_MEMORY_H
#define NEAP_BASE_MEMORY_H

#include <stddef.h>

typedef void *(*MemoryHook)(void *block, size_t size);

void *memory_new(size_t size); /* zeroed; NULL: out of memory */
void *memory_resize(void *block, size_t size);
void memory_delete(void *block);
void memory_hook(MemoryHook hook); /* tests only: called instead of realloc */

#endif
