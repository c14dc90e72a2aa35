/* SPDX-License-Identifier: MIT
 * start_server: checks, resolves all hosts, then listens at each of their addresses, or at an inherited socket. */
#ifndef NEAP_IO_START_H
#define NEAP_IO_START_H

#include "io/server.h"

typedef struct {
  StreamOptions stream;
  Local local; /* without a size: TCP */
  size_t max_connections;
  int port, backlog;
  int fd; /* inherited; or -1 */
  bool reuse_port;
} ServerOptions;

/* For the operations that start a server. Their user values from 1 on are the handler, the hosts or the path, a
 * userdata with the options, where they were made. */
void check_handler(lua_State *L, int arg);
void server_options(lua_State *L, int arg, const char *known, ServerOptions *options); /* of the table; the rest is none */
void server_box_new(lua_State *L);         /* pushes it, and an empty list in the place of the addresses */
int server_open(lua_State *L, Core *core); /* the operation, the box, the addresses: gives the box */

extern const luaL_Reg start_functions[]; /* start_server */

#endif
