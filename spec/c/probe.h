/* SPDX-License-Identifier: MIT
 * What the files of the module spec.probe share: data that a push takes, and counters. */
#ifndef NEAP_SPEC_PROBE_H
#define NEAP_SPEC_PROBE_H

#include <pthread.h>
#include <stdatomic.h>

#include "neap.h"

typedef struct Data Data; /* what a push makes its results of; it frees it */

extern struct Counters {
  atomic_int made, pushed, dropped; /* Data: with a state, without */
  atomic_int cancels;               /* calls of on_cancel */
  atomic_int worked;                /* calls of work */
  atomic_int aborts;                /* calls of a neap_wait's abort */
  atomic_int ended, finished, destroyed, over; /* calls of a filter's functions */
  atomic_int over_status;           /* what the last of these was told */
  atomic_int forgiven;              /* calls of an error's destroy */
} counters;

/* kind, arg: "none" | "values", n | "raise", value | "memory" | "call", fn, ... of the arguments from `arg` on */
Data *data_check(lua_State *L, int arg);
int data_push(lua_State *L, void *data);

extern const luaL_Reg probe_task_functions[], probe_filter_functions[], probe_pty_functions[];

#endif
