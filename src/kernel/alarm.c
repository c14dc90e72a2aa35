/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/alarm.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "kernel/watchdog.h"

enum {
  SILENT_MS = 5,   /* CPU time after which a coroutine that does not answer runs others */
  ASKS_HELD_UP = 3 /* without an answer: a C function does not return */
};

enum { LAYERS = 4 };

/* Whose SIGURG it was before the handler below took it, the first at 0. One that came after it and hands on what is
 * not its own calls that handler again. */
static struct sigaction before[LAYERS];
static atomic_int layers;
static _Thread_local int handed_on __attribute__((tls_model("initial-exec"))); /* of the layers, by the signal that is handled */

/* ---- the hook ---- */

/* The hook that L had, no longer among the saved ones. */
static SavedHook take_saved(Watchdog *it, const lua_State *L) {
  SavedHook taken = {NULL, NULL, 0, 0};
  for (int i = 0; i < it->saved_count; i++) {
    if (it->saved[i].L != L) continue;
    taken = it->saved[i];
    it->saved[i] = it->saved[--it->saved_count];
    break;
  }
  return taken;
}

static void disarm(Watchdog *it, lua_State *L) {
  SavedHook own = {NULL, NULL, 0, 0};
  if (it && it->saved_count > 0) {
    atomic_store(&it->busy, true);
    own = take_saved(it, L);
    atomic_store(&it->busy, false);
  }
  lua_sethook(L, own.hook, own.mask, own.count);
}

static void on_instruction(lua_State *L, lua_Debug *frame) {
  UNUSED(frame);
  Core *core = core_draining;
  Watchdog *it = core ? core->watchdog : NULL;
  disarm(it, L);
  if (!it || atomic_load(&it->suspect) != watchdog_step(core)) return; /* late: that step is over */
  it->asked = 0;
  it->asks = 0;
  core->overstayed(L, core);
}

/* Also in a signal handler: lua_sethook is made for that. */
static void arm(Watchdog *it, lua_State *L, int n) {
  lua_Hook hook = lua_gethook(L);
  if (hook != on_instruction) {
    take_saved(it, L); /* of a thread that was here before and never answered */
    if (hook && (lua_gethookmask(L) & LUA_MASKCOUNT || it->saved_count == SAVED_HOOKS)) return; /* its count would begin anew */
    if (hook) it->saved[it->saved_count++] = (SavedHook){L, hook, lua_gethookmask(L), lua_gethookcount(L)};
  }
  lua_sethook(L, on_instruction, LUA_MASKCOUNT, n);
}

void watchdog_again(lua_State *L, int n) {
  Watchdog *it = core_draining->watchdog;
  atomic_store(&it->busy, true);
  arm(it, L, n);
  atomic_store(&it->busy, false);
}

/* ---- the signal handler, on the loop's thread. It only reads what the public interface of Lua reads
 * without writing, and of threads that have been inside one C function for long. ---- */

static bool runs(lua_State *co) {
  lua_Debug frame;
  return lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame);
}

static bool in_c_function(lua_State *L) {
  lua_Debug frame;
  return lua_getstack(L, 0, &frame) && lua_getinfo(L, "S", &frame) && *frame.what == 'C';
}

lua_State *alarm_resumed(lua_State *L) {
  if (!in_c_function(L)) return NULL;
  int top = lua_gettop(L);
  for (int i = 1; i <= top && i <= 10; i++) {
    lua_State *co = lua_tothread(L, i);
    if (co && co != L && runs(co)) return co;
  }
  for (int i = 1; i <= 3; i++) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(i));
    if (co && co != L && runs(co)) return co;
  }
  return NULL;
}

static void add_text(Watchdog *it, size_t *at, const char *text) {
  while (*text && *at + 1 < sizeof it->text) it->text[(*at)++] = *text++;
  it->text[*at] = '\0';
}

static void add_number(Watchdog *it, size_t *at, uint64_t number) {
  char digits[24], *from = digits + sizeof digits;
  *--from = '\0';
  do
    *--from = (char)('0' + number % 10);
  while (number /= 10);
  add_text(it, at, from);
}

