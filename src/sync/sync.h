/* SPDX-License-Identifier: MIT
 * The synchronisation primitives and the queues. */
#ifndef NEAP_SYNC_SYNC_H
#define NEAP_SYNC_SYNC_H

#include "kernel/object.h"

extern const Type event_type, condition_type, semaphore_type, bounded_semaphore_type, barrier_type;
extern const Type queue_type, lifo_queue_type, priority_queue_type;

void sync_open(lua_State *L, Core *core); /* into the module table at the top */

#endif
