/* SPDX-License-Identifier: MIT
 * The one place through which the core asks for memory that is not Lua's. */
#ifndef NEAP_BASE_MEMORY_H
#define NEAP_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t size); /* zeroed; NULL: out of memory */
void *memory_resize(void *block, size_t size);
void memory_delete(void *block);

#endif
