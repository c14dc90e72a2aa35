/* SPDX-License-Identifier: MIT
 * Operations: awaitables of a primitive that have no state of their own but their arguments. One
 * without arguments is made once for its object and awaited any number of times. */
#ifndef NEAP_KERNEL_OP_H
#define NEAP_KERNEL_OP_H

#include "kernel/task.h"

typedef struct Op Op;
typedef int (*OpFn)(lua_State *L, Core *core, Task *task, Op *op); /* the Op is alone on the stack */

struct Op { /* user value 1 is the object it is of, the arguments follow */
  Head head;
  OpFn start;
  const char *what; /* static: "neap.Queue:get" */
  void *self;       /* borrowed: the object in user value 1 */
  double number;
  int64_t integer;
};

extern const Type op_type;

/* The object at `self` and the n values at the top become the operation's user values; leaves it. */
Op *op_new(lua_State *L, OpFn start, const char *what, int self, int n);

#endif
