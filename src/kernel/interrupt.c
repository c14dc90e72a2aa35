/* SPDX-License-Identifier: MIT
 * Signals are the process's, so this file has state of its own: whose run() has SIGINT.
 * Only the main thread takes it, as in asyncio, and only the main thread handles it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/interrupt.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/alarm.h"
#include "kernel/fail.h"
#include "kernel/task.h"
#include "kernel/worker.h"

static struct sigaction before; /* what was there; belongs to who took SIGINT */
static _Atomic(Core *) interrupted; /* signals are the process's: the core whose run() took SIGINT */

bool on_main_thread(void) { return syscall(SYS_gettid) == getpid(); }

static void raise_interrupt(lua_State *L, lua_Debug *frame) {
  UNUSED(frame);
  lua_sethook(L, NULL, 0, 0);
  const Core *core = atomic_load(&interrupted);
  if (!core || core->interrupts < 2) return; /* armed for a run() that is over */
  fail_push(L, FAIL_INTERRUPT, "interrupted");
  lua_error(L);
}

static uint64_t armed_at; /* since then the hook has been set, and has not run */

enum { PRESS_MS = 50 }; /* a third Ctrl-C so much later is for a coroutine that the armed one resumed */

static void arm_interrupt(lua_State *L) { lua_sethook(L, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1); }

static void on_sigint(int number) {
  if (!on_main_thread()) { /* the kernel chose a thread that does not block it */
    syscall(SYS_tgkill, getpid(), getpid(), number);
    return;
  }
  Core *core = atomic_load(&interrupted);
  if (!core) return;
  core_interrupt(core);
  if (core->interrupts < 2) return;
  const Task *task = core->current;
  lua_State *L = task && task->co ? task->co : core->from;
  uint64_t now = uv_hrtime();
  if (lua_gethook(L) != raise_interrupt) {
    arm_interrupt(L);
    armed_at = now;
  } else if (now - armed_at >= (uint64_t)PRESS_MS * 1000000) {
    for (int depth = 0; depth < COROUTINES_DEEP && (L = alarm_resumed(L)) != NULL; depth++) arm_interrupt(L);
  }
}

/* Is the handler the stand-alone interpreter's? It is in the program itself, and sets `arg`. */
static bool of_interpreter(lua_State *L, void (*handler)(int)) {
  Dl_info program, owner;
  void *address;
  memcpy(&address, &handler, sizeof address);
  if (!dladdr((void *)getauxval(AT_ENTRY), &program) || !dladdr(address, &owner)) return false;
  if (program.dli_fbase != owner.dli_fbase) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushliteral(L, "arg");
  bool is = lua_rawget(L, -2) == LUA_TTABLE;
  lua_pop(L, 2);
  return is;
}

bool interrupt_is_ours(lua_State *L, const struct sigaction *saved) {
  if ((saved->sa_flags & SA_SIGINFO) || saved->sa_handler == SIG_IGN) return false;
  return saved->sa_handler == SIG_DFL || of_interpreter(L, saved->sa_handler);
}

static void interrupt_catch(Core *core) {
  Core *nobody = NULL;
  if (!atomic_compare_exchange_strong(&interrupted, &nobody, core)) return; /* another thread's run() was quicker */
  struct sigaction take;
  memset(&take, 0, sizeof take);
  take.sa_handler = on_sigint;
  sigemptyset(&take.sa_mask);
  if (sigaction(SIGINT, &take, &before) != 0) atomic_store(&interrupted, NULL);
}

void interrupt_take(lua_State *L, Core *core) {
  struct sigaction now;
  if (!on_main_thread() || atomic_load(&interrupted) || sigaction(SIGINT, NULL, &now) != 0) return;
  if (interrupt_is_ours(L, &now)) interrupt_catch(core);
}

void interrupt_return(Core *core, const struct sigaction *saved, bool ours) {
  if (saved->sa_handler == on_sigint) /* of a run() that may be over */
    sigaction(SIGINT, atomic_load(&interrupted) ? saved : &before, NULL);
  else
    sigaction(SIGINT, saved, NULL);
  if (ours && core->running && on_main_thread()) interrupt_catch(core);
}

void interrupt_give(Core *core) {
  if (atomic_load(&interrupted) != core) return;
  if (lua_gethook(core->from) == raise_interrupt) lua_sethook(core->from, NULL, 0, 0);
  worker_unhook(core, raise_interrupt);
  struct sigaction now;
  if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_sigint) /* else a uv_signal has it by now */
    sigaction(SIGINT, &before, NULL);
  atomic_store(&interrupted, NULL);
}
