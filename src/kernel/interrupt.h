/* SPDX-License-Identifier: MIT
 * Ctrl-C: the first one cancels the main task, the second one stops at once (SEMANTICS 1). */
#ifndef NEAP_KERNEL_INTERRUPT_H
#define NEAP_KERNEL_INTERRUPT_H

#include <signal.h>

#include "kernel/core.h"

/* Takes SIGINT if it is left to its default or to the stand-alone interpreter. */
void interrupt_take(lua_State *L, Core *core);
void interrupt_give(Core *core); /* if it has it */

bool on_main_thread(void);

/* SIGINT was a uv_signal's, which has let go of it: is it, or will it be again, what `saved` is, which was there
 * before? `ours`: that was left to its default or to the interpreter, so run() has it while it runs. */
bool interrupt_is_ours(lua_State *L, const struct sigaction *saved);
void interrupt_return(Core *core, const struct sigaction *saved, bool ours);

#endif
