/* SPDX-License-Identifier: MIT
 * Streams of descriptors: what the process was given, pipes, pairs of sockets. */
#ifndef NEAP_IO_DESCRIPTOR_H
#define NEAP_IO_DESCRIPTOR_H

#include "io/io.h"

extern const luaL_Reg descriptor_functions[]; /* open_fd, pipe, socketpair, stdin, stdout, stderr */

#endif
