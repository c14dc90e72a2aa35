/* SPDX-License-Identifier: MIT
 * What is to be restored at the exit of the process is its own affair, not a Lua state's: a list for
 * all, as each terminal is one for all. Lua states of several threads share it by a lock. */
#include "io/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/fail.h"

struct Terminal {
  Link link; /* in `changed` */
  int fd;
  pid_t owner; /* a child that exits leaves the terminal alone */
  struct termios before;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static Link changed = {&changed, &changed}; /* Terminals */

static void put_back(const struct Terminal *terminal) {
  if (terminal->owner == getpid()) tcsetattr(terminal->fd, TCSANOW, &terminal->before);
}

static void at_exit(void) {
  pthread_mutex_lock(&lock);
  list_each(link, &changed) put_back(container_of(link, struct Terminal, link));
  pthread_mutex_unlock(&lock);
}

static void watch_exit(void) { atexit(at_exit); }

void terminal_restore(Stream *stream) {
  struct Terminal *terminal = stream->terminal;
  stream->terminal = NULL;
  pthread_mutex_lock(&lock);
  list_remove(&terminal->link);
  pthread_mutex_unlock(&lock);
  put_back(terminal);
  memory_delete(terminal);
}

static struct Terminal *remember(int fd, const struct termios *before) {
  struct Terminal *terminal = memory_new(sizeof *terminal);
  if (!terminal) return NULL;
  pthread_once(&once, watch_exit);
  terminal->fd = fd;
  terminal->owner = getpid();
  terminal->before = *before;
  list_create(&terminal->link);
  pthread_mutex_lock(&lock);
  list_append(&changed, &terminal->link);
  pthread_mutex_unlock(&lock);
  return terminal;
}

static Stream *check_terminal(lua_State *L) {
  Stream *stream = stream_check(L, 1)->stream;
  if (stream->kind != STREAM_TTY) fail_raise_uv(L, UV_ENOTTY, "the stream");
  if (stream->shut) stream_raise(L, UV_ECONNABORTED, NULL);
  return stream;
}

/* is = stream:isatty() */
int f_isatty(lua_State *L) {
  lua_pushboolean(L, stream_check(L, 1)->stream->kind == STREAM_TTY);
  return 1;
}

/* columns, rows = stream:get_winsize() */
int f_get_winsize(lua_State *L) {
  struct winsize size;
  if (ioctl(stream_fd(check_terminal(L)), TIOCGWINSZ, &size) < 0) return fail_raise_uv(L, -errno, "get_winsize");
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

/* No line editing, no echo; raw: no signals and no translation, of output either. */
static void make_mode(struct termios *mode, bool raw) {
  mode->c_lflag &= ~(tcflag_t)(ECHO | ICANON);
  mode->c_cc[VMIN] = 1;
  mode->c_cc[VTIME] = 0;
  if (!raw) return;
  mode->c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  mode->c_oflag &= ~(tcflag_t)OPOST;
  mode->c_lflag &= ~(tcflag_t)(IEXTEN | ISIG);
  mode->c_cflag |= CS8;
}

static int apply_mode(int fd, const struct termios *mode) {
  int result;
  do result = tcsetattr(fd, TCSADRAIN, mode); /* waits for what was written */
  while (result < 0 && errno == EINTR);
  return result;
}

/* stream:set_tty_mode("normal" | "cbreak" | "raw") */
int f_set_tty_mode(lua_State *L) {
  static const char *const names[] = {"normal", "cbreak", "raw", NULL};
  Stream *stream = check_terminal(L);
  int mode = luaL_checkoption(L, 2, NULL, names), fd = stream_fd(stream);
  if (mode == 0) {
    if (stream->terminal) terminal_restore(stream);
    return 0;
  }
  struct termios now;
  if (tcgetattr(fd, &now) < 0) return fail_raise_uv(L, -errno, "set_tty_mode");
  if (!stream->terminal && !(stream->terminal = remember(fd, &now))) return luaL_error(L, "not enough memory");
  now = stream->terminal->before;
  make_mode(&now, mode == 2);
  return apply_mode(fd, &now) < 0 ? fail_raise_uv(L, -errno, "set_tty_mode") : 0;
}
