/* SPDX-License-Identifier: MIT
 * How the watchdog's thread gets at a step: SIGURG to the thread that runs it, whose handler arms a Lua hook. */
#ifndef NEAP_KERNEL_ALARM_H
#define NEAP_KERNEL_ALARM_H

#include <stdbool.h>

/* The handler is ours from now on, and calls who had the signal before. Again before every use, as others may
 * have put theirs in its place. */
bool alarm_take_signal(void);

#endif
