/* SPDX-License-Identifier: MIT
 * Callbacks: Lua functions that the loop calls (call_soon, call_later, done callbacks). Anchored
 * from creation until they ran or were cancelled. A standing one is called as often as it is posted,
 * until it is dropped: the handler of a signal, of a descriptor. */
#ifndef NEAP_KERNEL_CALLBACK_H
#define NEAP_KERNEL_CALLBACK_H

#include "kernel/object.h"

typedef struct {
  Head head; /* user values: the function, its arguments, and the context last */
  Timer timer;
  double when; /* seconds; NaN: soon */
  uint32_t anchor;
  uint16_t count; /* of arguments */
  bool cancelled;
  bool context; /* has one, as the last user value */
  bool spent; /* called or cancelled */
  bool standing; /* a Standing */
} Callback;

typedef struct Standing Standing;
typedef void (*StandingFn)(Core *core, Standing *standing);

struct Standing {
  Callback callback;
  StandingFn dropped; /* called once: forget it, it will not be called again; takes no lua_State */
  void *on;           /* borrowed: what posts it */
  int status;         /* uv: why it will not be called any more */
};

extern const Type callback_type, standing_type;

/* The function at `first` and the values above it become a Callback, left at the top; its job is to
 * be posted or armed by the caller, at once. */
Callback *callback_new(lua_State *L, Core *core, int first);
bool callback_calls(lua_State *L, Core *core, Link *link, int function); /* is it a Callback of this function? */
void callback_drop(Core *core, Link *link);

/* As callback_new. `dropped` must bear `on` not being set yet: NULL. */
Standing *standing_new(lua_State *L, Core *core, int first, StandingFn dropped);
void standing_drop(Core *core, Standing *standing); /* and calls `dropped`; at the end of run() too */

/* What posts it is no more: in the next tick the exception handler is told why. */
void standing_fail(Core *core, Standing *standing, int status);

/* It is called in the next tick; once, if it was posted already. */
static inline void standing_post(Core *core, Standing *standing) {
  if (list_empty(&standing->callback.timer.job.link)) job_post(core, &standing->callback.timer.job);
}

void check_function(lua_State *L, int arg); /* a function, or what can be called */
void insist_later(lua_State *L, Core *core, int task, double seconds);

extern const luaL_Reg callback_functions[]; /* call_soon, call_later, call_at, call_soon_threadsafe */

#endif
