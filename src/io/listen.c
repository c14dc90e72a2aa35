/* SPDX-License-Identifier: MIT
 * Listening and accepting. When descriptors run out nothing is accepted for a second. libuv would
 * accept and drop connections then, so the last descriptor is not taken from it: while it holds a
 * connection that nobody took, it leaves the others in the backlog. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/server.h"

enum { PAUSE_SECONDS = 1 };

static void on_listener_closed(uv_handle_t *handle) {
  Listener *listener = container_of(handle, Listener, handle);
  Server *server = listener->server;
  listener->open = false;
  if (listener->again && !server->closed) return; /* when the pause is over */
  list_remove(&listener->link);
  memory_delete(listener);
  server_settled(server);
}

/* The file goes first: somebody else may bind the path as soon as nothing listens. */
static void close_handle(Listener *listener) {
  if (listener->server->local) local_unbind(listener->server->local);
  uv_close(&listener->handle, on_listener_closed);
}

void listener_close(Listener *listener) {
  if (!listener->open)
    on_listener_closed(&listener->handle);
  else if (!uv_is_closing(&listener->handle))
    close_handle(listener);
}

static void pause_listening(Server *server) {
  if (heap_holds(&server->pause.node) || !heap_reserve(&server->core->timers)) return;
  timer_arm(server->core, &server->pause, deadline_in(server->core, PAUSE_SECONDS));
}

/* Is there one more descriptor? */
static bool descriptors_left(const Listener *listener) {
  uv_os_fd_t own;
  if (uv_fileno(&listener->handle, &own) < 0) return true;
  int fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return false;
  close(fd);
  return true;
}

/* Takes the connection that libuv holds; false: it cannot be now. */
static bool take(Listener *listener) {
  Server *server = listener->server;
  int status;
  Stream *stream = stream_new(server->io, &server->options, &status);
  if (!stream) return false;
  status = uv_accept(&listener->uv, &stream->uv);
  if (status < 0) {
    stream_shut(stream); /* nobody holds it: freed when closed */
    return true;
  }
  stream->server = server;
  list_append(&server->clients, &stream->client);
  if (list_empty(&server->fresh)) job_post(server->core, &server->job);
  list_append(&server->fresh, &stream->fresh);
  stream_opened(stream, &server->options);
  return true;
}

static void on_connection(uv_stream_t *handle, int status) {
  Listener *listener = container_of(handle, Listener, uv);
  if (listener->server->closed) return;
  if (status == UV_EMFILE || status == UV_ENFILE || status == UV_ENOMEM || status == UV_ENOBUFS) {
    listener->again = true; /* libuv would ask the kernel again and again */
    pause_listening(listener->server);
    listener_close(listener);
  } else if (status == 0 && (!descriptors_left(listener) || !take(listener))) {
    listener->holding = true;
    pause_listening(listener->server);
  }
}

static int open_reuseport(Listener *listener, const Address *address) {
  int on = 1, fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int status = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ? -errno : uv_tcp_open(&listener->tcp, fd);
  if (status < 0) close(fd);
  return status;
}

/* As listen_at, at server->local. */
static int listen_at_local(Listener *listener) {
  Server *server = listener->server;
  int status = uv_pipe_init(server->core->loop, &listener->pipe, 0);
  if (status < 0) return status;
  listener->handle.data = NULL;
  listener->open = true;
  int fd = local_bind(server->local);
  if (fd < 0) return fd;
  status = uv_pipe_open(&listener->pipe, fd);
  if (status < 0)
    close(fd);
  else
    status = uv_listen(&listener->uv, server->backlog, on_connection);
  return status;
}

/* Opens the handle at listener->address. After an error it is closing, or was never open. */
static int listen_at(Listener *listener) {
  Server *server = listener->server;
  if (server->local) return listen_at_local(listener);
  Address *address = &listener->address;
  int status = uv_tcp_init(server->core->loop, &listener->tcp);
  if (status < 0) return status;
  listener->tcp.data = NULL;
  listener->open = true;
  int size = sizeof *address;
  if (server->reuseport) status = open_reuseport(listener, address);
  if (status == 0) status = uv_tcp_bind(&listener->tcp, &address->any, listener->only6 ? UV_TCP_IPV6ONLY : 0);
  if (status == 0) status = uv_listen(&listener->uv, server->backlog, on_connection);
  if (status == 0) status = uv_tcp_getsockname(&listener->tcp, &address->any, &size);
  return status;
}

int listen_on(Server *server, const Address *address, bool only6) {
  Listener *listener = memory_new(sizeof *listener);
  if (!listener) return UV_ENOMEM;
  listener->server = server;
  if (address) listener->address = *address;
  listener->only6 = only6;
  list_create(&listener->link);
  list_append(&server->listeners, &listener->link);
  int status = listen_at(listener);
  if (status < 0) listener_close(listener);
  return status;
}

static bool resume(Listener *listener) {
  if (listener->holding) {
    if (!descriptors_left(listener) || !take(listener)) return false;
    listener->holding = false;
  } else if (listener->again && !listener->open) {
    int status = listen_at(listener);
    if (status < 0) {
      listener_close(listener);
      return false;
    }
    listener->again = false;
  }
  return !listener->again;
}

void on_pause_over(Core *core, Job *job) {
  Server *server = container_of(job, Server, pause.job);
  UNUSED(core);
  if (server->closed) return;
  bool going = true;
  list_each_safe(link, &server->listeners) going = going && resume(container_of(link, Listener, link));
  if (!going) pause_listening(server);
}
