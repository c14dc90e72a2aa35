/* SPDX-License-Identifier: MIT
 * Sockets that this process was started with. */
#ifndef NEAP_IO_INHERIT_H
#define NEAP_IO_INHERIT_H

#include "kernel/compat.h"

extern const luaL_Reg inherit_functions[]; /* listen_fds */

#endif
