/* SPDX-License-Identifier: MIT
 * open_connection: resolves, then tries the addresses one after the other. */
#ifndef NEAP_IO_CONNECT_H
#define NEAP_IO_CONNECT_H

#include "kernel/core.h"

extern const luaL_Reg connect_functions[]; /* open_connection */

#endif
