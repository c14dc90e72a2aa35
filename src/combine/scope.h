/* SPDX-License-Identifier: MIT
 * A time limit on a stretch of a task: asyncio.timeouts.Timeout. */
#ifndef NEAP_COMBINE_SCOPE_H
#define NEAP_COMBINE_SCOPE_H

#include "kernel/task.h"

typedef enum { SCOPE_ACTIVE, SCOPE_EXPIRING, SCOPE_EXPIRED, SCOPE_EXITED } ScopeState;

typedef struct {
  Head head; /* user value 1: the task */
  Timer timer;
  Task *task;         /* borrowed: user value 1 */
  double when;        /* NaN: never */
  uint32_t anchor;    /* 0: none; held while the timer is armed */
  uint32_t cancelling; /* of the task, when the scope was entered */
  ScopeState state;
  bool watched;        /* the watchdog is wanted for it */
  bool over;           /* counted by its task and the core */
} Scope;

/* Pushes a scope of no task yet. */
Scope *scope_make(lua_State *L, Core *core, const Type *type, double when);

/* Pushes a scope of the current task; `when` NaN: never. Not armed. */
Scope *scope_new(lua_State *L, Core *core, double when);
void scope_arm(lua_State *L, Core *core, Scope *scope, int index); /* the scope is at `index` */

/* Leaves the scope; true: the error at `error` (0: none) is its cancellation, and a TimeoutError is
 * to be raised instead. */
bool scope_exit(lua_State *L, Core *core, Scope *scope, int error);

/* The watchdog is wanted while the scope is armed. */
void scope_watch(Core *core, Scope *scope, uint64_t when);
void scope_unwatch(Core *core, Scope *scope);

/* The scope whose time limit this job is; NULL: it is none. */
Scope *scope_of(Job *job);
void scope_expire(Core *core, Scope *scope); /* its time is up, though the loop has not come to it */

double check_deadline(lua_State *L, int arg); /* seconds, or NaN for nil */

#endif
