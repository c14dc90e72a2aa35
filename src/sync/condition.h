/* SPDX-License-Identifier: MIT
 * The waiting of a condition variable, as steps that Condition and Barrier share. */
#ifndef NEAP_SYNC_CONDITION_H
#define NEAP_SYNC_CONDITION_H

#include "sync/lock.h"

typedef struct {
  Link waiters;
  Lock *lock; /* borrowed: the owner's */
} Condition;

/* What happens when the lock is held again. */
typedef struct {
  Condition *(*of)(Op *op);
  int (*done)(lua_State *L, Core *core, Task *task, Op *op); /* goes on */
  void (*fail)(Core *core, Op *op);                          /* undoes, before the error is raised; or NULL */
} WaitPlan;

/* The stack while waiting: the operation, the error to raise or nil, and one value of the caller's. */
enum { CONDITION_OP = 1, CONDITION_ERROR, CONDITION_EXTRA };

void condition_create(Condition *condition, Lock *lock);
void condition_notify(Core *core, Condition *condition, lua_Integer n);
void condition_notify_all(Core *core, Condition *condition);
int condition_wait(lua_State *L, Core *core, Task *task, Op *op, const WaitPlan *plan); /* with the lock held */

#endif
