/* SPDX-License-Identifier: MIT
 * open_connection: checks, resolves, and races for the first address that answers. */
#ifndef NEAP_IO_CONNECT_H
#define NEAP_IO_CONNECT_H

#include "kernel/core.h"

extern const luaL_Reg connect_functions[]; /* open_connection */

#endif
