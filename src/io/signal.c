/* SPDX-License-Identifier: MIT
 * One uv_signal a signal number, started while it has a handler or somebody receives it, and kept. It
 * does not keep the loop alive; core->listening counts it, so that run() waits for the signal all the
 * same. What the signal did before comes back when it is stopped: libuv alone would leave it at its
 * default. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/signal.h"

#include <signal.h>

#include "base/memory.h"
#include "io/stream.h"
#include "kernel/callback.h"
#include "kernel/fail.h"
#include "kernel/interrupt.h"

typedef struct { /* block */
  uv_signal_t handle;
  Core *core;        /* borrowed */
  int number;
  bool started;
  Link all;          /* in io->signals */
  Link receivers;    /* SignalEntries */
  Standing *handler; /* anchored; NULL: none */
  struct sigaction saved; /* what was there before */
  bool uvs;          /* that was libuv's own: another uv_signal had the signal already */
  bool interrupt;    /* run() had, or would have, SIGINT */
} SignalWatch;

typedef struct {
  Link link;    /* in listener->receivers */
  Link pending; /* in signals->pending: it came, and nobody took it yet */
  SignalWatch *listener; /* borrowed; NULL: ended */
  struct Signals *owner;
} SignalEntry;

typedef struct Signals { /* user value 1: what the caller called each, by the entry's place */
  Head head;
  Core *core;   /* borrowed */
  Link pending; /* SignalEntries, in the order they came */
  Link waiters; /* Tasks */
  bool closed;
  int count;
  SignalEntry entries[];
} Signals;

/* ---- listening ---- */

static void on_listener_closed(uv_handle_t *handle) { memory_delete(container_of((uv_signal_t *)handle, SignalWatch, handle)); }

static void signals_wake(Signals *signals) {
  list_each(link, &signals->waiters) {
    Task *task = task_of_link(link);
    if (!wait_pending(task)) continue;
    wait_post(signals->core, task);
    return;
  }
}

static void on_signal(uv_signal_t *handle, int number) {
  SignalWatch *listener = container_of(handle, SignalWatch, handle);
  UNUSED(number);
  if (listener->handler) standing_post(listener->core, listener->handler);
  list_each(link, &listener->receivers) {
    SignalEntry *entry = container_of(link, SignalEntry, link);
    if (list_empty(&entry->pending)) list_append(&entry->owner->pending, &entry->pending);
    signals_wake(entry->owner);
  }
}

static SignalWatch *listener_find(Io *io, int number) {
  list_each(link, &io->signals) {
    SignalWatch *listener = container_of(link, SignalWatch, all);
    if (listener->number == number) return listener;
  }
  return NULL;
}

