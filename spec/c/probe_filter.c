/* SPDX-License-Identifier: MIT
 * spec.probe: filters. */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

typedef struct {
  neap_stream *stream; /* NULL: not set yet */
  lua_Integer n;       /* the xor mask, how often a byte is fed, the number of an error */
  unsigned char head[2];
  size_t have, left; /* of a frame: bytes of its head, of its body */
} Filter;

/* xor: each byte, in both directions */
static int xor_bytes(Filter *it, const char *data, size_t size, int (*give)(neap_stream *, const char *, size_t)) {
  char chunk[1024];
  while (size > 0) {
    size_t n = size < sizeof chunk ? size : sizeof chunk;
    for (size_t i = 0; i < n; i++) chunk[i] = (char)(data[i] ^ it->n);
    int status = give(it->stream, chunk, n);
    if (status < 0) return status;
    data += n;
    size -= n;
  }
  return 0;
}

static int xor_received(void *self, const char *data, size_t size) { return xor_bytes(self, data, size, neap_stream_feed); }
static int xor_write(void *self, const char *data, size_t size) { return xor_bytes(self, data, size, neap_stream_send); }

static int on_ended(void *self) {
  counters.ended++;
  neap_stream_feed_eof(((Filter *)self)->stream);
  return 0;
}

static int on_ended_quietly(void *self) {
  (void)self;
  counters.ended++;
  return 0;
}

static int on_finish(void *self) {
  (void)self;
  counters.finished++;
  return 0;
}

static void on_destroy(void *self) {
  counters.destroyed++;
  free(self);
}

/* frames: two bytes of length before each write; a frame of none is the end */
static int frames_received(void *self, const char *data, size_t size) {
  Filter *it = self;
  while (size > 0) {
    if (it->left == 0) {
      it->head[it->have++] = (unsigned char)*data++;
      size--;
      if (it->have < 2) continue;
      it->have = 0;
      it->left = (size_t)it->head[0] << 8 | it->head[1];
      if (it->left == 0) neap_stream_feed_eof(it->stream);
      continue;
    }
    size_t n = size < it->left ? size : it->left;
    int status = neap_stream_feed(it->stream, data, n);
    if (status < 0) return status;
    data += n;
    size -= n;
    it->left -= n;
  }
  return 0;
}

static int frames_write(void *self, const char *data, size_t size) {
  Filter *it = self;
  while (size > 0) {
    size_t n = size < 60000 ? size : 60000;
    char head[2] = {(char)(n >> 8), (char)n};
    int status = neap_stream_send(it->stream, head, 2);
    if (status == 0) status = neap_stream_send(it->stream, data, n);
    if (status < 0) return status;
    data += n;
    size -= n;
  }
  return 0;
}

static int frames_finish(void *self) {
  counters.finished++;
  return neap_stream_send(((Filter *)self)->stream, "\0", 2);
}

/* many: feeds every byte n times */
static int many_received(void *self, const char *data, size_t size) {
  Filter *it = self;
  for (size_t i = 0; i < size; i++)
    for (lua_Integer j = 0; j < it->n; j++) {
      int status = neap_stream_feed(it->stream, data + i, 1);
      if (status < 0) return status;
    }
  return 0;
}

/* echo: sends back what it feeds */
static int echo_received(void *self, const char *data, size_t size) {
  Filter *it = self;
  neap_stream_send(it->stream, data, size);
  return neap_stream_feed(it->stream, data, size);
}

static int plain_write(void *self, const char *data, size_t size) {
  return neap_stream_send(((Filter *)self)->stream, data, size);
}

/* fail: with the message, or with a status alone */
static int fail_received(void *self, const char *data, size_t size) {
  (void)data, (void)size;
  neap_stream_fail(((Filter *)self)->stream, (int)((Filter *)self)->n, "the filter is displeased");
  return 0;
}

static int status_received(void *self, const char *data, size_t size) {
  (void)data, (void)size;
  return (int)((Filter *)self)->n;
}

static int status_write(void *self, const char *data, size_t size) { return status_received(self, data, size); }

/* room: as xor, what is fed is made where the stream has room for it */
static int room_received(void *self, const char *data, size_t size) {
  Filter *it = self;
  size_t room;
  char *to = neap_stream_room(it->stream, size, &room);
  if (!to || room < size) return -12;
  for (size_t i = 0; i < size; i++) to[i] = (char)(data[i] ^ it->n);
  return neap_stream_feed(it->stream, to, size);
}

/* hold: keeps back what Lua writes */
static int hold_write(void *self, const char *data, size_t size) {
  (void)data;
  neap_stream_hold(((Filter *)self)->stream, size);
  return 0;
}

static void on_over(void *self, int status) {
  (void)self;
  counters.over++;
  counters.over_status = status;
}

