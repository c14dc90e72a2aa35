/* SPDX-License-Identifier: MIT */
#include "io/names.h"

#include <string.h>

#include "base/memory.h"
#include "io/resolve.h"
#include "kernel/fail.h"
#include "kernel/op.h"

typedef struct {
  const char *name;
  int value;
} NameRow;

static const NameRow types[] = {{"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {NULL, 0}};

static const NameRow protocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6}, {NULL, 0}};

static const NameRow address_flags[] = {
    {"passive", AI_PASSIVE},         {"canonname", AI_CANONNAME},   {"numerichost", AI_NUMERICHOST},
    {"numericserv", AI_NUMERICSERV}, {"addrconfig", AI_ADDRCONFIG}, {"v4mapped", AI_V4MAPPED},
    {"all", AI_ALL},                 {NULL, 0}};

static const NameRow name_flags[] = {{"numerichost", NI_NUMERICHOST}, {"numericserv", NI_NUMERICSERV},
                                     {"namereqd", NI_NAMEREQD},       {"nofqdn", NI_NOFQDN},
                                     {"dgram", NI_DGRAM},             {NULL, 0}};

/* ---- words ---- */

/* The value of the word at the top; an error at `arg` names the field, unless that is NULL. */
static int check_word(lua_State *L, int arg, const char *field, const NameRow *rows) {
  const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  for (int i = 0; word && rows[i].name; i++)
    if (strcmp(rows[i].name, word) == 0) return rows[i].value;
  const char *got = word ? lua_pushfstring(L, "'%s'", word) : type_name(L, -1);
  const char *where = field ? lua_pushfstring(L, "field '%s': ", field) : "";
  lua_pushfstring(L, "%sone of", where);
  for (int i = 0; rows[i].name; i++) {
    lua_pushfstring(L, " \"%s\"", rows[i].name);
    lua_concat(L, 2);
  }
  return luaL_argerror(L, arg, lua_pushfstring(L, "%s expected, got %s", lua_tostring(L, -1), got));
}

/* Of the word, list of words or nil at the top. */
static int check_words(lua_State *L, int arg, const char *field, const NameRow *rows) {
  int flags = 0;
  if (lua_isnil(L, -1)) return 0;
  if (lua_type(L, -1) != LUA_TTABLE) return check_word(L, arg, field, rows);
  for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++) {
    flags |= check_word(L, arg, field, rows);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return flags;
}

static int field_word(lua_State *L, int arg, const char *field, const NameRow *rows) {
  int value = lua_getfield(L, arg, field) == LUA_TNIL ? 0 : check_word(L, arg, field, rows);
  lua_pop(L, 1);
  return value;
}

static int field_words(lua_State *L, int arg, const char *field, const NameRow *rows) {
  lua_getfield(L, arg, field);
  int flags = check_words(L, arg, field, rows);
  lua_pop(L, 1);
  return flags;
}

static void set_word(lua_State *L, const char *field, const NameRow *rows, int value) {
  int i = 0;
  while (rows[i].name && rows[i].value != value) i++;
  if (rows[i].name)
    lua_pushstring(L, rows[i].name);
  else
    lua_pushinteger(L, value);
  lua_setfield(L, -2, field);
}

/* ---- getaddrinfo ---- */

/* The user values of the operation: the host or false, the service or false, hints. */
enum { ASK_HOST = 1, ASK_SERVICE, ASK_HINTS };

static void push_info(lua_State *L, const struct addrinfo *info, const Address *address) {
  address_push(L, address);
  set_word(L, "type", types, info->ai_socktype);
  set_word(L, "proto", protocols, info->ai_protocol);
  lua_pushstring(L, info->ai_canonname); /* NULL: nil */
  lua_setfield(L, -2, "canonname");
}

static int k_addresses(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_addresses, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  Addresses *addresses = lua_touserdata(L, 2);
  if (addresses->status < 0) {
    lua_getiuservalue(L, 1, ASK_HOST);
    return raise_unresolved(L, addresses->status, lua_tostring(L, -1));
  }
  lua_newtable(L);
  Address address;
  lua_Integer n = 0;
  for (const struct addrinfo *info = addresses->list; info; info = info->ai_next) {
    if (!address_copy(&address, info->ai_addr)) continue;
    push_info(L, info, &address);
    lua_seti(L, 3, ++n);
  }
  return 1;
}

static int start_getaddrinfo(lua_State *L, Core *core, Task *task, Op *op) {
  UNUSED(op);
  Addresses *addresses = addresses_new(L);
  lua_getiuservalue(L, 1, ASK_HOST);
  lua_getiuservalue(L, 1, ASK_SERVICE);
  lua_getiuservalue(L, 1, ASK_HINTS);
  resolve_ask(L, core, task, addresses, lua_tostring(L, 3), lua_tostring(L, 4), lua_touserdata(L, 5));
  lua_settop(L, 2);
  return wait_park(L, core, task, abort_resolve, k_addresses, (lua_KContext)core);
}

