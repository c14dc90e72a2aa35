/* SPDX-License-Identifier: MIT */
#include "io/io.h"

#include <signal.h>

#include "base/memory.h"
#include "io/connect.h"
#include "io/descriptor.h"
#include "io/file.h"
#include "io/inherit.h"
#include "io/names.h"
#include "io/poll.h"
#include "io/process.h"
#include "io/race.h"
#include "io/resolve.h"
#include "io/server.h"
#include "io/signal.h"
#include "io/start.h"
#include "io/stream.h"
#include "io/udp.h"
#include "io/whole.h"
#include "kernel/object.h"

static const char io_key = 0; /* registry: the box */

typedef struct {
  Head head;
  Io *io; /* block */
} IoBox;

Io *io_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &io_key);
  Io *io = ((IoBox *)lua_touserdata(L, -1))->io;
  lua_pop(L, 1);
  if (!io) luaL_error(L, "the Lua state is closing");
  return io;
}

char *io_slab_take(Io *io) { return io->spares > 0 ? io->spare[--io->spares] : memory_resize(NULL, SLAB_SIZE); }

char *io_slab(Io *io) {
  if (UNLIKELY(io->slab == NULL)) io->slab = io_slab_take(io);
  return io->slab;
}

void io_ignore_sigpipe(Io *io) {
  struct sigaction action;
  if (LIKELY(io->quiet)) return;
  io->quiet = true;
  if (sigaction(SIGPIPE, NULL, &action) != 0 || (action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
}

void io_slab_used(Io *io) { io->slab = NULL; }

void io_slab_give(Io *io, char *slab) {
  if (io && io->spares < SLABS_SPARE)
    io->spare[io->spares++] = slab;
  else
    memory_delete(slab);
}

void io_close(lua_State *L, Core *core) {
  UNUSED(core);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &io_key);
  Io *io = ((IoBox *)lua_touserdata(L, -1))->io;
  lua_pop(L, 1);
  list_each_safe(link, &io->streams) {
    Stream *stream = stream_of_link(link);
    stream_end(stream, UV_ECONNABORTED);
    stream_shut(stream);
    if (stream->file) file_orphan(stream);
  }
  list_each_safe(link, &io->datagrams) udp_shut(udp_of_link(link));
  list_each(link, &io->processes) process_close(process_of_link(link));
  polls_close(io);
  signals_end(io);
}

/* Made before any stream, so collected after all of them: what still flushes is closed now. */
static int box_gc(lua_State *L) {
  IoBox *box = lua_touserdata(L, 1);
  Io *io = box->io;
  if (!io) return 0;
  box->io = NULL;
  while (!list_empty(&io->processes)) process_orphan(process_of_link(list_shift(&io->processes)));
  while (!list_empty(&io->streams)) stream_orphan(stream_of_link(list_shift(&io->streams)));
  while (!list_empty(&io->datagrams)) udp_orphan(udp_of_link(list_shift(&io->datagrams)));
  polls_close(io);
  signals_end(io);
  memory_delete(io->udp_inbox);
  while (io->spares > 0) memory_delete(io->spare[--io->spares]);
  memory_delete(io->slab);
  memory_delete(io->room);
  memory_delete(io);
  return 0;
}

static const luaL_Reg metamethods[] = {{"__gc", box_gc}, {NULL, NULL}};
static const Type box_type = {.name = "neap.Io", .metamethods = metamethods};

void io_open(lua_State *L, Core *core) {
  class_open(L, core, &box_type, NULL);
  IoBox *box = object_new(L, &box_type, sizeof *box, 0);
  box->io = memory_new(sizeof *box->io);
  if (!box->io) luaL_error(L, "not enough memory");
  box->io->core = core;
  list_create(&box->io->streams);
  list_create(&box->io->datagrams);
  list_create(&box->io->signals);
  list_create(&box->io->fresh_polls);
  list_create(&box->io->processes);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &io_key);
  class_open(L, core, &addresses_type, NULL);
  class_open(L, core, &name_type, NULL);
  class_open(L, core, &race_type, NULL);
  class_open(L, core, &grace_type, NULL);
  class_open(L, core, &stream_type, "Stream");
  class_open(L, core, &server_type, "Server");
  class_open(L, core, &udp_type, "Datagram");
  class_open(L, core, &udp_sent_type, NULL);
  class_open(L, core, &signals_type, NULL);
  functions_open(L, core, names_functions);
  functions_open(L, core, connect_functions);
  functions_open(L, core, start_functions);
  functions_open(L, core, inherit_functions);
  functions_open(L, core, local_functions);
  functions_open(L, core, descriptor_functions);
  functions_open(L, core, udp_functions);
  functions_open(L, core, wait_fd_functions);
  functions_open(L, core, reader_functions);
  functions_open(L, core, signal_functions);
  process_open(L, core);
  whole_open(L, core);
}
