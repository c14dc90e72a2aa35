/* SPDX-License-Identifier: MIT
 * Sleeping. A sleep needs no object: it is a light userdata whose upper 16 bits are a mark that no
 * address has and whose lower 48 are microseconds, so that await(sleep(s)) allocates nothing. */
#ifndef NEAP_KERNEL_SLEEP_H
#define NEAP_KERNEL_SLEEP_H

#include "kernel/task.h"

enum { SLEEP_BITS = 48 };
#define SLEEP_MARK ((uintptr_t)0x4e41 << SLEEP_BITS)
#define SLEEP_MASK (((uintptr_t)1 << SLEEP_BITS) - 1)

static inline bool sleep_is(uintptr_t address) { return (address & ~SLEEP_MASK) == SLEEP_MARK; }

int sleep_function(lua_State *L); /* sleep(seconds, ...): an awaitable that gives back the rest */
int sleep_park(lua_State *L, Core *core, Task *task, uint64_t ns, lua_KFunction k);
int k_sleep(lua_State *L, int status, lua_KContext core);

/* Awaits a sleep. */
static inline int sleep_await(lua_State *L, Core *core, Task *task, uintptr_t address) {
  if (UNLIKELY(address != SLEEP_MARK || task->insist || task->aside))
    return sleep_park(L, core, task, (address & SLEEP_MASK) * 1000, k_sleep);
  job_post(core, &task->wait.job); /* the shortest way: see sleep_park and wait_park */
  task->wait_state = WAIT_PENDING;
  task->parked = true;
  task->top = 1;
  return lua_yieldk(L, 0, (lua_KContext)core, k_sleep);
}

#endif
