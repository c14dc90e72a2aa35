/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/object.h"

enum { NAME_AT = offsetof(struct sockaddr_un, sun_path), NAME_ROOM = sizeof(struct sockaddr_un) - NAME_AT };

struct Ends {
  struct {
    unsigned short at, size;
  } self, peer;
  char names[];
};

/* ---- names ---- */

void check_local(lua_State *L, int arg, Local *local) {
  size_t size;
  if (lua_type(L, arg) != LUA_TSTRING) argument_error(L, arg, "path, a string,");
  const char *path = lua_tolstring(L, arg, &size);
  luaL_argcheck(L, size > 0, arg, "the path is empty");
  bool abstract = *path == '\0';
  luaL_argcheck(L, !abstract || size > 1, arg, "the abstract name is empty");
  luaL_argcheck(L, abstract || strlen(path) == size, arg, "the path contains a zero byte");
  size_t most = abstract ? NAME_ROOM : NAME_ROOM - 1;
  if (size > most)
    luaL_argerror(L, arg, lua_pushfstring(L, "the path is too long: %d bytes, at most %d are possible", (int)size, (int)most));
  memset(local, 0, sizeof *local);
  local->name.sun_family = AF_UNIX;
  memcpy(local->name.sun_path, path, size);
  local->size = (socklen_t)(NAME_AT + size + !abstract);
}

static size_t name_size(const Local *local) {
  if (local->size <= NAME_AT) return 0;
  size_t size = local->size - NAME_AT;
  return local->name.sun_path[0] ? strnlen(local->name.sun_path, size) : size;
}

void local_push(lua_State *L, const Local *local) { lua_pushlstring(L, local->name.sun_path, name_size(local)); }

static const char *name_text(const char *name, size_t length, char *text, size_t size) {
  size_t n = length < size ? length : size - 1;
  for (size_t i = 0; i < n; i++) text[i] = name[i] ? name[i] : '@';
  text[n] = '\0';
  return text;
}

const char *local_text(const Local *local, char *text, size_t size) {
  return name_text(local->name.sun_path, name_size(local), text, size);
}

/* ---- sockets ---- */

static int local_socket(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? -errno : fd;
}

int local_connect(const Local *local) {
  int fd = local_socket();
  if (fd < 0) return fd;
  int status = connect(fd, (const struct sockaddr *)&local->name, local->size) < 0 ? -errno : 0;
  if (status == 0) return fd;
  close(fd);
  return status;
}

static void remove_stale(const Local *local) {
  struct stat there;
  if (lstat(local->name.sun_path, &there) == 0 && S_ISSOCK(there.st_mode)) unlink(local->name.sun_path);
}

int local_bind(Local *local) {
  int fd = local_socket();
  if (fd < 0) return fd;
  bool file = local->name.sun_path[0] != '\0';
  if (file) remove_stale(local);
  int status = bind(fd, (const struct sockaddr *)&local->name, local->size) < 0 ? -errno : 0;
  if (status < 0) {
    close(fd);
    return status;
  }
  struct stat mine;
  local->bound = file && lstat(local->name.sun_path, &mine) == 0;
  if (local->bound) {
    local->device = mine.st_dev;
    local->inode = mine.st_ino;
  }
  return fd;
}

void local_unbind(Local *local) {
  struct stat there;
  if (!local->bound) return;
  local->bound = false;
  if (local->cleanup && lstat(local->name.sun_path, &there) == 0 && there.st_dev == local->device && there.st_ino == local->inode)
    unlink(local->name.sun_path);
}

/* ---- a connection's ends ---- */

Ends *ends_new(int fd) {
  Local self, peer;
  self.size = sizeof self.name;
  peer.size = sizeof peer.name;
  if (fd < 0 || getsockname(fd, (struct sockaddr *)&self.name, &self.size) < 0) return NULL;
  if (getpeername(fd, (struct sockaddr *)&peer.name, &peer.size) < 0) peer.size = 0;
  size_t own = name_size(&self), other = name_size(&peer);
  Ends *ends = memory_resize(NULL, sizeof *ends + own + other);
  if (!ends) return NULL;
  ends->self.at = 0;
  ends->self.size = ends->peer.at = (unsigned short)own;
  ends->peer.size = (unsigned short)other;
  memcpy(ends->names, self.name.sun_path, own);
  memcpy(ends->names + own, peer.name.sun_path, other);
  return ends;
}

void ends_push(lua_State *L, const Ends *ends, bool peer) {
  lua_pushlstring(L, ends->names + (peer ? ends->peer.at : ends->self.at), peer ? ends->peer.size : ends->self.size);
}

bool ends_text(const Ends *ends, char text[80]) {
  bool peer = ends->peer.size > 0;
  size_t size = peer ? ends->peer.size : ends->self.size;
  if (size == 0) return false;
  name_text(ends->names + (peer ? ends->peer.at : ends->self.at), size, text, 80);
  return true;
}

void credentials_push(lua_State *L, int fd) {
#ifdef SO_PEERCRED
  struct ucred other;
  socklen_t size = sizeof other;
  if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &size) == 0 && other.pid > 0) {
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, other.pid);
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, (lua_Integer)other.uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, (lua_Integer)other.gid);
    lua_setfield(L, -2, "gid");
    return;
  }
#endif
  UNUSED(fd);
  lua_pushnil(L);
}
