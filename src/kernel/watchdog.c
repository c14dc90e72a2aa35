/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/watchdog.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/alarm.h"

enum {
  WATCH_MS = 10,  /* between two looks, unless a slice is shorter */
  IDLE_LOOKS = 10 /* then the thread sleeps */
};

/* ---- the process's: whom the thread looks at ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static Link watched;         /* Watchdogs */
static pthread_t thread;
static unsigned generation;  /* of the thread; it ends when this is another one */
static bool alive;

static void make_condition(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(&changed, &attributes);
  pthread_condattr_destroy(&attributes);
}

/* Waits with the lock for a change, so long at most; 0: for ever. */
static void wait_change(uint64_t ns) {
  if (ns == 0) {
    pthread_cond_wait(&changed, &lock);
    return;
  }
#ifdef __APPLE__
  struct timespec span = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  pthread_cond_timedwait_relative_np(&changed, &lock, &span);
#else
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  ns += (uint64_t)until.tv_nsec;
  until.tv_sec += (time_t)(ns / 1000000000);
  until.tv_nsec = (long)(ns % 1000000000);
  pthread_cond_timedwait(&changed, &lock, &until);
#endif
}

/* A fork leaves the child without the thread: the next turn that wants it starts another. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void in_child(void) {
  pthread_mutex_init(&lock, NULL);
  make_condition();
  alive = false;
  list_each(link, &watched) {
    Watchdog *it = container_of(link, Watchdog, link);
    atomic_store(&it->asleep, true);
    atomic_store(&it->calling, false);
    it->step = 0; /* its CPU time begins anew */
  }
}