/* Puts back what was there before, in the moment in which libuv leaves the signal alone. */
static void listener_restore(SignalWatch *listener) {
  int number = listener->number;
  struct sigaction now;
  if (sigaction(number, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
  if (number == SIGINT)
    interrupt_return(listener->core, &listener->saved, listener->interrupt);
  else
    sigaction(number, &listener->saved, NULL);
}

static void listener_stop(SignalWatch *listener) {
  sigset_t only, mask;
  listener->started = false;
  listener->core->listening--;
  sigemptyset(&only);
  sigaddset(&only, listener->number);
  pthread_sigmask(SIG_BLOCK, &only, &mask);
  uv_signal_stop(&listener->handle);
  if (!listener->uvs) listener_restore(listener);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void listener_stop_idle(SignalWatch *listener) {
  if (!listener->handler && list_empty(&listener->receivers)) listener_stop(listener);
}

static int listener_start(SignalWatch *listener, bool interrupt) {
  struct sigaction now;
  if (listener->started) return 0;
  sigaction(listener->number, NULL, &listener->saved);
  int status = uv_signal_start(&listener->handle, on_signal, listener->number);
  if (status < 0) return status;
  listener->uvs = sigaction(listener->number, NULL, &now) == 0 && now.sa_handler == listener->saved.sa_handler;
  listener->interrupt = interrupt;
  listener->started = true;
  listener->core->listening++;
  return 0;
}

static SignalWatch *listener_new(Io *io, int number, int *status) {
  *status = UV_ENOMEM;
  SignalWatch *listener = memory_new(sizeof *listener);
  if (!listener) return NULL;
  listener->core = io->core;
  listener->number = number;
  list_create(&listener->receivers);
  *status = uv_signal_init(io->core->loop, &listener->handle);
  if (*status < 0) {
    memory_delete(listener);
    return NULL;
  }
  listener->handle.data = NULL; /* luv takes every handle with data for its own */
  uv_unref((uv_handle_t *)&listener->handle);
  list_append(&io->signals, &listener->all);
  return listener;
}

/* Would Ctrl-C interrupt run(), if nobody else took it? May raise. */
static bool check_interrupt(lua_State *L, int number) {
  struct sigaction now;
  return number == SIGINT && sigaction(number, NULL, &now) == 0 && interrupt_is_ours(L, &now);
}

static SignalWatch *listener_get(Io *io, int number, bool interrupt, int *status) {
  SignalWatch *listener = listener_find(io, number);
  if (!listener) listener = listener_new(io, number, status);
  if (!listener) return NULL;
  *status = listener_start(listener, interrupt);
  return *status == 0 ? listener : NULL;
}

static void check_main_thread(lua_State *L) {
  if (!on_main_thread()) fail_raise(L, FAIL_RUNTIME, "signals are handled in the main thread only");
}

/* ---- handlers ---- */

static void handler_dropped(Core *core, Standing *standing) {
  SignalWatch *listener = standing->on;
  UNUSED(core);
  if (!listener) return;
  standing->on = NULL;
  listener->handler = NULL;
  listener_stop_idle(listener);
}

static void handler_remove(Core *core, SignalWatch *listener) {
  listener->handler->on = NULL;
  standing_drop(core, listener->handler);
  listener->handler = NULL;
}

/* handle = add_signal_handler(signal, fn, ...) */
static int f_add_signal_handler(lua_State *L) {
  Core *core = core_of(L);
  int number = check_signal(L, 1), status = 0;
  check_function(L, 2);
  check_main_thread(L);
  Io *io = io_of(L);
  bool interrupt = check_interrupt(L, number);
  Standing *standing = standing_new(L, core, 2, handler_dropped);
  SignalWatch *listener = listener_get(io, number, interrupt, &status);
  if (!listener) {
    standing_drop(core, standing);
    return fail_raise_uv(L, status, "add_signal_handler");
  }
  if (listener->handler) handler_remove(core, listener);
  listener->handler = standing;
  standing->on = listener;
  return 1;
}

/* removed = remove_signal_handler(signal) */
static int f_remove_signal_handler(lua_State *L) {
  int number = check_signal(L, 1);
  SignalWatch *listener = listener_find(io_of(L), number);
  bool has = listener && listener->handler;
  if (has) {
    handler_remove(core_of(L), listener);
    listener_stop_idle(listener);
  }
  lua_pushboolean(L, has);
  return 1;
}

/* ---- receiving ---- */

static void signals_close(Signals *signals) {
  signals->closed = true;
  for (int i = 0; i < signals->count; i++) {
    SignalEntry *entry = &signals->entries[i];
    SignalWatch *listener = entry->listener;
    if (!listener) continue;
    entry->listener = NULL;
    list_remove(&entry->link);
    list_remove(&entry->pending);
    listener_stop_idle(listener);
  }
  tasks_wake(signals->core, &signals->waiters);
}

static int signals_await(lua_State *L, Core *core, Head *head);

static int k_signals(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_signals, context);
  Task *task = core->current;
  Signals *signals = lua_touserdata(L, 1);
  list_remove(&task->wait.u.link);
  if (LIKELY(!wait_cancelled(task))) return signals_await(L, core, &signals->head);
  if (!list_empty(&signals->pending)) signals_wake(signals);
  return wait_raise(L, core, task);
}

/* signal = await(signals): the next one, as the caller called it; nil once it is closed */
static int signals_await(lua_State *L, Core *core, Head *head) {
  Signals *signals = (Signals *)head;
  if (!list_empty(&signals->pending)) {
    SignalEntry *entry = container_of(list_shift(&signals->pending), SignalEntry, pending);
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, entry - signals->entries + 1);
    return 1;
  }
  if (signals->closed) return lua_pushnil(L), 1;
  Task *task = core->current;
  list_append(&signals->waiters, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_signals, (lua_KContext)core);
}

static void check_twice(lua_State *L, const int *numbers, int i) {
  for (int j = 0; j < i; j++)
    if (numbers[j] == numbers[i]) luaL_argerror(L, i + 1, "the signal is named twice");
}

/* for signal in signals(signal, ...) do: awaits the next one; the loop's end stops listening */
static int f_signals(lua_State *L) {
  int numbers[NSIG], n = lua_gettop(L), status = 0;
  luaL_checkany(L, 1);
  for (int i = 0; i < n; i++) {
    numbers[i] = check_signal(L, i + 1);
    check_twice(L, numbers, i);
  }
  check_main_thread(L);
  Io *io = io_of(L);
  if (io->core->closed) luaL_error(L, "neap is closed in this Lua state");
  bool interrupt = false;
  for (int i = 0; i < n; i++) interrupt = interrupt || check_interrupt(L, numbers[i]);
  Signals *signals = object_new(L, &signals_type, sizeof *signals + (size_t)n * sizeof(SignalEntry), 1);
  signals->core = io->core;
  list_create(&signals->pending);
  list_create(&signals->waiters);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, 1);
  for (; signals->count < n; signals->count++) {
    SignalEntry *entry = &signals->entries[signals->count];
    entry->listener = listener_get(io, numbers[signals->count], interrupt, &status);
    if (!entry->listener) {
      signals_close(signals);
      return fail_raise_uv(L, status, "signals");
    }
    entry->owner = signals;
    list_create(&entry->pending);
    list_append(&entry->listener->receivers, &entry->link);
  }
  await_push_function(L, io->core);
  lua_insert(L, -2);
  lua_pushnil(L);
  lua_pushvalue(L, -2); /* await, signals, nil, signals: the last one is closed with the loop */
  return 4;
}

