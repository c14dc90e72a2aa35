/* SPDX-License-Identifier: MIT
 * What a stream tells about itself. */
#include <stdio.h>
#include <string.h>

#include "io/filter.h"
#include "io/local.h"

static const char *state_name(const Stream *stream) {
  if (stream->closed) return "closed";
  if (stream->closing) return "closing";
  if (!stream->readable) return stream->write_end ? "lost" : "open";
  if (!stream->read_end) return "open";
  return stream->read_end == UV_EOF ? "open, at end of stream" : "lost";
}

char *stream_text(const Stream *stream, char text[STREAM_TEXT]) {
  char self[ADDRESS_TEXT], peer[ADDRESS_TEXT];
  static const char *const kinds[] = {"", "local socket", "pipe", "terminal", "file"};
  const char *state = state_name(stream);
  if (stream->kind == STREAM_TCP)
    snprintf(text, STREAM_TEXT, "neap.Stream (%s, %s -> %s)", state, address_text(&stream->self, self),
             address_text(&stream->peer, peer));
  else if (stream->ends && ends_text(stream->ends, self))
    snprintf(text, STREAM_TEXT, "neap.Stream (%s, %s)", state, self);
  else
    snprintf(text, STREAM_TEXT, "neap.Stream (%s, %s)", state, kinds[stream->kind]);
  return text;
}

static void push_number(lua_State *L, const Stream *stream) {
  int fd = stream_fd(stream);
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
}

static void push_name(lua_State *L, const Stream *stream, bool peer) {
  if (stream->kind == STREAM_TCP)
    address_push(L, peer ? &stream->peer : &stream->self);
  else if (stream->ends)
    ends_push(L, stream->ends, peer);
  else
    lua_pushnil(L);
}

static void push_info(lua_State *L, Stream *stream, const char *name) {
  if (strcmp(name, "peername") == 0 || strcmp(name, "sockname") == 0)
    push_name(L, stream, *name == 'p');
  else if (strcmp(name, stream_socket(stream) ? "socket" : "pipe") == 0 || strcmp(name, "fd") == 0)
    push_number(L, stream);
  else if (strcmp(name, "peercred") == 0 && stream->kind == STREAM_LOCAL)
    credentials_push(L, stream_fd(stream));
  else
    lua_pushnil(L);
}

/* value = stream:get_extra_info(name [, default]): "peername", "sockname", "socket" or "pipe" (its number), "fd" (the same),
 * "peercred", what its filter knows */
int f_get_extra_info(lua_State *L) {
  Stream *stream = stream_check(L, 1)->stream;
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  push_info(L, stream, name);
  if (lua_isnil(L, -1)) lua_pop(L, 1);
  if (lua_gettop(L) == 3 && stream->filter) filter_info(L, stream, name);
  return 1;
}
