/* SPDX-License-Identifier: MIT
 * Draining the ready queue inside uv_run, and the one place where Lua code is resumed. */
#ifndef NEAP_KERNEL_LOOP_H
#define NEAP_KERNEL_LOOP_H

#include "kernel/core.h"

bool loop_open(Core *core);  /* initialises the handles on core->loop; false: no memory or descriptors */
void loop_close(Core *core); /* closes them, frees the core's blocks; the core itself stays until the state is gone */

/* Runs or continues a coroutine. The only call of lua_resume in the library. */
static inline int loop_resume(Core *core, lua_State *co, int nargs) {
  int nresults;
  return lua_resume(co, core->from, nargs, &nresults);
}

#endif
