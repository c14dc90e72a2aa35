/* SPDX-License-Identifier: MIT
 * Unix domain sockets: their names, and listening and connecting on them. libuv before 1.46 cuts names
 * that are too long and knows no abstract ones, so the sockets are made here and given to it. */
#ifndef NEAP_IO_LOCAL_H
#define NEAP_IO_LOCAL_H

#include <sys/types.h>
#include <sys/un.h>

#include "kernel/compat.h"

typedef struct {
  struct sockaddr_un name; /* an abstract one begins with a zero byte */
  socklen_t size;          /* 0: no name */
  bool cleanup;            /* the file is removed when nothing listens any more */
  bool bound;
  dev_t device;            /* of the file, once bound */
  ino_t inode;
} Local;

typedef struct Ends Ends; /* the names of a connection's two ends */

/* The name at `arg`: a path, or "\0" and an abstract name. */
void check_local(lua_State *L, int arg, Local *local);
void local_push(lua_State *L, const Local *local);
const char *local_text(const Local *local, char *text, size_t size); /* an abstract name begins with "@" */

int local_connect(const Local *local); /* a descriptor or a uv status; UV_EAGAIN: too many wait to be accepted */
int local_bind(Local *local); /* likewise; takes the place of a socket file that is there */
void local_unbind(Local *local);     /* removes the file, if it is still the one that was bound */

Ends *ends_new(int fd); /* a block; NULL: none, or no memory */
void ends_push(lua_State *L, const Ends *ends, bool peer);
bool ends_text(const Ends *ends, char text[80]); /* "/path"; false: neither end has a name */

/* {pid =, uid =, gid =} of the other end when it connected, or nil. */
void credentials_push(lua_State *L, int fd);

extern const luaL_Reg local_functions[]; /* open_unix_connection, start_unix_server */

#endif
