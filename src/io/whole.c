/* SPDX-License-Identifier: MIT */
#include "io/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/fail.h"
#include "kernel/outside.h"

enum { LEAST = 4096 }; /* bytes of a buffer for a file that tells no size */

typedef struct {
  char *data;       /* malloc'd, or NULL */
  size_t size;      /* bytes read */
  size_t room;      /* of data */
  int status;       /* 0 or a libuv error */
  const char *what; /* static: the request of libuv's that this would have been */
  char path[];
} Whole;

static void whole_delete(Whole *whole) {
  memory_delete(whole->data);
  memory_delete(whole);
}

/* ---- on a thread of the pool ---- */

static bool whole_fail(Whole *whole, const char *what, int status) {
  whole->what = what;
  whole->status = status;
  return false;
}

static bool whole_grow(Whole *whole, size_t room) {
  char *data = memory_resize(whole->data, room);
  if (!data) return whole_fail(whole, "fs_read", UV_ENOMEM);
  whole->data = data;
  whole->room = room;
  return true;
}

/* One byte more than the size, so that a read of all of it also finds the end. */
static bool whole_first(Whole *whole, int fd) {
  struct stat stat;
  if (fstat(fd, &stat) != 0) return whole_fail(whole, "fs_fstat", -errno);
  size_t size = stat.st_size > 0 ? (size_t)stat.st_size : 0;
  return whole_grow(whole, size < LEAST ? LEAST : size + 1);
}

static bool whole_fill(Whole *whole, int fd) {
  for (;;) {
    if (whole->size == whole->room && !whole_grow(whole, whole->room * 2)) return false;
    size_t room = whole->room - whole->size;
    ssize_t n = read(fd, whole->data + whole->size, room);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return whole_fail(whole, "fs_read", -errno);
    if (n == 0) return true;
    whole->size += (size_t)n;
  }
}

static void whole_read(void *data) {
  Whole *whole = data;
  int fd;
  do fd = open(whole->path, O_RDONLY | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    whole_fail(whole, "fs_open", -errno);
    return;
  }
  if (whole_first(whole, fd)) whole_fill(whole, fd);
  close(fd);
}

/* ---- on the loop's thread ---- */

/* whole: its text, or the error */
static int whole_result(lua_State *L) {
  Whole *whole = lua_touserdata(L, 1);
  if (whole->status == 0) {
    lua_pushlstring(L, whole->data, whole->size);
    return 1;
  }
  fail_push_uv(L, whole->status, NULL);
  lua_pushfstring(L, "%s: %s: %s (%s)", whole->what, uv_strerror(whole->status), whole->path, uv_err_name(whole->status));
  lua_setfield(L, -2, "message");
  return lua_error(L);
}

static int whole_push(lua_State *L, void *data) {
  if (!L) {
    whole_delete(data);
    return 0;
  }
  lua_pushcfunction(L, whole_result);
  lua_pushlightuserdata(L, data);
  int status = lua_pcall(L, 1, 1, 0);
  whole_delete(data);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* whole: the future; the thread pool has it then */
static int whole_submit(lua_State *L) {
  outside_work(L, core_of(L), whole_read, whole_push, lua_touserdata(L, 1));
  return 1;
}

/* future = read(path); upvalue 2: whole_submit */
static int whole_start(lua_State *L) {
  size_t size;
  const char *path = luaL_checklstring(L, 1, &size);
  Whole *whole = memory_new(sizeof *whole + size + 1);
  if (!whole) return luaL_error(L, "not enough memory");
  memcpy(whole->path, path, size + 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushlightuserdata(L, whole);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return 1;
  whole_delete(whole);
  return lua_error(L);
}

void whole_open(lua_State *L, Core *core) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_newtable(L);
  lua_pushlightuserdata(L, core);
  lua_pushlightuserdata(L, core);
  lua_pushcclosure(L, whole_submit, 1);
  lua_pushcclosure(L, whole_start, 2);
  lua_setfield(L, -2, "read");
  lua_setfield(L, -2, "neap.core.files");
  lua_pop(L, 1);
}