static void prepare(void) {
  list_create(&watched);
  make_condition();
  pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- the thread ---- */

static uint64_t cpu_time(pthread_t of) {
#if defined(_POSIX_THREAD_CPUTIME) && _POSIX_THREAD_CPUTIME >= 0
  clockid_t clock;
  struct timespec used;
  if (pthread_getcpuclockid(of, &clock) == 0 && clock_gettime(clock, &used) == 0)
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
#else
  UNUSED(of);
#endif
  return uv_hrtime();
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void ring(Watchdog *it, uint64_t step) {
  atomic_store(&it->suspect, step);
  atomic_store(&it->rung, true);
  if (alarm_take_signal()) pthread_kill(it->thread, SIGURG);
}

static bool may_end(Watchdog *it, uint64_t step, uint64_t now) {
  if (__atomic_load_n(&it->core->sliced, __ATOMIC_RELAXED) > 0) return true;
  if (now < __atomic_load_n(&it->core->limit_at, __ATOMIC_RELAXED)) return false;
  return atomic_load(&it->calm) != step || now >= atomic_load(&it->calm_until);
}

/* While `calling`, the loop's thread cannot leave the turn that it is in. */
static void look(Watchdog *it, uint64_t now) {
  atomic_store(&it->calling, true);
  uint64_t step = watchdog_step(it->core);
  uint32_t turn = __atomic_load_n(&it->core->turn, __ATOMIC_SEQ_CST);
  bool idle = step == 0 && it->step == turn;
  if (step == 0) {
    it->idle = idle ? it->idle + 1 : 0;
    it->step = turn;
  } else if (step != it->step) {
    it->idle = 0;
    it->step = step;
    it->since = now;
    it->first_used = cpu_time(it->thread);
  } else {
    uint64_t used = cpu_time(it->thread) - it->first_used, limit = __atomic_load_n(&it->core->step_limit, __ATOMIC_RELAXED);
    atomic_store(&it->used, used);
    atomic_store(&it->lasted, now - it->since);
    if ((used >= atomic_load(&it->allowance) && may_end(it, step, now)) || (limit && now - it->since >= limit)) ring(it, step);
  }
  atomic_store(&it->calling, false);
}

/* Without the lock, for whoever reads may be slow. */
static void print_text(Watchdog *it) {
  char text[HELD_UP_TEXT];
  size_t size = strlen(it->text);
  memcpy(text, it->text, size);
  atomic_store(&it->text_state, TEXT_PRINTED);
  pthread_mutex_unlock(&lock);
  ssize_t written = write(STDERR_FILENO, text, size);
  UNUSED(written); /* there is nobody to tell */
  pthread_mutex_lock(&lock);
}

static Watchdog *find_text(void) {
  list_each(link, &watched) {
    Watchdog *it = container_of(link, Watchdog, link);
    if (atomic_load(&it->text_state) == TEXT_READY) return it;
  }
  return NULL;
}

static bool unwanted(const Watchdog *it) { return __atomic_load_n(&it->core->wanted, __ATOMIC_SEQ_CST) == 0; }

/* Does nobody want the step that runs just now to be watched? */
static bool unwatched(Watchdog *it) {
  uint64_t once = atomic_load(&it->once); /* first: who has named a step is in that one, or in a later one */
  return unwanted(it) && once != watchdog_step(it->core);
}

/* May it be left alone? A turn, or a wish, that begins just now sees `asleep`, or is seen here. */
static bool fall_asleep(Watchdog *it) {
  if (it->idle < IDLE_LOOKS && !(unwatched(it) && watchdog_step(it->core) != it->step)) return false;
  atomic_store(&it->asleep, true);
  if (watchdog_step(it->core) == 0 || unwatched(it)) return true;
  atomic_store(&it->asleep, false);
  it->idle = 0;
  return false;
}

static void *patrol(void *arg) {
  unsigned mine = (unsigned)(uintptr_t)arg;
  pthread_mutex_lock(&lock);
  while (alive && generation == mine) {
    uint64_t now = uv_hrtime(), period = 0;
    list_each(link, &watched) {
      Watchdog *it = container_of(link, Watchdog, link);
      if (atomic_load(&it->asleep)) continue;
      look(it, now);
      if (fall_asleep(it)) continue;
      uint64_t own = atomic_load(&it->period);
      period = period ? least(period, own) : own;
    }
    Watchdog *told = find_text();
    if (told)
      print_text(told);
    else
      wait_change(period);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* With the lock. No signal of the process is for this thread. */
static bool start_thread(void) {
  if (alive) return true;
  sigset_t all, mask;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &mask);
  alive = pthread_create(&thread, NULL, patrol, (void *)(uintptr_t)++generation) == 0;
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  return alive;
}

/* ---- the core's side ---- */

/* False: there is no thread. It may fall asleep again at once, if nothing is wanted yet. */
static bool wake(Watchdog *it) {
  pthread_mutex_lock(&lock);
  bool awake = start_thread();
  atomic_store(&it->asleep, !awake);
  it->idle = 0;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  return awake;
}

/* Steps are asked once they have used `allowance`, and looked at twice in that time. */
static void set_pace(Watchdog *it, uint64_t allowance) {
  uint64_t period = least(allowance / 2, WATCH_MS * NS_PER_MS);
  atomic_store(&it->allowance, allowance);
  atomic_store(&it->period, period < NS_PER_MS / 2 ? NS_PER_MS / 2 : period);
}

static bool open_watchdog(Core *core) {
  Watchdog *it = memory_new(sizeof *it);
  if (!it) return false;
  memset(it, 0, sizeof *it);
  it->core = core;
  it->thread = pthread_self();
  atomic_init(&it->asleep, true);
  set_pace(it, OVERSTAY_MS * NS_PER_MS);
  pthread_once(&prepared, prepare);
  core->watchdog = it;
  if (core->draining) __atomic_store_n(&core->turn, core->turn | 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&lock);
  list_append(&watched, &it->link);
  pthread_mutex_unlock(&lock);
  return true;
}

static bool has_watchdog(Core *core) { return LIKELY(core->watchdog) || (!core->closed && open_watchdog(core)); }

static bool stir(Watchdog *it) { return LIKELY(!atomic_load(&it->asleep)) || wake(it); }

bool watchdog_once(Core *core) {
  if (!has_watchdog(core)) return false;
  atomic_store(&core->watchdog->once, watchdog_step(core));
  return stir(core->watchdog);
}

bool watchdog_want(Core *core) {
  __atomic_store_n(&core->wanted, core->wanted + 1, core->wanted ? __ATOMIC_RELAXED : __ATOMIC_SEQ_CST);
  return has_watchdog(core) && stir(core->watchdog);
}

void watchdog_slice(Core *core, uint64_t slice) {
  __atomic_store_n(&core->sliced, core->sliced + 1, __ATOMIC_RELAXED);
  if (slice < atomic_load(&core->watchdog->allowance)) set_pace(core->watchdog, slice);
  watchdog_want(core);
}

void watchdog_unslice(Core *core) {
  watchdog_release(core);
  __atomic_store_n(&core->sliced, core->sliced - 1, __ATOMIC_RELAXED);
  if (core->sliced == 0 && core->watchdog) set_pace(core->watchdog, OVERSTAY_MS * NS_PER_MS);
}

void watchdog_calm(Core *core, uint64_t calm_until, uint64_t limit_at) {
  atomic_store(&core->watchdog->calm_until, calm_until);
  atomic_store(&core->watchdog->calm, watchdog_step(core));
  __atomic_store_n(&core->limit_at, limit_at, __ATOMIC_RELAXED);
}

static void renumber(Core *core, Watchdog *it, uint64_t from, uint64_t step) {
  if (it->bitten == from) it->bitten = step, it->stretch.used += atomic_load(&it->used);
  if (it->told == from) it->told = step;
  atomic_store(&it->used, 0);
  atomic_store(&it->lasted, 0);
  watchdog_once(core);
  watchdog_at(core, 0);
}

void watchdog_back(lua_State *L, Core *core, uint64_t from) {
  Watchdog *it = core->watchdog;
  uint64_t step = watchdog_step(core);
  if (core_draining != core) return; /* in the middle of another state's step */
  if (step != from)
    renumber(core, it, from, step);
  else if (it->bitten != step || it->stretch.count == 0)
    return;
  atomic_store(&it->suspect, step);
  watchdog_again(L, 1);
}

void watchdog_tell(Core *core) {
  if (!core->watchdog || !watchdog_once(core)) return;
  core->watchdog->told = watchdog_step(core);
}

void watchdog_forgive(Core *core, const void *limit) {
  if (!core->watchdog) return;
  Stretch *it = &core->watchdog->stretch;
  for (int i = 0; i < it->count; i++)
    if (it->reasons[i].of == limit) it->reasons[i--] = it->reasons[--it->count];
}

void watchdog_enter(Core *core) {
  Watchdog *it = core->watchdog;
  it->thread = pthread_self();
  __atomic_store_n(&core->turn, core->turn + 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&core->wanted, __ATOMIC_RELAXED) > 0 && UNLIKELY(atomic_load(&it->asleep))) wake(it);
}

void watchdog_leave(Core *core) {
  Watchdog *it = core->watchdog;
  __atomic_store_n(&core->turn, core->turn + 1, __ATOMIC_SEQ_CST);
  if (LIKELY(!atomic_load(&it->calling))) return;
  pthread_mutex_lock(&lock); /* the look ends, and with it its signal is sent */
  pthread_mutex_unlock(&lock);
}

void watchdog_close(Core *core) {
  Watchdog *it = core->watchdog;
  if (!it) return;
  pthread_mutex_lock(&lock);
  list_remove(&it->link);
  bool last = list_empty(&watched) && alive;
  pthread_t ending = thread;
  if (last) alive = false;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  if (last) pthread_join(ending, NULL);
  core->watchdog = NULL; /* a signal that comes now finds nothing */
  memory_delete(it);
}
