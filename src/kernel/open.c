/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/open.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/await.h"
#include "kernel/callback.h"
#include "kernel/context.h"
#include "kernel/coroutine.h"
#include "kernel/fail.h"
#include "kernel/guard.h"
#include "kernel/host.h"
#include "kernel/loop.h"
#include "kernel/luv.h"
#include "kernel/mailbox.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/run.h"
#include "kernel/spawn.h"
#include "kernel/trace.h"

static const char luv_key = 0; /* registry: luv's module table, which holds its loop */
static const char core_key = 0; /* registry: the core */

/* A pending close callback must find its code after lua_close has unloaded the module. */
static void pin(void) {
  Dl_info self;
  void *address;
  Core *(*function)(lua_State *, const neap_api *) = kernel_open;
  memcpy(&address, &function, sizeof address);
  if (dladdr(address, &self)) dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* The core is Lua memory: finalizers of others that run after this one still find it. */
static int report_last(lua_State *L) {
  report_failures(L, lua_touserdata(L, 1));
  return 0;
}

static int core_gc(lua_State *L) {
  Core *core = lua_touserdata(L, 1);
  if (!core->closed) {
    lua_pushcfunction(L, report_last);
    lua_pushlightuserdata(L, core);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_writestringerror("neap: %s\n", "errors that were never retrieved are lost: not enough memory");
    loop_close(core);
  }
  if (core->mailbox) mailbox_release(core->mailbox);
  core->mailbox = NULL;
  return 0;
}

static void stress(Core *core) {
  const char *what = getenv("NEAP_STRESS");
  if (!what) return;
  core->stress_gc = strstr(what, "gc") != NULL;
  core->stress_park = strstr(what, "park") != NULL;
  if (!strstr(what, "shuffle")) return;
  const char *seed = getenv("NEAP_SEED");
  core->timers.shuffle = (seed ? strtoull(seed, NULL, 10) : 1) * 0x9E3779B97F4A7C15ull | 1;
}

static Core *core_new(lua_State *L, LuvContext *luv, const neap_api *api) {
  Core *core = lua_newuserdatauv(L, sizeof *core, 0);
  memset(core, 0, sizeof *core);
  core->luv = luv;
  core->loop = luv->loop;
  core->main = core->from = luv->L;
  core->handler = LUA_NOREF;
  core->limit_at = UINT64_MAX;
  core->closed = true;
  list_create(&core->failures);
  list_create(&core->orphans);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, core_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2); /* after luv: finalizers run in reverse order */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
  if (!loop_open(core)) luaL_error(L, "neap cannot be opened: out of memory or file descriptors");
  core->closed = false;
  core->forks = fork_count();
  if (!mailbox_open(core, api)) luaL_error(L, "not enough memory"); /* core_gc closes what is open */
  return core;
}

Core *core_find(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
  Core *core = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return core;
}

static void anchors_open(lua_State *L, Core *core) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  core->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  core->service = lua_newthread(L);
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_checkstack(core->service, SERVICE_TOP + LUA_MINSTACK);
  lua_xmove(L, core->service, 1);
}

Core *kernel_open(lua_State *L, const neap_api *api) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  pin();
  fork_watch();
  LuvContext *luv = luv_open(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &luv_key);
  Core *core = core_new(L, luv, api);
  anchors_open(L, core);
  trace_open(L, core);
  pool_open(L, core, task_body, trace_on_error, await_function);
  context_open(L, core);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
  luv_tame(L, core);
  lua_pop(L, 1);
  guard_open(L);
  const char *debug = getenv("NEAP_DEBUG");
  core->debug = debug && *debug && strcmp(debug, "0") != 0;
  stress(core);

  fail_open(L);
  static const luaL_Reg *const functions[] = {await_functions, run_functions,    callback_functions, context_functions,
                                              report_functions, trace_functions, spawn_functions, host_functions};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) functions_open(L, core, functions[i]);
  class_open(L, core, &future_type.type, "Future");
  class_open(L, core, &task_type.type, "Task");
  class_open(L, core, &runner_type, "Runner");
  class_open(L, core, &context_type, "Context");
  class_open(L, core, &context_var_type, "ContextVar");
  class_open(L, core, &context_token_type, NULL);
  class_open(L, core, &callback_type, "Handle");
  class_open(L, core, &standing_type, NULL);
  class_open(L, core, &failure_type, NULL);
  class_open(L, core, &op_type, NULL);
  class_open(L, core, &coro_type, NULL);
  class_open(L, core, &coro_debug_type, NULL);
  return core;
}
