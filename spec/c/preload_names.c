/* SPDX-License-Identifier: MIT
 * Preloaded into a child: names that begin with "slow" are told on stdout when a thread begins with them, and wait
 * until somebody writes to the FIFO in NEAP_GATE; then they are 127.0.0.1. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static void wait_at_gate(const char *name) {
  char line[64];
  int n = snprintf(line, sizeof line, "began %s\n", name);
  if (write(STDOUT_FILENO, line, (size_t)n) != n) abort();
  int fd = open(getenv("NEAP_GATE"), O_RDONLY); /* until there is a writer */
  if (fd < 0) abort();
  close(fd);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list) {
  void *found = dlsym(RTLD_NEXT, "getaddrinfo");
  Resolver *next;
  memcpy(&next, &found, sizeof next);
  if (!host || strncmp(host, "slow", 4) != 0) return next(host, service, hints, list);
  wait_at_gate(host);
  return next("127.0.0.1", service, hints, list);
}
