/* SPDX-License-Identifier: MIT
 * A filter that is set when bytes have come already, as with STARTTLS: they go through it, before those that
 * come later, and not while it is being set, when nobody has its stream yet. */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "neap.h"

typedef struct {
  neap_stream *stream;
} Xor;

static int alive;

static int on_received(void *self, const char *data, size_t size) {
  int status = 0;
  for (size_t i = 0; i < size && status == 0; i++) {
    char c = (char)(data[i] ^ 1);
    if (data[i] == '#') {
      neap_stream_fail(((Xor *)self)->stream, -71, "not a protocol"); /* EPROTO */
      return 0;
    }
    status = neap_stream_feed(((Xor *)self)->stream, &c, 1);
  }
  return status;
}

static int on_write(void *self, const char *data, size_t size) {
  return neap_stream_send(((Xor *)self)->stream, data, size);
}

static void destroy(void *self) {
  alive--;
  free(self);
}

/* xor(stream) */
static int xor(lua_State *L) {
  static const neap_filter filter = {
      .size = sizeof filter, .received = on_received, .write = on_write, .destroy = destroy};
  Xor *self = calloc(1, sizeof *self);
  if (!self) abort();
  alive++;
  self->stream = neap_filter_set(L, 1, &filter, self);
  return 0;
}

static const char script[] =
    "local neap = require 'neap'\n"
    "local await = neap.await\n"
    "local function flip(s) return (s:gsub('.', function(c) return string.char(c:byte() ~ 1) end)) end\n"
    "local function try(first, later, serve)\n"
    "  local server <close> = await(neap.start_server(function(stream)\n"
    "    assert(await(stream:read 'l') == 'start')\n"
    "    xor(stream)\n"
    "    local ok, problem = pcall(serve, stream)\n"
    "    pcall(function() await(stream:write(ok and 'done' or tostring(problem), '\\n')) end)\n"
    "  end, '127.0.0.1', 0))\n"
    "  local stream <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port))\n"
    "  await(stream:write('start\\n', first))\n"
    "  await(neap.sleep(0.02))\n"
    "  pcall(function() await(stream:write(later)) stream:write_eof() end)\n"
    "  local ok, line = pcall(await, stream:read 'l')\n"
    "  print(ok, line and line.name or line)\n"
    "end\n"
    "try(flip 'early ', flip 'late', function(stream) assert(await(stream:read 'a') == 'early late') end)\n"
    "try('', flip 'late', function(stream) assert(await(stream:read 'a') == 'late') end)\n"
    "try(flip 'early', '', function(stream) stream:close() end)\n"
    "try(flip 'early', '', function(stream) stream:abort() end)\n"
    "try(flip 'early' .. '#', '', function(stream) print(pcall(await, stream:read 'a')) end)\n"
    "try(flip 'early', '', function(stream) neap.current_task():cancel() await(neap.sleep(0)) end)\n";

int main(void) {
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  luaL_openlibs(L);
  lua_register(L, "xor", xor);
  if (neap_open(L, NULL) != LUA_OK || luaL_loadstring(L, script) != LUA_OK || neap_run(L, 0, 0) != LUA_OK) {
    fprintf(stderr, "filter: %s\n", luaL_tolstring(L, -1, NULL));
    return EXIT_FAILURE;
  }
  neap_close(L);
  lua_close(L);
  printf("%d filters left\n", alive);
  return EXIT_SUCCESS;
}

/* $ filter
true	done
true	done
true	nil
false	ConnectionResetError
false	OSError: not a protocol: protocol error (EPROTO)
true	nil
true	CancelledError
0 filters left
*/
