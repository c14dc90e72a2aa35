/* SPDX-License-Identifier: MIT
 * Servers, on TCP ports or a Unix domain socket: a block with its listening handles and its clients, and
 * a box for Lua. server.c knows a server's life, listen.c the sockets it listens on, serve.c the tasks of
 * its connections.
 *
 * A server that listens is anchored. The block lives until the box is collected and all its handles
 * are closed. */
#ifndef NEAP_IO_SERVER_H
#define NEAP_IO_SERVER_H

#include "io/local.h"
#include "io/stream.h"

typedef struct {
  union {
    uv_handle_t handle;
    uv_stream_t uv;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
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
  Local *local;   /* block: where it listens; NULL: on TCP ports */
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

typedef struct {
  StreamOptions stream;
  Local local; /* without a size: TCP */
  int port, backlog;
  bool reuseport;
} ServerOptions;

extern const Type server_type;
extern const luaL_Reg server_functions[]; /* start_server */

void server_close(Server *server);         /* stops listening */
void server_lost_client(Stream *stream);   /* it is closed */
void server_settled(Server *server);       /* something of it ended: wakes, gives back, frees what can be */

/* For the operations that start a server. Their user values from 1 on are the handler, the host or path, a
 * userdata with the options, where they were made. */
void check_handler(lua_State *L, int arg);
void server_options(lua_State *L, int arg, ServerOptions *options); /* of the table; the rest is zeroed */
void server_box_new(lua_State *L);           /* pushes it, and nil in the place of the addresses */
int server_open(lua_State *L, Core *core);   /* the operation, the box, the addresses: gives the box */

/* listen.c */
int listen_on(Server *server, const Address *address, bool only6); /* a uv status; no address: at server->local */
void listener_close(Listener *listener);
void on_pause_over(Core *core, Job *job);

/* serve.c */
void on_fresh(Core *core, Job *job);

#endif
