/* SPDX-License-Identifier: MIT
 * Child processes: a block with libuv's handle, and a box for lua/neap/subprocess.lua, which knows all
 * policy. A block lives until its process has ended, whether anybody holds the box or not: else it would
 * stay a zombie. */
#ifndef NEAP_IO_PROCESS_H
#define NEAP_IO_PROCESS_H

#include "io/io.h"

typedef struct {
  uv_process_t handle;
  Core *core;   /* borrowed */
  Link all;     /* in io->processes, until closed */
  Link waiters; /* Tasks */
  int64_t code; /* of its exit; negative: the signal that ended it */
  int pid;
  bool exited;
  bool lost;    /* the Lua state closed before */
  bool closed;  /* the handle */
  bool held;    /* by the box */
} Process;      /* block */

void process_close(Process *process);  /* the Lua state closes: nobody waits for it any more */
void process_orphan(Process *process); /* the same, when there is nobody left who could wait */
static inline Process *process_of_link(Link *all) { return container_of(all, Process, all); }

void process_open(lua_State *L, Core *core); /* package.loaded["neap.core.process"] */

#endif
