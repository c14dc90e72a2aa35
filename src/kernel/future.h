/* SPDX-License-Identifier: MIT
 * Futures, and what tasks have in common with them. One transition: pending to finished, failed or
 * cancelled. Completing splices the callbacks into the ready queue, in the order they were added;
 * nothing is called synchronously (SEMANTICS 2).
 *
 * The one user value holds the result (what a task is to run, until it starts); when more is to be
 * kept it becomes a table and the result moves into its field SLOT_MAIN. */
#ifndef NEAP_KERNEL_FUTURE_H
#define NEAP_KERNEL_FUTURE_H

#include "kernel/object.h"

typedef enum { FUTURE_PENDING, FUTURE_FINISHED, FUTURE_FAILED, FUTURE_CANCELLED } FutureState;

enum { /* flags */
  FUTURE_SLOTS = 1,        /* the user value is a table of slots */
  FUTURE_MESSAGE = 2,      /* SLOT_MESSAGE: of the last cancel() */
  FUTURE_WAIT_MESSAGE = 4, /* SLOT_WAIT_MESSAGE: with which the wait was aborted */
  FUTURE_ERROR = 8,        /* cancelled, and the main slot holds the CancelledError */
  FUTURE_CONTEXT = 16,     /* SLOT_CONTEXT */
  FUTURE_NAME = 32,        /* SLOT_NAME */
  FUTURE_MARK = 64         /* for the moment, while a list is gone through */
};

enum { SLOT_MAIN = 1, SLOT_NAME, SLOT_CONTEXT, SLOT_MESSAGE, SLOT_WAIT_MESSAGE, SLOT_TRACE, SLOT_FAILURE, SLOT_ORIGIN };

/* An error that nobody has looked at yet; collected with its future. */
typedef struct Failure {
  Head head;
  Link link; /* in core->failures, later in core->orphans */
  uint32_t anchor; /* once orphaned */
  bool seen;
} Failure;

struct Future {
  Head head;
  union {
    Link callbacks;   /* of Jobs, while pending */
    Failure *failure; /* borrowed, once failed; NULL when somebody has looked */
  } u;
  int32_t count; /* of results; more than one are a table in the main slot */
  uint8_t state; /* FutureState */
  uint8_t flags;
};

/* Cancels: true if accepted. L is NULL when there is no message; else the future is at `index` and
 * the message at `message` (0: none), and it may raise when out of memory. */
typedef bool (*CancelFn)(Core *core, Future *future, lua_State *L, int index, int message);

typedef struct {
  Type type;
  CancelFn cancel;
} FutureType;

/* Gathers within gathers are cancelled by recursion, so deep at most. (A chain of tasks is a loop: see
 * task_cancel.) */
enum { CANCEL_DEPTH = 4000 };

extern const FutureType future_type;

static inline bool future_done(const Future *future) { return future->state != FUTURE_PENDING; }
static inline bool future_cancel(Core *core, Future *future, lua_State *L, int index, int message) {
  return ((const FutureType *)future->head.type)->cancel(core, future, L, index, message);
}

void future_create(Future *future);             /* pending, no callbacks */
Future *future_new(lua_State *L, Core *core, const FutureType *type, size_t size);
Future *future_check(lua_State *L, int arg);    /* a future or a task */
Future *future_test(lua_State *L, int index);
bool future_cancel_plain(Core *core, Future *future, lua_State *L, int index, int message);

void slot_push(lua_State *L, int index, const Future *future, int slot);
void slot_set(lua_State *L, int index, Future *future, int slot); /* pops the value; may raise */
void slot_replace(lua_State *L, int index, Future *future);       /* the main slot; pops; never raises */
void slot_set_flag(lua_State *L, int index, Future *future, int slot, int flag, int value);

/* Completing. `n` values at the top are popped. */
void future_store(lua_State *L, int index, Future *future, int n);
void future_finish(Core *core, Future *future, FutureState state); /* never raises */
void future_set_results(lua_State *L, Core *core, int index, Future *future, int n);
void future_set_error(lua_State *L, Core *core, int index, Future *future); /* pops the error */
Failure *future_store_error(lua_State *L, int index, Future *future);   /* pops the error */
void future_fail(Core *core, Future *future, Failure *failure);         /* never raises */
void future_fail_poor(Core *core, uint32_t slot); /* the anchored one, with "not enough memory"; needs none */

/* Looking. */
int future_result(lua_State *L, Core *core, int index, Future *future); /* pushes the results or raises */
void future_push_error(lua_State *L, int index, Future *future);        /* of a failed one; marks it seen */
void future_push_cancelled(lua_State *L, int index, Future *future);    /* the CancelledError of a cancelled one */
void future_seen(Future *future);

#endif
