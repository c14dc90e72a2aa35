/* SPDX-License-Identifier: MIT
 * A descriptor becomes non-blocking, which is a property of what it was opened as, and that may be shared
 * with other processes. So the standard ones, which are, are opened anew where the system can: then closing
 * the stream, too, leaves 0, 1 and 2 as they were. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/stream.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

typedef struct {
  StreamKind kind;
  bool readable, writable;
} Nature;

/* A uv status. */
static int socket_nature(int fd, Nature *nature) {
  int type = 0;
  socklen_t size = sizeof type;
  struct sockaddr_storage name;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return -errno;
  size = sizeof name;
  if (getsockname(fd, (struct sockaddr *)&name, &size) < 0) return -errno;
  if (type != SOCK_STREAM) return UV_EPROTOTYPE;
  if (name.ss_family != AF_UNIX && name.ss_family != AF_INET && name.ss_family != AF_INET6) return UV_EAFNOSUPPORT;
  nature->kind = name.ss_family == AF_UNIX ? STREAM_LOCAL : STREAM_TCP;
  return 0;
}

static int nature_of(int fd, Nature *nature) {
  struct stat status;
  int mode = fcntl(fd, F_GETFL);
  if (mode < 0 || fstat(fd, &status) < 0) return -errno;
  nature->readable = (mode & O_ACCMODE) != O_WRONLY;
  nature->writable = (mode & O_ACCMODE) != O_RDONLY;
  if (S_ISSOCK(status.st_mode)) return socket_nature(fd, nature);
  if (isatty(fd))
    nature->kind = STREAM_TTY;
  else if (S_ISFIFO(status.st_mode))
    nature->kind = STREAM_PIPE;
  else if (S_ISDIR(status.st_mode))
    return UV_EISDIR;
  else
    nature->kind = STREAM_FILE;
  return 0;
}

/* Pushes an open stream of it; on an error, which it raises, the descriptor stays open. */
static void push_stream(lua_State *L, int fd, const Nature *nature, StreamOptions options, const char *what) {
  Io *io = io_of(L);
  int status;
  StreamBox *box = stream_box_new(L);
  trace_where(L, L, 1);
  stream_box_origin(L, lua_gettop(L) - 1, lua_gettop(L));
  lua_pop(L, 1);
  options.kind = (uint8_t)nature->kind;
  Stream *stream = stream_on(io, &options, fd, &status);
  if (!stream) fail_raise_uv(L, status, what);
  stream_direct(stream, nature->readable, nature->writable);
  stream_box_set(box, stream);
  stream_opened(stream, &options);
}

static void narrow(lua_State *L, int arg, Nature *nature) {
  nature->readable = field_flag(L, arg, "readable", nature->readable) && nature->readable;
  nature->writable = field_flag(L, arg, "writable", nature->writable) && nature->writable;
  luaL_argcheck(L, nature->readable || nature->writable, arg, "the descriptor can be neither read from nor written to");
}

static int check_fd(lua_State *L, int arg) {
  int integral;
  lua_Integer fd = lua_tointegerx(L, arg, &integral);
  if (lua_type(L, arg) != LUA_TNUMBER || !integral) argument_error(L, arg, "descriptor, an integer,");
  luaL_argcheck(L, fd >= 0 && fd <= 0x7fffffff, arg, "descriptor, an integer from 0, expected");
  return (int)fd;
}

/* stream = open_fd(fd [, {limit =, readable =, writable =}]) */
static int f_open_fd(lua_State *L) {
  int fd = check_fd(L, 1);
  lua_settop(L, 2);
  StreamOptions options = stream_options(L, 2, "limit readable writable");
  Nature nature = {STREAM_PIPE, true, true};
  int status = nature_of(fd, &nature);
  if (status < 0) return fail_raise_uv(L, status, "open_fd");
  narrow(L, 2, &nature);
  push_stream(L, fd, &nature, options, "open_fd");
  return 1;
}

/* One or two descriptors that become streams; those that did not are closed when one cannot be made. */
typedef struct {
  int fds[2]; /* -1: none */
  Nature natures[2];
  StreamOptions options;
} Pair;

