/* SPDX-License-Identifier: MIT
 * Preloaded into a child: accept4 fails with the numbers in the variable NEAP_ACCEPT, one after the other, and then
 * accepts. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int Accept(int, struct sockaddr *, socklen_t *, int);

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
  const char *numbers = getenv("NEAP_ACCEPT");
  char *rest = NULL;
  long number = numbers ? strtol(numbers, &rest, 10) : 0;
  if (number > 0) {
    char *left = strdup(rest);
    if (!left) abort();
    setenv("NEAP_ACCEPT", left, 1);
    free(left);
    errno = (int)number;
    return -1;
  }
  void *found = dlsym(RTLD_NEXT, "accept4");
  Accept *next;
  memcpy(&next, &found, sizeof next);
  return next(fd, address, size, flags);
}
