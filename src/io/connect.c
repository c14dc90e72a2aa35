/* SPDX-License-Identifier: MIT
 * The box of the stream stands on the task's stack from the beginning; the race above it owns the sockets until
 * one is connected. */
#include "io/connect.h"

#include <math.h>
#include <string.h>

#include "io/race.h"
#include "io/resolve.h"
#include "io/secure.h"
#include "kernel/fail.h"
#include "kernel/trace.h"

/* The stack of a task in it, until the race. */
enum { AT_OP = RACE_OP, AT_BOX = RACE_BOX, AT_ADDRESSES, AT_TOP = AT_ADDRESSES };

/* User values of the operation: the host, or false with a list; options; where. */
enum { ARG_HOST = 1, ARG_OPTIONS, ARG_WHERE };

typedef struct {
  StreamOptions stream;
  RaceOptions race;
  int port, family;
  size_t count; /* of the list */
  Address list[];
} ConnectOptions;

static const ConnectOptions *options_of(lua_State *L) {
  lua_getiuservalue(L, AT_OP, ARG_OPTIONS);
  const ConnectOptions *options = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return options;
}

static int race_resolved(lua_State *L, Core *core, Task *task) {
  const ConnectOptions *options = options_of(L);
  Addresses *addresses = lua_touserdata(L, AT_ADDRESSES);
  Address *list = lua_newuserdatauv(L, (addresses_count(addresses) + 1) * sizeof *list, 0);
  size_t count = 0;
  while (addresses_next(addresses, &list[count])) count++;
  return race_begin(L, core, task, &options->stream, &options->race, list, count);
}

static int k_resolved(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_resolved, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  Addresses *addresses = lua_touserdata(L, AT_ADDRESSES);
  if (addresses->status == 0) return race_resolved(L, core, task);
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  return raise_unresolved(L, addresses->status, lua_tostring(L, -1));
}

static int start_connect(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  stream_box_new(L);
  lua_getiuservalue(L, AT_OP, ARG_WHERE);
  stream_box_origin(L, AT_BOX, AT_BOX + 1);
  lua_settop(L, AT_BOX);
  const ConnectOptions *options = options_of(L);
  lua_getiuservalue(L, AT_OP, ARG_HOST);
  const char *host = lua_tostring(L, -1);
  if (!host) return race_begin(L, core, task, &options->stream, &options->race, options->list, options->count);
  Addresses *addresses = addresses_new(L);
  lua_insert(L, AT_ADDRESSES);
  bool here = resolve(L, core, task, addresses, host, options->port, options->family, false);
  lua_settop(L, AT_TOP);
  if (here) return race_resolved(L, core, task);
  return wait_park(L, core, task, abort_resolve, k_resolved, (lua_KContext)core);
}

/* ---- the Lua side ---- */

/* The address at the top: {ip =, port =}, or an ip. */
static bool read_element(lua_State *L, Address *address, int port) {
  if (lua_type(L, -1) == LUA_TSTRING) return port && address_parse_at(L, lua_gettop(L), address, port);
  return address_read(L, lua_gettop(L), address, port) && address_port(address) != 0;
}

/* The addresses of the family in the list at index 1, or none of a name; leaves the options at the top. */
static ConnectOptions *options_new(lua_State *L, int port, int family) {
  size_t room = lua_type(L, 1) == LUA_TTABLE ? (size_t)luaL_len(L, 1) : 0;
  size_t size = sizeof(ConnectOptions) + room * sizeof(Address);
  ConnectOptions *options = memset(lua_newuserdatauv(L, size, 0), 0, size);
  options->port = port;
  options->family = family;
  for (size_t i = 1; i <= room; i++) {
    Address *address = &options->list[options->count];
    lua_geti(L, 1, (lua_Integer)i);
    if (!read_element(L, address, port))
      luaL_argerror(L, 1, lua_pushfstring(L, "element %d: a numeric ip, or {ip =, port =}, with a port from 1 to 65535 expected", (int)i));
    if (!family || address->any.sa_family == family) options->count++;
    lua_pop(L, 1);
  }
  return options;
}

static void check_local_addr(lua_State *L, int arg, Address *local) {
  if (lua_isnil(L, arg) || lua_getfield(L, arg, "local_addr") == LUA_TNIL) return;
  if (lua_type(L, -1) != LUA_TTABLE) luaL_argerror(L, arg, "field 'local_addr': a table {ip, port} expected");
  if (!address_read(L, lua_gettop(L), local, 0))
    luaL_argerror(L, arg, "field 'local_addr': a numeric ip and a port from 0 to 65535 expected");
}

static double check_delay(lua_State *L, int arg) {
  if (lua_isnil(L, arg)) return 0.25;
  int type = lua_getfield(L, arg, "happy_eyeballs_delay");
  double delay = type == LUA_TNIL ? 0.25 : type == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  bool off = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  if (!off && !(delay >= 0 && isfinite(delay)))
    luaL_argerror(L, arg, "field 'happy_eyeballs_delay': a number of seconds, or false, expected");
  lua_pop(L, 1);
  return delay;
}

static void check_peer(lua_State *L, int *port) {
  if (lua_type(L, 1) == LUA_TTABLE)
    luaL_argcheck(L, luaL_len(L, 1) > 0, 1, "the list of addresses is empty");
  else
    check_host(L, 1);
  *port = lua_type(L, 1) == LUA_TTABLE && lua_isnil(L, 2) ? 0 : check_port(L, 2, 1);
}

/* awaitable = open_connection(host, port [, {limit =, nodelay =, local_addr =, family =, happy_eyeballs_delay =,
 * interleave =}]) */
static int f_open_connection(lua_State *L) {
  int port;
  lua_settop(L, 3);
  if (secure(L, "open_connection")) return 1;
  check_peer(L, &port);
  StreamOptions stream = stream_options(L, 3, "limit nodelay local_addr family happy_eyeballs_delay interleave" TLS_FIELDS);
  RaceOptions race = {.delay = check_delay(L, 3)};
  race.lead = field_size(L, 3, "interleave", race.delay < 0 ? 0 : 1, 0);
  check_local_addr(L, 3, &race.local);
  int family = field_family(L, 3), of = race.local.any.sa_family;
  luaL_argcheck(L, !family || !of || family == of, 3, "field 'local_addr': of another family than 'family'");
  ConnectOptions *options = options_new(L, port, family ? family : of);
  options->stream = stream;
  options->race = race;
  lua_replace(L, 2);
  trace_where(L, L, 1);
  lua_replace(L, 3);
  lua_settop(L, 3);
  if (lua_type(L, 1) == LUA_TTABLE) {
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
  }
  op_new(L, start_connect, "neap.open_connection", 1, 2);
  return 1;
}

const luaL_Reg connect_functions[] = {{"open_connection", f_open_connection}, {NULL, NULL}};
