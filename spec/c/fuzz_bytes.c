/* SPDX-License-Identifier: MIT
 * libFuzzer's input drives reads of a stream (fuzz_bytes.lua), fed by a filter so that no socket decides what
 * comes when; what they give must be what a model made of strings gives. `make fuzz-bytes` builds it with all of neap. */
#include <stdlib.h>

#include "fuzz.h"
#include "neap.h"

static neap_stream *fed;

static int on_received(void *self, const char *data, size_t size) {
  (void)self, (void)data, (void)size;
  return 0;
}

static int on_write(void *self, const char *data, size_t size) { return neap_stream_send(*(neap_stream **)self, data, size); }

static void on_destroy(void *self) {
  (void)self;
  fed = NULL;
}

/* filter(stream) */
static int f_filter(lua_State *L) {
  static const neap_filter filter = {
      .size = sizeof filter, .received = on_received, .write = on_write, .destroy = on_destroy};
  fed = neap_filter_set(L, 1, &filter, &fed);
  return 0;
}

/* feed(bytes, room): bytes that come, put into the stream's own room when that is wanted */
static int f_feed(lua_State *L) {
  size_t size, room = 0;
  const char *data = luaL_checklstring(L, 1, &size);
  char *at = lua_toboolean(L, 2) ? neap_stream_room(fed, size, &room) : NULL;
  if (at && room >= size) {
    for (size_t i = 0; i < size; i++) at[i] = data[i];
    data = at;
  }
  if (neap_stream_feed(fed, data, size) < 0) abort();
  return 0;
}

/* feed_eof() */
static int f_feed_eof(lua_State *L) {
  (void)L;
  neap_stream_feed_eof(fed);
  return 0;
}

const char fuzz_script[] = "spec/c/fuzz_bytes.lua";
const luaL_Reg fuzz_functions[] = {{"filter", f_filter}, {"feed", f_feed}, {"feed_eof", f_feed_eof}, {NULL, NULL}};