static int push_info(lua_State *L, void *self, const char *name) {
  if (strcmp(name, "mask") != 0) return 0;
  lua_pushinteger(L, ((Filter *)self)->n);
  return 1;
}

#define FILTER(received, ended, write, finish, destroy) \
  {sizeof(neap_filter), received, ended, write, finish, destroy, on_over, push_info}

static const char *const names[] = {"xor", "frames", "many", "echo", "fail", "status", "quiet", "room", "hold", "bare", NULL};
static const neap_filter filters[] = {
    FILTER(xor_received, on_ended, xor_write, on_finish, on_destroy),
    FILTER(frames_received, on_ended, frames_write, frames_finish, on_destroy),
    FILTER(many_received, on_ended, plain_write, on_finish, on_destroy),
    FILTER(echo_received, on_ended, plain_write, on_finish, on_destroy),
    FILTER(fail_received, on_ended, plain_write, on_finish, on_destroy),
    FILTER(status_received, on_ended, status_write, on_finish, on_destroy),
    FILTER(xor_received, on_ended_quietly, xor_write, on_finish, on_destroy),
    FILTER(room_received, on_ended, xor_write, on_finish, on_destroy),
    FILTER(xor_received, on_ended, hold_write, on_finish, on_destroy),
    {.size = sizeof(neap_filter), .received = xor_received, .write = xor_write},
};

static int call_set(lua_State *L) {
  Filter *it = lua_touserdata(L, 2);
  it->stream = neap_filter_set(L, 1, &filters[lua_tointeger(L, 3)], it);
  return 0;
}

/* filter = filter_set(stream, name, n): the name of one above */
static int f_filter_set(lua_State *L) {
  int which = luaL_checkoption(L, 2, NULL, names);
  lua_Integer n = luaL_optinteger(L, 3, 0);
  Filter *it = calloc(1, sizeof *it);
  if (!it) return luaL_error(L, "not enough memory");
  it->n = n;
  lua_settop(L, 1);
  lua_pushcfunction(L, call_set);
  lua_insert(L, 1);
  lua_pushlightuserdata(L, it);
  lua_pushinteger(L, which);
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
    free(it); /* still ours */
    return lua_error(L);
  }
  lua_pushlightuserdata(L, it);
  return 1;
}

static Filter *check_filter(lua_State *L) {
  luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
  return lua_touserdata(L, 1);
}

/* status = feed(filter, data) */
static int f_feed(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  lua_pushinteger(L, neap_stream_feed(check_filter(L)->stream, data, size));
  return 1;
}

/* feed_eof(filter) */
static int f_feed_eof(lua_State *L) {
  neap_stream_feed_eof(check_filter(L)->stream);
  return 0;
}

/* status = send(filter, data) */
static int f_send(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  lua_pushinteger(L, neap_stream_send(check_filter(L)->stream, data, size));
  return 1;
}

/* fail(filter, status [, message]) */
static int f_fail(lua_State *L) {
  neap_stream_fail(check_filter(L)->stream, (int)luaL_checkinteger(L, 2), lua_tostring(L, 3));
  return 0;
}

/* linger(filter, seconds) */
static int f_linger(lua_State *L) {
  neap_stream_linger(check_filter(L)->stream, luaL_checknumber(L, 2));
  return 0;
}

/* hold(filter, size) */
static int f_hold(lua_State *L) {
  neap_stream_hold(check_filter(L)->stream, (size_t)luaL_checkinteger(L, 2));
  return 0;
}

typedef struct {
  neap_error base;
  lua_Integer n;
} NumberError;

static void number_push(lua_State *L, neap_error *error) { lua_pushinteger(L, ((NumberError *)error)->n); }

static void number_destroy(neap_error *error) {
  counters.forgiven++;
  free(error);
}

/* fail_with(filter, status, n): the error is the number */
static int f_fail_with(lua_State *L) {
  NumberError *error = malloc(sizeof *error);
  if (!error) return luaL_error(L, "not enough memory");
  *error = (NumberError){{number_push, number_destroy}, luaL_checkinteger(L, 3)};
  neap_stream_fail_with(check_filter(L)->stream, (int)luaL_checkinteger(L, 2), &error->base);
  return 0;
}

/* free(filter): of a stream that never had a destroy, once it is closed */
static int f_free(lua_State *L) {
  free(check_filter(L));
  return 0;
}

const luaL_Reg probe_filter_functions[] = {
    {"filter_set", f_filter_set}, {"feed", f_feed}, {"feed_eof", f_feed_eof}, {"send", f_send},
    {"fail", f_fail},             {"free", f_free}, {"linger", f_linger},
    {"hold", f_hold},             {"fail_with", f_fail_with}, {NULL, NULL},
};
