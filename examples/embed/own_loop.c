/* SPDX-License-Identifier: MIT
 * A program with a libuv loop of its own, and its own handles on it: a timer and a UDP socket. neap
 * goes on that loop, and its tasks run beside the program's callbacks, under the program's uv_run.
 *
 * The program keeps the `data` of its handles NULL, since luv takes every handle with data for its
 * own; what belongs to a handle stands around it in a structure. */
#include <lualib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "neap.h"

enum { PACKET = 512 };

typedef struct {
  size_t size;
  char bytes[PACKET];
} Packet;

typedef struct {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_udp_t udp;
  char buffer[PACKET];
  neap_loop *lua; /* the way into Lua from callbacks */
  int ticks;
} Program;

#define OF(handle, field) ((Program *)(void *)((char *)(handle) - offsetof(Program, field)))

/* Called by neap, protected: here a string can be made. A uv callback is no place for that, since an error
 * for want of memory would jump through libuv. Nothing is held that such an error would leak. */
static int on_packet(lua_State *L, void *data) {
  Packet packet = *(Packet *)data;
  free(data);
  if (!L) return 0; /* the state was closed meanwhile */
  lua_getglobal(L, "packets");
  lua_getfield(L, -1, "put_nowait");
  lua_insert(L, -2);
  lua_pushlstring(L, packet.bytes, packet.size);
  lua_call(L, 2, 0);
  return 0;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  (void)size;
  Program *program = OF(handle, udp);
  *buf = uv_buf_init(program->buffer, sizeof program->buffer);
}

static void on_received(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
  (void)flags;
  if (size < 0 || !from) return;
  Packet *packet = malloc(sizeof *packet);
  if (!packet) return;
  packet->size = (size_t)size;
  memcpy(packet->bytes, buf->base, (size_t)size);
  if (!neap_post(OF(udp, udp)->lua, on_packet, packet)) free(packet);
}

/* Sends itself a datagram every 10 ms. */
static void on_tick(uv_timer_t *timer) {
  Program *program = OF(timer, timer);
  struct sockaddr_storage self;
  int size = sizeof self;
  char text[32];
  uv_buf_t buf = uv_buf_init(text, (unsigned)snprintf(text, sizeof text, "tick %d", ++program->ticks));
  if (uv_udp_getsockname(&program->udp, (struct sockaddr *)&self, &size) == 0)
    uv_udp_try_send(&program->udp, &buf, 1, (struct sockaddr *)&self);
}

static const char script[] =
    "local neap = require 'neap'\n"
    "local await = neap.await\n"
    "local sleeper = neap.create_task(neap.sleep(0.02, 'slept beside them'))\n"
    "for i = 1, 3 do print(await(neap.wait_for(packets:get(), 5))) end\n"
    "print(await(sleeper))\n"
    "return 'done'\n";

static int die(lua_State *L, const char *what) {
  fprintf(stderr, "own_loop: %s: %s\n", what, luaL_tolstring(L, -1, NULL));
  return EXIT_FAILURE;
}

int main(void) {
  static Program program;
  struct sockaddr_in any;
  uv_loop_init(&program.loop);
  uv_timer_init(&program.loop, &program.timer);
  uv_udp_init(&program.loop, &program.udp);
  uv_ip4_addr("127.0.0.1", 0, &any);
  if (uv_udp_bind(&program.udp, (struct sockaddr *)&any, 0) != 0) return EXIT_FAILURE;

  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (neap_open(L, &program.loop) != LUA_OK) return die(L, "open");
  program.lua = neap_loop_of(L);
  if (luaL_dostring(L, "packets = require 'neap'.Queue()") != LUA_OK) return die(L, "queue");
  uv_udp_recv_start(&program.udp, on_alloc, on_received);
  uv_timer_start(&program.timer, on_tick, 10, 10);

  if (luaL_loadstring(L, script) != LUA_OK) return die(L, "load");
  if (neap_spawn(L, "main", 0) != LUA_OK) return die(L, "spawn");
  int status;
  while ((status = neap_result(L, -1, 1)) == LUA_YIELD) uv_run(&program.loop, UV_RUN_ONCE);
  if (status != LUA_OK) return die(L, "main");
  printf("the script: %s\n", lua_tostring(L, -1));

  /* The order: what calls into Lua, neap, Lua, one's own handles, the loop. */
  uv_udp_recv_stop(&program.udp);
  neap_loop_release(program.lua);
  neap_close(L); /* turns the loop until neap's and luv's handles are gone; ours stay */
  lua_close(L);
  uv_close((uv_handle_t *)&program.timer, NULL);
  uv_close((uv_handle_t *)&program.udp, NULL);
  uv_run(&program.loop, UV_RUN_DEFAULT);
  printf("uv_loop_close: %d\n", uv_loop_close(&program.loop));
  return EXIT_SUCCESS;
}

/* $ own_loop
tick 1
tick 2
tick 3
slept beside them
the script: done
uv_loop_close: 0
*/
