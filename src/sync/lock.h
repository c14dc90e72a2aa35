/* SPDX-License-Identifier: MIT
 * Lock, shown to Condition, which releases and takes it back. */
#ifndef NEAP_SYNC_LOCK_H
#define NEAP_SYNC_LOCK_H

#include "sync/lot.h"

typedef struct {
  Head head; /* user value 1: the operation acquire */
  Link waiters;
  bool locked;
} Lock;

extern const Type lock_type;

bool lock_try(Lock *lock);                  /* takes it if nobody else may */
void lock_release(Core *core, Lock *lock);  /* a held one */
bool lock_arrived(Core *core, Lock *lock, Task *task); /* a waiter runs: true, it holds the lock; false, it was cancelled */

#endif
