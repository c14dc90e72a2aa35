/* SPDX-License-Identifier: MIT
 * Draining the ready queue inside uv_run. */
#ifndef NEAP_KERNEL_LOOP_H
#define NEAP_KERNEL_LOOP_H

#include "kernel/core.h"

bool loop_open(Core *core);  /* initialises the handles on core->loop; false: no memory or descriptors */
void loop_close(Core *core); /* closes them, frees the core's blocks; the core itself stays until the state is gone */

#endif
