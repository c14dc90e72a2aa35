/* SPDX-License-Identifier: MIT
 * await, async and what is awaitable: coroutine objects (run in place, once), futures and tasks,
 * operations, plain functions, values with __await, and sleeps.
 *
 * A sleep needs no object: it is a light userdata whose upper 16 bits are a mark no address has and
 * whose lower 48 are microseconds, so that await(sleep(s)) allocates nothing. */
#ifndef NEAP_KERNEL_AWAIT_H
#define NEAP_KERNEL_AWAIT_H

#include "kernel/task.h"

/* An operation that has no state of its own but its arguments: it can be awaited any number of times.
 * User value 1 is the object it is of, the arguments follow. */
typedef struct Op Op;
typedef int (*OpFn)(lua_State *L, Core *core, Task *task, Op *op); /* the Op is alone on the stack */
struct Op {
  Head head;
  OpFn start;
  const char *what; /* static: "neap.Queue:get" */
  void *self;       /* borrowed: the object in user value 1 */
  double number;
  int64_t integer;
};

extern const Type op_type, coro_type, coro_debug_type;
extern const luaL_Reg await_functions[];

/* The object at `self` and the n values at the top become the operation's user values; leaves it. */
Op *op_new(lua_State *L, OpFn start, const char *what, int self, int n);

/* Awaits the value at index 1, alone on the stack, and returns its results: what await() does. */
int await_value(lua_State *L, Core *core);

int await_function(lua_State *L); /* ... = await(awaitable); upvalue 1: the core */
void await_push_function(lua_State *L, Core *core);

void coro_discard(lua_State *L, int index); /* it will not be awaited */
bool awaitable(lua_State *L, int index);
void check_awaitable(lua_State *L, int arg);

/* A future for the awaitable at `index`: itself, or a new task. Pushes it. */
Future *ensure_future(lua_State *L, Core *core, int index);

/* Pops the awaitable at the top of the service thread and pushes a function and its arguments on the
 * coroutine; returns their number, -1 without memory. Never raises. */
int await_unpack(Core *core, lua_State *co);
void coro_take(lua_State *L, int index);               /* if it is a coroutine object: it is used now, or raises */
void coro_pack(lua_State *L, Core *core, int first);   /* a function and arguments become a coroutine object */

void await_report_swallowed(lua_State *L, Core *core, Task *task);
void await_note_delivery(lua_State *L, Core *core, Task *task);
void await_check_step(Core *core, Task *task);

#endif
