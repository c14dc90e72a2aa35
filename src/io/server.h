/* SPDX-License-Identifier: MIT
 * Servers, on TCP ports or a Unix domain socket: a block with its listening handles and its clients, and a box
 * for Lua. start.c makes a server, server.c
 * knows its life, listen.c the sockets it listens on, admit.c when it takes a connection, serve.c the tasks of its
 * connections, grace.c its end within a time.
 *
 * A server that listens is anchored. The block lives until the box is collected and all its handles
 * are closed. */
#ifndef NEAP_IO_SERVER_H
#define NEAP_IO_SERVER_H

#include "io/local.h"
#include "io/stream.h"

typedef struct {
  uv_poll_t poll; /* of `fd` */
  Server *server; /* borrowed */
  Link link;      /* in server->listeners, until the handle is closed */
  Address address; /* as bound; nothing for a Unix domain socket */
  int fd;         /* owned; -1: closed */
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
  Job telling;    /* tells the exception handler that nothing can be accepted */
  Timer pause;    /* nothing can be accepted: goes on when it is over */
  StreamOptions options;
  Local *local;   /* block: where it listens; NULL: on TCP ports */
  size_t count;   /* of clients */
  size_t most;    /* clients at once */
  uint64_t accept_errors;
  uint64_t last_error; /* when, in nanoseconds; 0: never */
  int status;     /* of the last one */
  int backlog;
  uint32_t anchor; /* 0: none */
  bool reuse_port;
  bool held; /* by the box */
  bool closed;
};

typedef struct {
  Head head; /* user values: the handler, the context, where it was made */
  Server *server; /* NULL: not started, or the Lua state closes */
} ServerBox;

enum { SERVER_HANDLER = 1, SERVER_CONTEXT, SERVER_ORIGIN, SERVER_SLOTS = SERVER_ORIGIN };

extern const Type server_type;

Server *server_new(Io *io); /* not held, not anchored; NULL: no memory */
ServerBox *server_check(lua_State *L, int arg); /* with a server in it */
Server *server_of_op(lua_State *L, const Op *op); /* as stream_of_op */
void server_close(Server *server);         /* stops listening */
void server_dismiss(Server *server, void (*act)(Stream *stream)); /* each connection; its handler need not tell */
void server_lost_client(Stream *stream);   /* it is closed */
void server_settled(Server *server);       /* something of it ended: wakes, gives back, frees what can be */

static inline bool server_ended(const Server *server) {
  return server->closed && list_empty(&server->listeners) && list_empty(&server->clients);
}

/* listen.c; a uv status each */
int listen_on(Server *server, const Address *address, bool only6);
int listen_on_local(Server *server, const Local *local);
int listen_inherited(Server *server, int fd); /* takes the descriptor if it gives 0 */
bool listens_at(const Server *server, const Address *address);
void listener_close(Listener *listener);

/* admit.c */
void listener_watch(Listener *listener); /* or not, as things are */
void server_watch(Server *server);       /* likewise all of them */
void on_pause_over(Core *core, Job *job);
void on_telling(Core *core, Job *job);

/* serve.c */
void on_fresh(Core *core, Job *job);

/* grace.c */
extern const Type grace_type;
int f_shutdown(lua_State *L);

#endif
