/* SPDX-License-Identifier: MIT */
#include "kernel/mailbox.h"

#include "base/memory.h"

bool mailbox_open(Core *core, const neap_api *api) {
  Mailbox *mailbox = memory_new(sizeof *mailbox);
  if (!mailbox) return false;
  if (uv_mutex_init(&mailbox->lock) != 0) {
    memory_delete(mailbox);
    return false;
  }
  mailbox->api = api;
  mailbox->core = core;
  list_create(&mailbox->jobs);
  atomic_init(&mailbox->holders, 1);
  core->mailbox = mailbox;
  return true;
}

Mailbox *mailbox_hold(Mailbox *mailbox) {
  atomic_fetch_add_explicit(&mailbox->holders, 1, memory_order_relaxed);
  return mailbox;
}

void mailbox_release(Mailbox *mailbox) {
  if (atomic_fetch_sub_explicit(&mailbox->holders, 1, memory_order_acq_rel) != 1) return;
  uv_mutex_destroy(&mailbox->lock);
  memory_delete(mailbox);
}

/* The jobs leave their list under the lock: nobody else touches it then. */
static void take(Mailbox *mailbox, Link *jobs, Core *core) {
  list_create(jobs);
  uv_mutex_lock(&mailbox->lock);
  list_splice(jobs, &mailbox->jobs);
  mailbox->core = core;
  uv_mutex_unlock(&mailbox->lock);
}

void mailbox_close(Core *core, void (*orphan)(Job *job)) {
  Mailbox *mailbox = core->mailbox;
  if (!mailbox) return;
  Link jobs;
  take(mailbox, &jobs, NULL);
  while (!list_empty(&jobs)) orphan(container_of(list_shift(&jobs), Job, link));
}

bool mailbox_post(Mailbox *mailbox, Job *job) {
  uv_mutex_lock(&mailbox->lock);
  Core *core = mailbox->core;
  if (core) {
    bool first = list_empty(&mailbox->jobs);
    list_append(&mailbox->jobs, &job->link);
    if (first) core_nudge(core); /* inside: the handle cannot be closed meanwhile */
  }
  uv_mutex_unlock(&mailbox->lock);
  return core != NULL;
}

void mailbox_arrived(Core *core) {
  Link jobs;
  take(core->mailbox, &jobs, core);
  jobs_post(core, &jobs);
}

void mailbox_forked(Core *core) {
  Mailbox *mailbox = core->mailbox;
  if (uv_mutex_trylock(&mailbox->lock) == 0) {
    uv_mutex_unlock(&mailbox->lock);
    return;
  }
  uv_mutex_init(&mailbox->lock);
  list_create(&mailbox->jobs); /* the list may be half changed */
}

void core_expect(Core *core, int change) {
  bool before = core->expected > 0;
  core->expected += change;
  if (core->closed || before == (core->expected > 0)) return;
  if (before)
    uv_unref((uv_handle_t *)&core->handles->async);
  else
    uv_ref((uv_handle_t *)&core->handles->async);
}