static int push_streams(lua_State *L) {
  Pair *pair = lua_touserdata(L, 1);
  int n = 0;
  for (int i = 0; i < 2; i++) {
    if (pair->fds[i] < 0) continue;
    push_stream(L, pair->fds[i], &pair->natures[i], pair->options, "open");
    pair->fds[i] = -1;
    n++;
  }
  return n;
}

/* Pushes them. */
static int make_streams(lua_State *L, Pair *pair) {
  int top = lua_gettop(L);
  lua_pushcfunction(L, push_streams);
  lua_pushlightuserdata(L, pair);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  for (int i = 0; i < 2; i++)
    if (pair->fds[i] >= 0) close(pair->fds[i]);
  return status == LUA_OK ? lua_gettop(L) - top : lua_error(L);
}

/* reader, writer = pipe([{limit =}]) */
static int f_pipe(lua_State *L) {
  lua_settop(L, 1);
  Pair pair = {.natures = {{STREAM_PIPE, true, false}, {STREAM_PIPE, false, true}}, .options = stream_options(L, 1, "limit")};
  int status = uv_pipe(pair.fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
  return status < 0 ? fail_raise_uv(L, status, "pipe") : make_streams(L, &pair);
}

/* one, other = socketpair([{limit =}]) */
static int f_socketpair(lua_State *L) {
  lua_settop(L, 1);
  Pair pair = {.natures = {{STREAM_LOCAL, true, true}, {STREAM_LOCAL, true, true}}, .options = stream_options(L, 1, "limit")};
  int status = uv_socketpair(SOCK_STREAM, 0, pair.fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
  return status < 0 ? fail_raise_uv(L, status, "socketpair") : make_streams(L, &pair);
}

/* ---- the standard ones ---- */

/* Its own descriptor for what fd is open as; shared with fd where the system cannot open it anew, and for a
 * file, where the position is shared. */
static int reopen(int fd, StreamKind kind) {
  char path[64];
  int own = -1, mode = fcntl(fd, F_GETFL);
  if (mode < 0) return -errno;
  snprintf(path, sizeof path, "/dev/fd/%d", fd);
  if (kind == STREAM_PIPE || kind == STREAM_TTY) own = open(path, (mode & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (own < 0) own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return own < 0 ? -errno : own;
}

static const char standard_key = 0; /* registry: the table of those that are open, by number */

/* Pushes the table, and the stream in it if that is open: true. */
static bool find_standard(lua_State *L, int fd) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &standard_key) == LUA_TNIL) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &standard_key);
    lua_replace(L, -2);
  }
  if (lua_rawgeti(L, -1, fd) == LUA_TNIL) return false;
  const StreamBox *box = lua_touserdata(L, -1);
  return box->stream && !box->stream->closing;
}

static int standard(lua_State *L, int fd, const char *what) {
  lua_settop(L, 1);
  StreamOptions options = stream_options(L, 1, "limit");
  if (find_standard(L, fd)) return 1;
  lua_settop(L, 2);
  Nature nature;
  int status = nature_of(fd, &nature);
  if (status == 0 && !(fd == 0 ? nature.readable : nature.writable)) status = UV_EBADF;
  if (status < 0) return fail_raise_uv(L, status, what);
  nature.readable = fd == 0;
  nature.writable = fd != 0;
  options.lazy = options.standard = true;
  Pair pair = {.fds = {reopen(fd, nature.kind), -1}, .natures = {nature}, .options = options};
  if (pair.fds[0] < 0) return fail_raise_uv(L, pair.fds[0], what);
  make_streams(L, &pair);
  lua_pushvalue(L, -1);
  lua_rawseti(L, 2, fd);
  return 1;
}

/* stream = stdin([{limit =}]) */
static int f_stdin(lua_State *L) { return standard(L, STDIN_FILENO, "stdin"); }

/* stream = stdout([{limit =}]) */
static int f_stdout(lua_State *L) { return standard(L, STDOUT_FILENO, "stdout"); }

/* stream = stderr([{limit =}]) */
static int f_stderr(lua_State *L) { return standard(L, STDERR_FILENO, "stderr"); }

const luaL_Reg descriptor_functions[] = {
    {"open_fd", f_open_fd}, {"pipe", f_pipe}, {"socketpair", f_socketpair}, {"stdin", f_stdin},
    {"stdout", f_stdout}, {"stderr", f_stderr}, {NULL, NULL}};
