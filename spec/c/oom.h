/* SPDX-License-Identifier: MIT
 * The sweep of refused allocations, in three parts: oom_objects.c knows whose code asks for memory, oom.c is a
 * child, whose allocator refuses, and oom_sweep.c starts one for each request and judges how it ended. */
#ifndef NEAP_SPEC_OOM_H
#define NEAP_SPEC_OOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TEXT = 1200, OBJECTS = 7 };

/* ---- oom_objects.c ---- */

typedef enum { OF_LUA, OF_UV, OF_LUV, OF_CORE, OF_TLS, OF_SSL, OF_CRYPTO, OF_OTHER } Owner;

typedef struct {
  const char *name;
  uintptr_t base, end;
} Object;

extern Object objects[OBJECTS];

Owner owner_of(const void *caller); /* whose code is at the address? */
void objects_open(void);            /* loads the modules, so that children need not, and notes where they are */

/* ---- oom.c ---- */

typedef enum { NOTHING, SUCCESS, CLEAN, UV_ABORT, BAD, UNUSABLE } Ending;

typedef struct {
  int ending; /* an Ending, stored last */
  long requests, refused, left;
  char text[TEXT];
} Outcome;

extern const char *const ending_names[];

pid_t start(long k, Outcome *into, const char *script); /* a child that is refused its request k; 0: none */

/* ---- oom_sweep.c ---- */

int sweep(const char *script, Outcome *shared, int jobs, long step); /* with every step-th request; exit status */

#endif
