/* SPDX-License-Identifier: MIT
 * getaddrinfo and getnameinfo as awaitables. How many run at once: see resolve.h. */
#ifndef NEAP_IO_NAMES_H
#define NEAP_IO_NAMES_H

#include "kernel/object.h"

extern const Type name_type;
extern const luaL_Reg names_functions[]; /* getaddrinfo, getnameinfo */

#endif