void signals_end(Io *io) {
  while (!list_empty(&io->signals)) {
    SignalWatch *listener = container_of(io->signals.next, SignalWatch, all);
    if (listener->handler) handler_remove(io->core, listener);
    while (!list_empty(&listener->receivers)) {
      SignalEntry *entry = container_of(list_shift(&listener->receivers), SignalEntry, link);
      entry->listener = NULL;
      list_remove(&entry->pending);
      entry->owner->closed = true;
      tasks_wake(io->core, &entry->owner->waiters);
    }
    if (listener->started) listener_stop(listener);
    list_remove(&listener->all);
    uv_close((uv_handle_t *)&listener->handle, on_listener_closed);
  }
}

static int signals_finish(lua_State *L) {
  signals_close(object_check(L, 1, &signals_type));
  return 0;
}

/* Whoever waited for it is gone too. */
static int signals_gc(lua_State *L) {
  Signals *signals = lua_touserdata(L, 1);
  list_create(&signals->waiters);
  return signals_finish(L);
}

static int signals_tostring(lua_State *L) {
  Signals *signals = object_check(L, 1, &signals_type);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  luaL_addstring(&text, signals->closed ? "neap.Signals (closed" : "neap.Signals (");
  for (int i = 0; i < signals->count && !signals->closed; i++) {
    if (i > 0) luaL_addstring(&text, ", ");
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, i + 1);
    lua_remove(L, -2);
    luaL_addvalue(&text);
  }
  luaL_addstring(&text, ")");
  luaL_pushresult(&text);
  return 1;
}

const luaL_Reg signal_functions[] = {
    {"add_signal_handler", f_add_signal_handler},
    {"remove_signal_handler", f_remove_signal_handler},
    {"signals", f_signals},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__close", signals_finish}, {"__gc", signals_gc}, {"__tostring", signals_tostring}, {NULL, NULL}};

const Type signals_type = {.name = "neap.Signals", .await = signals_await, .metamethods = metamethods};
