/* SPDX-License-Identifier: MIT
 * Connecting to the first of several addresses that answers: Happy Eyeballs (RFC 8305). The families are
 * interleaved; the next attempt starts when the one before has taken too long, at once when one fails. The first
 * that connects wins, the others are closed.
 *
 * Names are resolved before, by one getaddrinfo for both families, which sorts (RFC 6724); so there is no
 * resolution delay. Everything is decided in continuations; the callbacks only note how it went and post the wait. */
#ifndef NEAP_IO_RACE_H
#define NEAP_IO_RACE_H

#include "io/stream.h"

typedef struct {
  double delay; /* seconds between attempts; below 0: one after the other */
  size_t lead;  /* so many addresses of the first family come first; 0: the order is kept */
  Address local; /* to bind to; any.sa_family 0: none */
} RaceOptions;

extern const Type race_type;

/* The stack of the task, of which the race pushes the third. */
enum { RACE_OP = 1, RACE_BOX, RACE_STATE };

/* Connects the empty box of a stream to one of the addresses. Parks, and returns the box or raises; both
 * options are borrowed until then. */
int race_begin(lua_State *L, Core *core, Task *task, const StreamOptions *stream, const RaceOptions *options,
               const Address *list, size_t count);

#endif
