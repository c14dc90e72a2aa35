/* SPDX-License-Identifier: MIT
 * Preloaded into a child: the calls named in the variable NEAP_FAIL fail while they are in it. It is "TAG NAME:ERRNO[:AFTER[:TIMES]]
 * ...": the first AFTER calls go through (0), then so many fail (all). With another TAG counting begins anew. With
 * "short" for ERRNO a write takes half of its first piece, and goes through. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

enum { RULES = 8, SHORT = -1 };

typedef struct {
  char name[24];
  int number;        /* of the error, or SHORT */
  long after, times; /* what is left of them */
} Rule;

static struct {
  pthread_mutex_t lock;
  char text[256]; /* what `rules` were made of */
  Rule rules[RULES];
} failing = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void read_rules(const char *text) {
  char word[64];
  int n = 0, used = 0;
  snprintf(failing.text, sizeof failing.text, "%s", text);
  memset(failing.rules, 0, sizeof failing.rules);
  if (sscanf(text, "%*s%n", &used) == EOF) return;
  for (text += used; n < RULES && sscanf(text, "%63s%n", word, &used) == 1; text += used, n++) {
    Rule *rule = &failing.rules[n];
    char number[8] = "";
    rule->times = -1;
    if (sscanf(word, "%23[^:]:%7[^:]:%ld:%ld", rule->name, number, &rule->after, &rule->times) < 2) abort();
    rule->number = strcmp(number, "short") == 0 ? SHORT : atoi(number);
  }
}

/* 0: the call goes through. */
static int failure_of(const char *name) {
  const char *text = getenv("NEAP_FAIL");
  int number = 0;
  if (!text || !*text) return 0;
  pthread_mutex_lock(&failing.lock);
  if (strcmp(text, failing.text) != 0) read_rules(text);
  for (Rule *rule = failing.rules; rule < failing.rules + RULES; rule++) {
    if (strcmp(rule->name, name) != 0) continue;
    if (rule->after > 0)
      rule->after--;
    else if (rule->times != 0) {
      if (rule->times > 0) rule->times--;
      number = rule->number;
    }
  }
  pthread_mutex_unlock(&failing.lock);
  return number;
}

/* The function NAME, which calls the next one of that name unless it is to fail. */
#define MAY_FAIL(type, name, parameters, arguments)            \
  type name parameters {                                       \
    static type(*next) parameters;                             \
    int number = failure_of(#name);                            \
    void *found = next ? NULL : dlsym(RTLD_NEXT, #name);       \
    if (found) memcpy(&next, &found, sizeof next);             \
    if (number > 0) return errno = number, (type)-1;           \
    return next arguments;                                     \
  }

MAY_FAIL(int, socket, (int family, int type, int protocol), (family, type, protocol))
MAY_FAIL(int, socketpair, (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds))
MAY_FAIL(int, pipe2, (int fds[2], int flags), (fds, flags))
MAY_FAIL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
MAY_FAIL(int, listen, (int fd, int backlog), (fd, backlog))
MAY_FAIL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
MAY_FAIL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size))
MAY_FAIL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size))
MAY_FAIL(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event))
MAY_FAIL(int, recvmmsg, (int fd, struct mmsghdr *list, unsigned n, int flags, struct timespec *time), (fd, list, n, flags, time))
MAY_FAIL(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
MAY_FAIL(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
MAY_FAIL(int, fstat, (int fd, struct stat *status), (fd, status))
MAY_FAIL(int, tcgetattr, (int fd, struct termios *mode), (fd, mode))
MAY_FAIL(int, tcsetattr, (int fd, int when, const struct termios *mode), (fd, when, mode))
MAY_FAIL(int, sigaction, (int signal, const struct sigaction *new, struct sigaction *old), (signal, new, old))
MAY_FAIL(int, kill, (pid_t pid, int signal), (pid, signal))
MAY_FAIL(pid_t, fork, (void), ())

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  static int (*next)(const char *, int, ...);
  void *found = dlsym(RTLD_NEXT, "open");
  memcpy(&next, &found, sizeof next);
  int number = failure_of("open");
  if (number > 0) return errno = number, -1;
  return next(path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  static int (*next)(int, unsigned long, ...);
  void *found = dlsym(RTLD_NEXT, "ioctl");
  memcpy(&next, &found, sizeof next);
  int number = failure_of("ioctl");
  if (number > 0) return errno = number, -1;
  return next(fd, request, argument);
}

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  long argument = va_arg(rest, long);
  va_end(rest);
  static int (*next)(int, int, ...);
  void *found = dlsym(RTLD_NEXT, "fcntl");
  memcpy(&next, &found, sizeof next);
  int number = failure_of("fcntl");
  if (number > 0) return errno = number, -1;
  return next(fd, command, argument);
}

/* Takes less, or fails. */
ssize_t write(int fd, const void *data, size_t size) {
  static ssize_t (*next)(int, const void *, size_t);
  int number = failure_of("write");
  void *found = dlsym(RTLD_NEXT, "write");
  memcpy(&next, &found, sizeof next);
  if (number > 0) return errno = number, -1;
  return next(fd, data, number == SHORT && size > 1 ? size / 2 : size);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  static ssize_t (*next)(int, const void *, size_t, int);
  int number = failure_of("send");
  void *found = dlsym(RTLD_NEXT, "send");
  memcpy(&next, &found, sizeof next);
  if (number > 0) return errno = number, -1;
  return next(fd, data, number == SHORT && size > 1 ? size / 2 : size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  static ssize_t (*next)(int, const struct msghdr *, int);
  int number = failure_of("sendmsg");
  void *found = dlsym(RTLD_NEXT, "sendmsg");
  memcpy(&next, &found, sizeof next);
  if (number > 0) return errno = number, -1;
  if (number != SHORT) return next(fd, message, flags);
  struct iovec half = {message->msg_iov->iov_base, (message->msg_iov->iov_len + 1) / 2};
  struct msghdr less = *message;
  less.msg_iov = &half;
  less.msg_iovlen = 1;
  return next(fd, &less, flags);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  static ssize_t (*next)(int, const struct iovec *, int);
  int number = failure_of("writev");
  void *found = dlsym(RTLD_NEXT, "writev");
  memcpy(&next, &found, sizeof next);
  if (number > 0) return errno = number, -1;
  if (number != SHORT) return next(fd, pieces, count);
  struct iovec half = {pieces->iov_base, (pieces->iov_len + 1) / 2};
  return next(fd, &half, 1);
}
