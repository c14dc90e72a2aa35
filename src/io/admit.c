/* SPDX-License-Identifier: MIT
 * When a server accepts connections. It does not while it has as many as it may have, nor when descriptors or memory
 * run out: then it accepts nothing for a second, as asyncio, counts that, and tells the exception handler, once
 * until there was peace for a while. Meanwhile those who connect wait in the backlog. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/server.h"
#include "kernel/fail.h"
#include "kernel/report.h"

enum { PAUSE_SECONDS = 1, PEACE_SECONDS = 60, BATCH = 64 /* accepted in one turn of the loop */ };

static bool server_accepts(const Server *server) {
  return !server->closed && server->count < server->most && !heap_holds(&server->pause.node);
}

static void on_connection(uv_poll_t *handle, int status, int events);

void listener_watch(Listener *listener) {
  if (listener->fd < 0) return;
  if (server_accepts(listener->server))
    uv_poll_start(&listener->poll, UV_READABLE, on_connection);
  else
    uv_poll_stop(&listener->poll);
}

void server_watch(Server *server) {
  list_each(link, &server->listeners) listener_watch(container_of(link, Listener, link));
}

void on_pause_over(Core *core, Job *job) {
  UNUSED(core);
  server_watch(container_of(job, Server, pause.job));
}

/* Nothing can be accepted now. */
static void accept_failed(Server *server, int status) {
  uint64_t now = uv_hrtime();
  bool news = !server->last_error || now - server->last_error > PEACE_SECONDS * (uint64_t)1000000000;
  server->accept_errors++;
  server->last_error = now;
  server->status = status;
  if (news && list_empty(&server->telling.link)) job_post(server->core, &server->telling);
  if (heap_holds(&server->pause.node) || !heap_reserve(&server->core->timers)) return;
  timer_arm(server->core, &server->pause, deadline_in(server->core, PAUSE_SECONDS));
}

/* ---- accepting ---- */

/* A descriptor or a uv status. */
static int accept_socket(int listening) {
#ifdef __APPLE__
  int fd = accept(listening, NULL, NULL);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
#else
  int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#endif
  return fd < 0 ? -errno : fd;
}

/* Has only this connection failed, before it was accepted? */
static bool passes(int status) {
  switch (status) {
    case UV_EINTR: case UV_ECONNABORTED: case UV_EPERM: case UV_EPROTO: case UV_ENOPROTOOPT: case UV_ENETDOWN:
    case UV_ENETUNREACH: case UV_EHOSTDOWN: case UV_EHOSTUNREACH: case UV_ENONET: return true;
    default: return false;
  }
}

static void welcome(Server *server, int fd) {
  int status;
  Stream *stream = stream_on(server->io, &server->options, fd, &status);
  if (!stream) {
    close(fd);
    accept_failed(server, status);
    return;
  }
  stream->server = server;
  server->count++;
  list_append(&server->clients, &stream->client);
  if (list_empty(&server->job.link)) job_post(server->core, &server->job); /* it may wait, with no stream left to serve */
  list_append(&server->fresh, &stream->fresh);
  stream_opened(stream, &server->options);
}

static void on_connection(uv_poll_t *handle, int status, int events) {
  Listener *listener = container_of(handle, Listener, poll);
  Server *server = listener->server;
  UNUSED(events);
  for (int i = 0; i < BATCH && server_accepts(server); i++) {
    int fd = status < 0 ? status : accept_socket(listener->fd);
    if (fd >= 0)
      welcome(server, fd);
    else if (!passes(fd)) {
      if (i == 0 && fd != UV_EAGAIN) accept_failed(server, fd); /* later, EMFILE comes even if nobody is there */
      break;
    }
  }
  if (!server_accepts(server)) server_watch(server);
}

/* ---- telling ---- */

/* server box, core */
static int tell_accept_error(lua_State *L) {
  Server *server = ((ServerBox *)lua_touserdata(L, 1))->server;
  Core *core = lua_touserdata(L, 2);
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "a server cannot accept connections; it tries again in a second");
  lua_setfield(L, 3, "message");
  fail_push_uv(L, server->status, "accept");
  lua_setfield(L, 3, "exception");
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "server");
  report(L, core);
  return 0;
}

void on_telling(Core *core, Job *job) {
  core_call(core, tell_accept_error, container_of(job, Server, telling)->anchor, "an error of accept");
}
