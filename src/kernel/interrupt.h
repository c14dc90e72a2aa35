/* SPDX-License-Identifier: MIT
 * Ctrl-C: the first one cancels the main task, the second one stops at once (SEMANTICS 1). */
#ifndef NEAP_KERNEL_INTERRUPT_H
#define NEAP_KERNEL_INTERRUPT_H

#include "kernel/core.h"

/* Takes SIGINT if it is left to its default or to the stand-alone interpreter. */
bool interrupt_take(lua_State *L, Core *core);
void interrupt_give(Core *core);

#endif
