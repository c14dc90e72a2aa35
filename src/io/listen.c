/* SPDX-License-Identifier: MIT
 * The sockets a server listens on. They are made and watched here and not by uv_listen, which accepts and drops
 * whoever waits when descriptors run out, and cannot leave connections in the backlog. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/server.h"

static void on_listener_closed(uv_handle_t *handle) {
  Listener *listener = container_of((uv_poll_t *)handle, Listener, poll);
  Server *server = listener->server;
  list_remove(&listener->link);
  memory_delete(listener);
  server_settled(server);
}

void listener_close(Listener *listener) {
  if (listener->fd < 0) return;
  if (listener->server->local) local_unbind(listener->server->local); /* first: the path may be bound anew at once */
  uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
  close(listener->fd);
  listener->fd = -1;
}

/* ---- opening ---- */

/* listen(), and the address of what is no Unix domain socket. */
static int listen_at(int fd, const Server *server, Address *address) {
  socklen_t size = sizeof *address;
  if (listen(fd, server->backlog) < 0) return -errno;
  return server->local || getsockname(fd, &address->any, &size) == 0 ? 0 : -errno;
}

/* The descriptor is the listener's when it gives 0. */
static int listener_open(Server *server, int fd) {
  Listener *listener = memory_new(sizeof *listener);
  if (!listener) return UV_ENOMEM;
  int status = listen_at(fd, server, &listener->address);
  if (status == 0) status = uv_poll_init(server->core->loop, &listener->poll, fd);
  if (status < 0) {
    memory_delete(listener);
    return status;
  }
  listener->poll.data = NULL; /* luv takes every handle with data for its own */
  listener->server = server;
  listener->fd = fd;
  list_create(&listener->link);
  list_append(&server->listeners, &listener->link);
  listener_watch(listener);
  return 0;
}

static bool set_option(int fd, int level, int name) {
  int on = 1;
  return setsockopt(fd, level, name, &on, sizeof on) == 0;
}

static int bind_socket(int fd, const Server *server, const Address *address, bool only6) {
  bool inet6 = address->any.sa_family == AF_INET6;
  socklen_t size = inet6 ? sizeof address->in6 : sizeof address->in;
  bool good = set_option(fd, SOL_SOCKET, SO_REUSEADDR) &&
              (!server->reuse_port || set_option(fd, SOL_SOCKET, SO_REUSEPORT)) &&
              (!only6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) && bind(fd, &address->any, size) == 0;
  return good ? 0 : -errno;
}

int listen_on(Server *server, const Address *address, bool only6) {
  int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int status = bind_socket(fd, server, address, only6);
  if (status == 0) status = listener_open(server, fd);
  if (status < 0) close(fd);
  return status;
}

static bool keep_local(Server *server, const Local *local) {
  server->local = memory_new(sizeof *local);
  if (server->local) *server->local = *local;
  return server->local;
}

int listen_on_local(Server *server, const Local *local) {
  if (!keep_local(server, local)) return UV_ENOMEM;
  int fd = local_bind(server->local);
  if (fd < 0) return fd;
  int status = listener_open(server, fd);
  if (status == 0) return 0;
  local_unbind(server->local);
  close(fd);
  return status;
}

/* A stream socket that is not connected? */
static int check_inherited(int fd, Local *local) {
  int type;
  socklen_t size = sizeof type;
  local->size = sizeof local->name;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return -errno;
  if (type != SOCK_STREAM) return UV_EPROTOTYPE;
  struct sockaddr_storage peer;
  size = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0) return UV_EISCONN;
  return getsockname(fd, (struct sockaddr *)&local->name, &local->size) < 0 ? -errno : 0;
}

int listen_inherited(Server *server, int fd) {
  Local local;
  memset(&local, 0, sizeof local);
  int status = check_inherited(fd, &local);
  if (status < 0) return status;
  if (local.name.sun_family == AF_UNIX) {
    server->options.kind = STREAM_LOCAL;
    if (!keep_local(server, &local)) return UV_ENOMEM;
  } else if (local.name.sun_family != AF_INET && local.name.sun_family != AF_INET6) {
    return UV_EAFNOSUPPORT;
  }
  status = listener_open(server, fd);
  if (status == 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return status;
}

bool listens_at(const Server *server, const Address *address) {
  list_each(link, &server->listeners) {
    if (address_same(&container_of(link, Listener, link)->address, address)) return true;
  }
  return false;
}
