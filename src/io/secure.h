/* SPDX-License-Identifier: MIT
 * The door to TLS, which is a module of its own, and Lua's: see neap.tls.streams. */
#ifndef NEAP_IO_SECURE_H
#define NEAP_IO_SECURE_H

#include "kernel/core.h"

/* Fields of options that are its own; known also where `tls` is false. */
#define TLS_FIELDS " tls server_hostname tls_session tls_handshake_timeout tls_shutdown_timeout"

/* If the options at the top of the stack want TLS, calls neap.tls.streams[name] with all the arguments, and leaves the
 * awaitable that it gives at the top. */
bool secure(lua_State *L, const char *name);

#endif
