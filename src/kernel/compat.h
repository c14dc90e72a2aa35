/* SPDX-License-Identifier: MIT
 * The few things that differ between compilers, Lua 5.4 releases and luv releases. */
#ifndef NEAP_KERNEL_COMPAT_H
#define NEAP_KERNEL_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "kernel/uv_table.h"

#if LUA_VERSION_NUM != 504
#error "neap is written for Lua 5.4"
#endif

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define UNUSED(x) ((void)(x))

/* Closes a dead coroutine. lua_closethread is not in 5.4.0 to 5.4.5, lua_resetthread is in all, but
 * 5.4.5 alone gave it a second argument: that release is refused at build time. */
#if LUA_VERSION_RELEASE_NUM == 50405
#error "Lua 5.4.5 changed lua_resetthread for this one release; use another 5.4"
#endif

/* luv_ctx_t as it has been from luv 1.44 to 1.52 (luv.h is not always installed). */
typedef struct {
  uv_loop_t *loop;
  lua_State *L;
  int (*pcall)(lua_State *L, int nargs, int nresults, int flags);
  int (*thread_pcall)(lua_State *L, int nargs, int nresults, int flags);
  int (*thread_cpcall)(lua_State *L, lua_CFunction function, void *ud, int flags);
  int mode; /* -1: the loop is not running */
  void *extra;
} LuvContext;

enum { LUV_NO_EXIT = 1, LUV_NO_TRACEBACK = 2, LUV_NO_MESSAGE = 4 };

typedef LuvContext *(*LuvContextOf)(lua_State *L);

#endif