/* Makes the port at `arg` the name of a service, or false. */
static void check_service(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TSTRING) {
    luaL_argcheck(L, strlen(lua_tostring(L, arg)) == lua_rawlen(L, arg), arg, "the service contains a zero byte");
    return;
  }
  if (lua_isnil(L, arg))
    lua_pushboolean(L, 0);
  else
    lua_pushfstring(L, "%d", check_port(L, arg, 0));
  lua_replace(L, arg);
}

/* awaitable = getaddrinfo(host, port [, {family =, type =, proto =, flags =}]) */
static int f_getaddrinfo(lua_State *L) {
  lua_settop(L, 3);
  luaL_argcheck(L, !lua_isnil(L, 1) || !lua_isnil(L, 2), 1, "neither a host nor a port");
  if (lua_isnil(L, 1)) {
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
  } else {
    check_host(L, 1);
  }
  check_service(L, 2);
  struct addrinfo *hints = lua_newuserdatauv(L, sizeof *hints, 0);
  memset(hints, 0, sizeof *hints);
  if (!lua_isnil(L, 3)) {
    check_fields(L, 3, "family type proto flags");
    hints->ai_family = field_family(L, 3);
    hints->ai_socktype = field_word(L, 3, "type", types);
    hints->ai_protocol = field_word(L, 3, "proto", protocols);
    hints->ai_flags = field_words(L, 3, "flags", address_flags);
  }
  lua_replace(L, 3);
  op_new(L, start_getaddrinfo, "neap.getaddrinfo", 1, 2);
  return 1;
}

/* ---- getnameinfo ---- */

typedef struct Name Name;

typedef struct { /* block, while getnameinfo runs and until its box is collected */
  uv_getnameinfo_t request; /* holds the answer */
  Core *core;
  Handles *handles; /* held while it runs */
  Task *task;       /* borrowed: it waits */
  Name *owner;      /* borrowed; NULL: nobody wants the answer any more */
  int status;
  bool done;
} NameRequest;

struct Name {
  Head head;
  NameRequest *request; /* NULL: dropped */
};

static void on_name(uv_getnameinfo_t *handle, int status, const char *host, const char *service) {
  NameRequest *request = container_of(handle, NameRequest, request);
  UNUSED(host);
  UNUSED(service);
  request->done = true;
  request->status = status;
  handles_release(request->handles);
  if (!request->owner)
    memory_delete(request);
  else if (wait_pending(request->task))
    wait_post(request->core, request->task);
}

static void name_drop(Name *name) {
  NameRequest *request = name->request;
  if (!request) return;
  name->request = NULL;
  request->owner = NULL;
  if (request->done)
    memory_delete(request);
  else
    uv_cancel((uv_req_t *)&request->request); /* if a thread is at it already, its answer is dropped */
}

static int name_gc(lua_State *L) {
  name_drop(lua_touserdata(L, 1));
  return 0;
}

static bool abort_name(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_abort(core, task, L, message)) return false;
  name_drop(task->wait.u.on);
  return true;
}

static int k_name(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_name, context);
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  const NameRequest *request = ((Name *)lua_touserdata(L, 2))->request;
  if (request->status < 0) {
    char text[ADDRESS_TEXT];
    lua_getiuservalue(L, 1, 1);
    return raise_unresolved(L, request->status, address_text(lua_touserdata(L, -1), text));
  }
  lua_pushstring(L, request->request.host);
  lua_pushstring(L, request->request.service);
  return 2;
}

static int start_getnameinfo(lua_State *L, Core *core, Task *task, Op *op) {
  Name *name = object_new(L, &name_type, sizeof *name, 0);
  const Address *address = op->self;
  NameRequest *request = memory_new(sizeof *request);
  if (!request) return luaL_error(L, "not enough memory");
  request->core = core;
  request->task = task;
  int status = uv_getnameinfo(core->loop, &request->request, on_name, &address->any, (int)op->integer);
  if (status < 0) {
    memory_delete(request);
    return fail_raise_uv(L, status, "getnameinfo");
  }
  handles_hold(request->handles = core->handles);
  request->owner = name;
  name->request = request;
  task->wait.u.on = name;
  return wait_park(L, core, task, abort_name, k_name, (lua_KContext)core);
}

/* awaitable = getnameinfo(address [, flags]) */
static int f_getnameinfo(lua_State *L) {
  Address address;
  lua_settop(L, 2);
  if (!address_read(L, 1, &address, 0)) {
    if (lua_type(L, 1) != LUA_TTABLE) argument_error(L, 1, "address, {ip =, port =},");
    luaL_argerror(L, 1, "an address with a numeric ip and a port from 0 to 65535 expected");
  }
  int flags = check_words(L, 2, NULL, name_flags);
  memcpy(lua_newuserdatauv(L, sizeof address, 0), &address, sizeof address);
  op_new(L, start_getnameinfo, "neap.getnameinfo", 3, 0)->integer = flags;
  return 1;
}

static const luaL_Reg name_metamethods[] = {{"__gc", name_gc}, {NULL, NULL}};
const Type name_type = {.name = "neap.Name", .metamethods = name_metamethods};

const luaL_Reg names_functions[] = {{"getaddrinfo", f_getaddrinfo}, {"getnameinfo", f_getnameinfo}, {NULL, NULL}};
