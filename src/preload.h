/* SPDX-License-Identifier: MIT
 * The scripts of lua/ as strings: a table that tools/embed writes. */
#ifndef NEAP_PRELOAD_H
#define NEAP_PRELOAD_H

#include <stddef.h>

typedef struct {
  const char *module; /* NULL ends the table */
  const char *chunk;  /* the name in tracebacks */
  const char *text;
  size_t size;
} Script;

extern const Script preload_scripts[];

#endif