static void add_frame(Watchdog *it, size_t *at, const lua_Debug *frame) {
  add_text(it, at, "\n\t");
  add_text(it, at, frame->short_src);
  if (frame->currentline > 0) add_text(it, at, ":"), add_number(it, at, (uint64_t)frame->currentline);
  if (!frame->name) return;
  add_text(it, at, ": in ");
  add_text(it, at, *frame->namewhat ? frame->namewhat : "function");
  add_text(it, at, " '");
  add_text(it, at, frame->name);
  add_text(it, at, "'");
}

enum { FRAMES_TOLD = 12 };

/* What the thread is to print: Lua cannot, as a C function has not returned for so long. */
static void describe_held_up(Core *core, Watchdog *it, lua_State *L) {
  size_t at = 0;
  lua_Debug frame;
  add_text(it, &at, "neap: a step");
  if (core->current) add_text(it, &at, " of task number "), add_number(it, &at, core->current->number);
  add_text(it, &at, " has held up the loop for ");
  add_number(it, &at, atomic_load(&it->lasted) / NS_PER_MS);
  add_text(it, &at, " ms, in a C function:");
  for (int level = 0; level < FRAMES_TOLD && lua_getstack(L, level, &frame); level++)
    if (lua_getinfo(L, "Sln", &frame)) add_frame(it, &at, &frame);
  add_text(it, &at, "\n");
  it->reported = watchdog_step(core);
  atomic_store(&it->text_state, TEXT_READY);
}

static bool may_describe(const Core *core, Watchdog *it) {
  return core->step_limit && atomic_load(&it->lasted) >= core->step_limit && it->reported != it->asked &&
         atomic_load(&it->text_state) != TEXT_READY;
}

/* False: it came too late, if it was ours at all. */
static bool ask(Core *core, Watchdog *it) {
  uint64_t step = watchdog_step(core), used = atomic_load(&it->used);
  if (step == 0 || step != atomic_load(&it->suspect)) return false;
  if (atomic_load(&it->busy)) return true; /* at the next look */
  if (it->asked != step) {
    it->asked = step;
    it->asked_used = used;
    it->asks = 0;
  }
  it->asks++;
  lua_State *L = core->current && core->current->co ? core->current->co : core->from;
  arm(it, L, 1);
  bool silent = used - it->asked_used >= SILENT_MS * NS_PER_MS, held_up = it->asks > ASKS_HELD_UP;
  if (!silent && !held_up) return true;
  for (int depth = 0; depth < COROUTINES_DEEP; depth++) {
    lua_State *inner = alarm_resumed(L);
    if (!inner) break;
    arm(it, L = inner, 1);
  }
  if (held_up && may_describe(core, it) && in_c_function(L)) describe_held_up(core, it, L);
  return true;
}

static void hand_on(int number, siginfo_t *info, void *context) {
  int at = atomic_load(&layers) - 1 - handed_on;
  if (at < 0) return;
  const struct sigaction *to = &before[at];
  handed_on++;
  if (to->sa_flags & SA_SIGINFO)
    to->sa_sigaction(number, info, context);
  else if (to->sa_handler != SIG_DFL && to->sa_handler != SIG_IGN)
    to->sa_handler(number);
  handed_on--;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  int saved = errno;
  Core *core = core_draining;
  Watchdog *it = core ? core->watchdog : NULL;
  if (!it || !atomic_exchange(&it->rung, false) || !ask(core, it)) hand_on(number, info, context);
  errno = saved;
}

static bool same_handler(const struct sigaction *a, const struct sigaction *b) {
  if ((a->sa_flags & SA_SIGINFO) != (b->sa_flags & SA_SIGINFO)) return false;
  return a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction : a->sa_handler == b->sa_handler;
}

/* From the watchdog's thread alone. What a layer says is read only once it counts, and changes no more, but for one that
 * comes when there are too many: then it takes the last one's place. */
bool alarm_take_signal(void) {
  struct sigaction now, take;
  if (sigaction(SIGURG, NULL, &now) != 0) return false;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal) return true;
  int count = atomic_load(&layers);
  if (count == 0 || !same_handler(&before[count - 1], &now)) {
    if (count == LAYERS) count--;
    before[count] = now;
    atomic_store(&layers, count + 1);
  }
  memset(&take, 0, sizeof take);
  take.sa_sigaction = on_signal;
  take.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&take.sa_mask);
  return sigaction(SIGURG, &take, NULL) == 0;
}
