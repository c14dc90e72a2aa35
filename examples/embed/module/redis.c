/* SPDX-License-Identifier: MIT
 * An existing C library made awaitable: hiredis, the Redis client, through neap.h alone. A command is
 * written and gives a future; replies come in the order of the commands, and complete them. Two tasks of
 * our own wait for the descriptor: one as long as something is to be written, one as long as replies are
 * due. Commands of one turn leave together. Cancelling needs no code: the reply to a cancelled command
 * is dropped when it comes. */
#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "neap.h"

typedef struct Command {
  struct Command *next;
  neap_future *future;
} Command;

typedef struct {
  redisContext *redis;    /* NULL: closed */
  Command *first, **last; /* sent, and not replied to yet */
  bool writing, reading;  /* the task for it is there */
} Connection;

static Connection *check(lua_State *L) { return luaL_checkudata(L, 1, "redis.Connection"); }

/* ---- replies ---- */

static void push_reply(lua_State *L, const redisReply *reply) {
  luaL_checkstack(L, 3, "reply is nested too deeply");
  switch (reply->type) {
  case REDIS_REPLY_INTEGER: lua_pushinteger(L, reply->integer); break;
  case REDIS_REPLY_NIL: lua_pushnil(L); break;
  case REDIS_REPLY_ARRAY:
    lua_createtable(L, (int)reply->elements, 0);
    for (size_t i = 0; i < reply->elements; i++) {
      push_reply(L, reply->element[i]);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    break;
  default: lua_pushlstring(L, reply->str, reply->len);
  }
}

static int call_push_reply(lua_State *L) {
  const redisReply *reply = lua_touserdata(L, 1);
  push_reply(L, reply);
  return reply->type == REDIS_REPLY_ERROR ? lua_error(L) : 1;
}

/* Makes the future's result; protected, so that the reply is released in any case. */
static int on_reply(lua_State *L, void *reply) {
  int status = LUA_OK;
  if (L) {
    lua_pushcfunction(L, call_push_reply);
    lua_pushlightuserdata(L, reply);
    status = lua_pcall(L, 1, 1, 0);
  }
  freeReplyObject(reply);
  return status == LUA_OK ? 1 : lua_error(L);
}

static int on_lost(lua_State *L, void *data) {
  (void)data;
  return L ? luaL_error(L, "the connection to redis was lost") : 0;
}

static void complete(Connection *it, neap_push push, void *data) {
  Command *command = it->first;
  it->first = command->next;
  if (!it->first) it->last = &it->first;
  neap_complete(command->future, push, data);
  free(command);
}

static void lose(Connection *it) {
  while (it->first) complete(it, on_lost, NULL);
  if (it->redis) redisFree(it->redis);
  it->redis = NULL;
}

/* ---- the two tasks ---- */

static int k_write(lua_State *L, int status, lua_KContext context);
static int k_read(lua_State *L, int status, lua_KContext context);

static int write_some(lua_State *L) {
  Connection *it = check(L);
  int done = 0;
  if (it->redis && redisBufferWrite(it->redis, &done) != REDIS_OK) lose(it);
  if (it->redis && !done) return neap_wait_fd(L, it->redis->fd, NEAP_WRITE, k_write, 0);
  it->writing = false;
  return 0;
}

static int read_some(lua_State *L) {
  Connection *it = check(L);
  void *reply = NULL;
  while (it->redis && it->first) {
    if (redisGetReplyFromReader(it->redis, &reply) != REDIS_OK) lose(it);
    if (!it->redis || !reply) break;
    complete(it, on_reply, reply);
  }
  if (it->redis && it->first) return neap_wait_fd(L, it->redis->fd, NEAP_READ, k_read, 0);
  it->reading = false;
  return 0;
}

static int k_write(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_settop(L, 1);
  if (!neap_cancelled(L)) return write_some(L);
  check(L)->writing = false; /* the end of run() */
  lose(check(L));
  return neap_raise_cancelled(L);
}

static int k_read(lua_State *L, int status, lua_KContext context) {
  Connection *it = check(L);
  (void)status, (void)context;
  lua_settop(L, 1);
  if (neap_cancelled(L)) {
    it->reading = false;
    lose(it);
    return neap_raise_cancelled(L);
  }
  if (it->redis && redisBufferRead(it->redis) != REDIS_OK) lose(it);
  return read_some(L);
}

static void start(lua_State *L, const char *name, lua_CFunction function, bool *started) {
  if (*started) return;
  lua_pushcfunction(L, function);
  lua_pushvalue(L, 1);
  if (neap_spawn(L, name, 1) != LUA_OK) lua_error(L);
  lua_pop(L, 1);
  *started = true;
}

/* ---- for Lua ---- */

enum { WORDS = 64 };

/* future = connection:command(word, ...) */
static int command(lua_State *L) {
  Connection *it = check(L);
  const char *words[WORDS];
  size_t sizes[WORDS];
  int count = lua_gettop(L) - 1;
  luaL_argcheck(L, count >= 1 && count <= WORDS, 2, "1 to 64 words expected");
  for (int i = 0; i < count; i++) words[i] = luaL_checklstring(L, i + 2, &sizes[i]);
  if (!it->redis) return luaL_error(L, "the connection to redis is closed");
  start(L, "redis writes", write_some, &it->writing);
  start(L, "redis reads", read_some, &it->reading);
  neap_future *future = neap_future_new(L); /* what may raise is over */
  Command *new = malloc(sizeof *new);
  if (!new || redisAppendCommandArgv(it->redis, count, words, sizes) != REDIS_OK) {
    free(new);
    neap_complete(future, on_lost, NULL);
    return 1;
  }
  *new = (Command){NULL, future};
  *it->last = new;
  it->last = &new->next;
  return 1;
}

/* connection:close() */
static int close_connection(lua_State *L) {
  lose(check(L));
  return 0;
}

/* connection = connect(path) of a unix socket, connect(host, port) */
static int connect(lua_State *L) {
  const char *where = luaL_checkstring(L, 1);
  int port = (int)luaL_optinteger(L, 2, 0);
  Connection *it = lua_newuserdatauv(L, sizeof *it, 0);
  *it = (Connection){NULL, NULL, NULL, false, false};
  it->last = &it->first;
  luaL_setmetatable(L, "redis.Connection");
  it->redis = port ? redisConnectNonBlock(where, port) : redisConnectUnixNonBlock(where);
  if (!it->redis) return luaL_error(L, "not enough memory");
  return it->redis->err ? luaL_error(L, "%s: %s", where, it->redis->errstr) : 1;
}

int luaopen_redis(lua_State *L);

int luaopen_redis(lua_State *L) {
  static const luaL_Reg methods[] = {{"command", command}, {"close", close_connection}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"connect", connect}, {NULL, NULL}};
  if (neap_open(L, NULL) != LUA_OK) return lua_error(L);
  luaL_newmetatable(L, "redis.Connection");
  lua_pushcfunction(L, close_connection);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
