/* SPDX-License-Identifier: MIT
 * The door for other threads: jobs posted to a core from anywhere, and who may still post. The mailbox is
 * a block that outlives the core for as long as somebody holds it.
 *
 * Somebody outside who may complete something keeps the loop alive: core_expect. */
#ifndef NEAP_KERNEL_MAILBOX_H
#define NEAP_KERNEL_MAILBOX_H

#include <stdatomic.h>

#include "kernel/core.h"
#include "neap.h"

typedef struct Mailbox {
  const neap_api *api; /* first: see NEAP_API_IN; static */
  uv_mutex_t lock;
  Link jobs;           /* Jobs that arrived, under the lock */
  Core *core;          /* borrowed, changed under the lock; NULL once the core is closed */
  atomic_uint holders;
} Mailbox;

bool mailbox_open(Core *core, const neap_api *api); /* false: no memory */
void mailbox_close(Core *core, void (*orphan)(Job *job)); /* what is left in it goes to `orphan` */
Mailbox *mailbox_hold(Mailbox *mailbox);
void mailbox_release(Mailbox *mailbox); /* any thread */

/* From any thread: the job runs on the loop's thread. False: the core is closed. */
bool mailbox_post(Mailbox *mailbox, Job *job);

void mailbox_arrived(Core *core); /* on the loop's thread: what came becomes ready */
void mailbox_forked(Core *core);  /* in a child, where the lock may be held by a thread that is not there */

/* One more, or one less, who may wake the loop from outside. */
void core_expect(Core *core, int change);

#endif
