/* SPDX-License-Identifier: MIT
 * Terminals: their size and their mode. A mode that was set lasts until the stream is closed or the
 * process exits: then the terminal is as it was before. */
#ifndef NEAP_IO_TERMINAL_H
#define NEAP_IO_TERMINAL_H

#include "io/stream.h"

void terminal_restore(Stream *stream); /* stream->terminal is set, and the descriptor open */
int f_isatty(lua_State *L);
int f_get_winsize(lua_State *L);
int f_set_tty_mode(lua_State *L);

#endif
