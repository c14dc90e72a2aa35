/* SPDX-License-Identifier: MIT
 * Which libuv owns a loop: the object that holds uv__work_done, which uv_loop_init put into
 * loop->wq_async. Names found in any other object would be another copy, with another idea of the
 * structs or other globals; see also the size checks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define UV_TABLE_KEEP_NAMES
#include "kernel/uv_table.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#ifdef NEAP_LINK_UV

/* A loop of the libuv that is linked tells whether luv's came from the same. */
const char *uv_table_open(const uv_loop_t *loop) {
  if (uv_version() >> 16 != 1 || uv_version() < UV_TABLE_MINIMUM) return "libuv 1.44 or later of the 1.x series is needed";
  if (uv_loop_size() != sizeof(uv_loop_t)) return "libuv has other struct sizes than the uv.h neap was built with";
  uv_loop_t probe;
  if (uv_loop_init(&probe) < 0) return "out of memory or file descriptors";
  bool same = probe.wq_async.async_cb == loop->wq_async.async_cb;
  uv_loop_close(&probe);
  return same ? NULL : "luv uses another copy of libuv than this program; link both against the same";
}

#else

UvTable uv_table;

static const struct {
  const char *name;
  size_t offset; /* of its field */
} rows[] = {
#define UV_TABLE_ROW(name) {#name, offsetof(UvTable, name##_)},
    UV_TABLE(UV_TABLE_ROW)
#undef UV_TABLE_ROW
};

static void *address_of(void (*function)(uv_async_t *)) {
  void *address;
  memcpy(&address, &function, sizeof address);
  return address;
}

/* A name defined in the object loaded at `base`, not in one of its dependencies. */
static void *find(void *object, const void *base, const char *name) {
  void *found = dlsym(object, name);
  Dl_info where;
  return found && dladdr(found, &where) && where.dli_fbase == base ? found : NULL;
}

static const char *check(const UvTable *t) {
  if (t->uv_version_() >> 16 != 1 || t->uv_version_() < UV_TABLE_MINIMUM)
    return "libuv 1.44 or later of the 1.x series is needed; update luv";
  if (t->uv_loop_size_() != sizeof(uv_loop_t) || t->uv_handle_size_(UV_TCP) != sizeof(uv_tcp_t) ||
      t->uv_handle_size_(UV_TIMER) != sizeof(uv_timer_t) || t->uv_req_size_(UV_WRITE) != sizeof(uv_write_t))
    return "luv's libuv has other struct sizes than the uv.h neap was built with; build both alike";
  return NULL;
}

const char *uv_table_open(const uv_loop_t *loop) {
  static _Thread_local char why[256];
  Dl_info owner;
  if (!dladdr(address_of(loop->wq_async.async_cb), &owner))
    return "cannot tell which libuv owns luv's loop; install lua-luv (Debian) or luv (LuaRocks)";
  /* It stays, when lua_close unloads luv: other threads may still complete futures, which locks a mutex. */
  void *object = dlopen(owner.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  if (!object) object = dlopen(NULL, RTLD_NOW); /* the program itself */
  UvTable t;
  const char *missing = NULL;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    void *found = find(object, owner.dli_fbase, rows[i].name);
    if (!found) missing = rows[i].name;
    memcpy((char *)&t + rows[i].offset, &found, sizeof found);
  }
  dlclose(object);
  if (missing) {
    snprintf(why, sizeof why, "%s, which owns luv's loop, does not export %s; "
             "install lua-luv (Debian) or luv (LuaRocks)", owner.dli_fname, missing);
    return why;
  }
  const char *wrong = check(&t);
  if (wrong) return wrong;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* states of several threads may open at once */
  pthread_mutex_lock(&lock);
  bool first = !uv_table.uv_run_, same = uv_table.uv_run_ == t.uv_run_;
  if (first) uv_table = t;
  pthread_mutex_unlock(&lock);
  return first || same ? NULL : "another Lua state of this process uses another copy of libuv";
}

#endif
