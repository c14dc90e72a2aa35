/* SPDX-License-Identifier: MIT */
#include "sync/sync.h"

#include "sync/lock.h"

void sync_open(lua_State *L, Core *core) {
  class_open(L, core, &lock_type, "Lock");
  class_open(L, core, &event_type, "Event");
  class_open(L, core, &condition_type, "Condition");
  class_open(L, core, &semaphore_type, "Semaphore");
  class_open(L, core, &bounded_semaphore_type, "BoundedSemaphore");
  class_open(L, core, &barrier_type, "Barrier");
  class_open(L, core, &queue_type, "Queue");
  class_open(L, core, &lifo_queue_type, "LifoQueue");
  class_open(L, core, &priority_queue_type, "PriorityQueue");
}
