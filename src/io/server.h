/* SPDX-License-Identifier: MIT
 * Servers: a block with its listening handles and its clients, and a box for Lua. server.c knows a
 * server's life, listen.c the sockets it listens on, serve.c the tasks of its connections.
 *
 * A server that listens is anchored. The block lives until the box is collected and all its handles
 * are closed. */
#ifndef NEAP_IO_SERVER_H
#define NEAP_IO_SERVER_H

#include "io/stream.h"

typedef struct {
  uv_tcp_t tcp;
  Server *server; /* borrowed */
  Link link;      /* in server->listeners */
  Address address; /* as bound */
  bool only6, open;
  bool holding;   /* libuv holds a connection that we have not taken: it accepts no more until we do */
  bool again;     /* to be opened anew when the pause is over */
} Listener;       /* block */

struct Server {
  Core *core;
  Io *io;
  Link listeners; /* Listeners whose handles are not closed */
  Link clients;   /* Streams not closed */
  Link fresh;     /* Streams that have no handler yet */
  Link closers;   /* Tasks in wait_closed */
  Task *forever;  /* borrowed: the task in serve_forever */
  Job job;        /* gives handlers to the fresh streams; in the ready queue while there are any */
  Timer pause;    /* no descriptors are left: goes on when it is over */
  StreamOptions options;
  int backlog;
  uint32_t anchor; /* 0: none */
  bool reuseport;
  bool held; /* by the box */
  bool closed;
};

typedef struct {
  Head head; /* user values: the handler, the context, where it was made */
  Server *server; /* NULL: not started, or the Lua state closes */
} ServerBox;

enum { SERVER_HANDLER = 1, SERVER_CONTEXT, SERVER_ORIGIN, SERVER_SLOTS = SERVER_ORIGIN };

extern const Type server_type;
extern const luaL_Reg server_functions[]; /* start_server */

void server_close(Server *server);         /* stops listening */
void server_lost_client(Stream *stream);   /* it is closed */
void server_settled(Server *server);       /* something of it ended: wakes, gives back, frees what can be */

/* listen.c */
int listen_on(Server *server, const Address *address, bool only6); /* a uv status */
void listener_close(Listener *listener);
void on_pause_over(Core *core, Job *job);

/* serve.c */
void on_fresh(Core *core, Job *job);

#endif
