/* SPDX-License-Identifier: MIT
 * What tasks read from a stream's buffer.
 *
 * A read is a function that takes its result from the buffer or says how many bytes it needs. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <string.h>

#include "io/stream.h"
#include "kernel/fail.h"

enum { PARKED = -1 }; /* a read's answer: not yet */

/* ---- taking bytes ---- */

/* Pushes the first bytes, without the last `without` of them. */
static int take(lua_State *L, Stream *stream, size_t size, size_t without) {
  lua_pushlstring(L, size > 0 ? buffer_data(&stream->in) : "", size - without);
  read_consume(stream, size);
  return 1;
}

static int raise_end(lua_State *L, Stream *stream) { return stream_raise_end(L, stream, stream->read_end, "read"); }

static int raise_incomplete(lua_State *L, Stream *stream, lua_Integer expected) {
  size_t size = buffer_size(&stream->in);
  lua_pushfstring(L, expected ? "the stream ended after %I bytes, %I expected" : "the stream ended after %I bytes, before the separator",
                  (LUAI_UACINT)size, (LUAI_UACINT)expected);
  fail_push(L, FAIL_INCOMPLETE_READ, lua_tostring(L, -1));
  take(L, stream, size, 0);
  lua_setfield(L, -2, "partial");
  if (expected) {
    lua_pushinteger(L, expected);
    lua_setfield(L, -2, "expected");
  }
  return lua_error(L);
}

static int raise_overrun(lua_State *L, const char *message, size_t consumed) {
  fail_push(L, FAIL_LIMIT_OVERRUN, message);
  lua_pushinteger(L, (lua_Integer)consumed);
  lua_setfield(L, -2, "consumed");
  return lua_error(L);
}

/* ---- the reads: the number of results, or PARKED with `need` set ---- */

static int read_some(lua_State *L, Stream *stream, const Op *op) {
  if (buffer_size(&stream->in) == 0) read_now(stream);
  size_t here = buffer_size(&stream->in), most = (size_t)op->integer;
  if (LIKELY(here > 0) || most == 0) return take(L, stream, here < most ? here : most, 0);
  if (stream->read_end == UV_EOF) return lua_pushnil(L), 1;
  if (stream->read_end) return raise_end(L, stream);
  stream->need = 1;
  read_expect(stream);
  return PARKED;
}

static int read_all(lua_State *L, Stream *stream, const Op *op) {
  UNUSED(op);
  if (stream->read_end == UV_EOF) return take(L, stream, buffer_size(&stream->in), 0);
  if (stream->read_end) return raise_end(L, stream);
  stream->need = SIZE_MAX;
  return PARKED;
}

static int read_exactly(lua_State *L, Stream *stream, const Op *op) {
  size_t size = (size_t)op->integer;
  if (buffer_size(&stream->in) >= size) return take(L, stream, size, 0);
  if (stream->read_end == UV_EOF) return raise_incomplete(L, stream, op->integer);
  if (stream->read_end) return raise_end(L, stream);
  stream->need = size;
  return PARKED;
}

/* A line, and whether its end is kept. */
static int read_line(lua_State *L, Stream *stream, const Op *op) {
  size_t here = buffer_size(&stream->in);
  bool chop = op->integer;
  const char *data = here ? buffer_data(&stream->in) : "";
  const char *end = memchr(data + stream->scan, '\n', here - stream->scan);
  if (end) {
    size_t size = (size_t)(end - data) + 1;
    if (size - 1 <= stream->limit) return take(L, stream, size, chop);
    read_consume(stream, size);
    return raise_overrun(L, "the line is longer than the limit", size - 1);
  }
  if (here > stream->limit) {
    read_consume(stream, here);
    return raise_overrun(L, "no end of line within the limit", here);
  }
  if (stream->read_end == UV_EOF) return here ? take(L, stream, here, 0) : (lua_pushnil(L), 1);
  if (stream->read_end) return raise_end(L, stream);
  stream->scan = here;
  stream->need = here + 1;
  return PARKED;
}

/* Up to the first separator to end; they are user value 2 of the operation, a list. */
static int read_until(lua_State *L, Stream *stream, const Op *op) {
  size_t here = buffer_size(&stream->in), longest = (size_t)op->integer;
  size_t found_start = 0, found_end = 0;
  const char *data = here ? buffer_data(&stream->in) : "";
  lua_getiuservalue(L, 1, 2);
  int list = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    size_t size;
    const char *sep = lua_tolstring(L, -1, &size);
    const char *at = memmem(data + stream->scan, here - stream->scan, sep, size);
    if (at && (!found_end || (size_t)(at - data) + size < found_end)) {
      found_start = (size_t)(at - data);
      found_end = found_start + size;
    }
    lua_pop(L, 1);
  }
  lua_settop(L, list - 1);
  if (found_end) {
    if (found_start > stream->limit)
      return raise_overrun(L, "the separator is found, but further than the limit", found_start);
    return take(L, stream, found_end, 0);
  }
  stream->scan = here + 1 > longest ? here + 1 - longest : 0;
  if (stream->scan > stream->limit) return raise_overrun(L, "no separator within the limit", stream->scan);
  if (stream->read_end == UV_EOF) return raise_incomplete(L, stream, 0);
  if (stream->read_end) return raise_end(L, stream);
  stream->need = here + 1;
  return PARKED;
}

typedef int (*ReadFn)(lua_State *L, Stream *stream, const Op *op);

/* ---- awaiting one ---- */

static int read_or_park(lua_State *L, Core *core, Task *task, const Op *op);

static int k_read(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_read, context);
  Task *task = core->current;
  Op *op = lua_touserdata(L, 1);
  Stream *stream = ((StreamBox *)op->self)->stream;
  if (stream->reader == task) stream->reader = NULL;
  stream->direct = false;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return read_or_park(L, core, task, op);
}

static int read_or_park(lua_State *L, Core *core, Task *task, const Op *op) {
  static const ReadFn reads[] = {read_some, read_all, read_exactly, read_line, read_until};
  Stream *stream = ((StreamBox *)op->self)->stream;
  int results = reads[(int)op->number](L, stream, op);
  if (results != PARKED) return results;
  read_start(stream);
  if (UNLIKELY(stream->read_end)) return raise_end(L, stream);
  stream->reader = task;
  task->wait.u.on = stream;
  return wait_park(L, core, task, abort_reader, k_read, (lua_KContext)core);
}

static int start_read(lua_State *L, Core *core, Task *task, Op *op) {
  Stream *stream = stream_of_op(L, op);
  if (UNLIKELY(stream->reader && stream->reader != task))
    return fail_raise(L, FAIL_RUNTIME, "another task is already reading from this stream");
  stream->scan = 0;
  return read_or_park(L, core, task, op);
}

/* ---- the Lua side ---- */

enum { READ_SOME, READ_ALL, READ_EXACTLY, READ_LINE, READ_UNTIL };

/* The stream at index 1, which can be read from. */
static StreamBox *check_readable(lua_State *L) {
  StreamBox *box = stream_check(L, 1);
  if (UNLIKELY(!box->stream->readable)) fail_raise(L, FAIL_RUNTIME, "the stream is not open for reading");
  return box;
}

static int push_read(lua_State *L, int kind, const char *what, lua_Integer integer, int n) {
  Op *op = op_new(L, start_read, what, 1, n);
  op->number = kind;
  op->integer = integer;
  return 1;
}

static int push_line(lua_State *L, bool chop) { return push_read(L, READ_LINE, "neap.Stream:readline", chop, 0); }

/* Pushes the read that the format at `arg` stands for: "a", "l", "L"; with `lines` only the last two. */
static int push_format(lua_State *L, int arg, bool lines) {
  const char *format = lua_tostring(L, arg);
  if (*format == '*') format++; /* as Lua's io library */
  if (format[0] && !format[1]) {
    if (*format == 'l') return push_line(L, true);
    if (*format == 'L') return push_line(L, false);
    if (*format == 'a' && !lines) return push_read(L, READ_ALL, "neap.Stream:read", 0, 0);
  }
  return luaL_argerror(L, arg, lines ? "invalid format: \"l\" or \"L\" expected"
                                     : "invalid format: a number of bytes, \"l\", \"L\" or \"a\" expected");
}

static lua_Integer check_count(lua_State *L, int arg, lua_Integer least) {
  int integral;
  lua_Integer n = lua_tointegerx(L, arg, &integral);
  if (lua_type(L, arg) != LUA_TNUMBER) return argument_error(L, arg, "number of bytes");
  luaL_argcheck(L, integral, arg, "number of bytes has no integer representation");
  luaL_argcheck(L, n >= least, arg, "number of bytes is negative");
  return n;
}

/* awaitable = stream:read([n | "a" | "l" | "L"]) */
int f_read(lua_State *L) {
  StreamBox *box = check_readable(L);
  if (LIKELY(lua_isinteger(L, 2)) && lua_tointeger(L, 2) == box->read_size && box->read_size > 0) {
    lua_getiuservalue(L, 1, STREAM_READ_OP);
    return 1;
  }
  lua_settop(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING) return push_format(L, 2, false);
  lua_Integer n = lua_isnil(L, 2) ? -1 : check_count(L, 2, -1);
  if (n < 0) return push_read(L, READ_ALL, "neap.Stream:read", 0, 0);
  push_read(L, READ_SOME, "neap.Stream:read", n, 0);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, STREAM_READ_OP);
  box->read_size = n;
  return 1;
}

/* awaitable = stream:readexactly(n) */
int f_readexactly(lua_State *L) {
  check_readable(L);
  return push_read(L, READ_EXACTLY, "neap.Stream:readexactly", check_count(L, 2, 0), 0);
}

/* awaitable = stream:readline() */
int f_readline(lua_State *L) {
  check_readable(L);
  return push_line(L, false);
}

/* line = iterator() */
static int next_line(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  return await_function(L);
}

/* for line in stream:lines(["l" | "L"]) */
int f_lines(lua_State *L) {
  check_readable(L);
  lua_settop(L, 2);
  lua_pushlightuserdata(L, core_of(L));
  if (lua_isnil(L, 2)) push_line(L, true);
  else if (lua_type(L, 2) == LUA_TSTRING) push_format(L, 2, true);
  else return argument_error(L, 2, "format");
  lua_pushcclosure(L, next_line, 2);
  return 1;
}

static size_t check_separator(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) argument_error(L, 2, "separator, a string or a list of strings,");
  size_t size = lua_rawlen(L, index);
  luaL_argcheck(L, size > 0, 2, "the separator is empty");
  return size;
}

/* awaitable = stream:readuntil([separator | {separator, ...}]) */
int f_readuntil(lua_State *L) {
  check_readable(L);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "\n");
    lua_replace(L, 2);
  }
  lua_newtable(L);
  size_t longest = 0;
  if (lua_type(L, 2) == LUA_TTABLE) {
    lua_Integer n = luaL_len(L, 2);
    luaL_argcheck(L, n > 0, 2, "the list of separators is empty");
    for (lua_Integer i = 1; i <= n; i++) {
      lua_geti(L, 2, i);
      size_t size = check_separator(L, -1);
      if (size > longest) longest = size;
      lua_rawseti(L, 3, i);
    }
  } else {
    longest = check_separator(L, 2);
    lua_pushvalue(L, 2);
    lua_rawseti(L, 3, 1);
  }
  return push_read(L, READ_UNTIL, "neap.Stream:readuntil", (lua_Integer)longest, 1);
}

/* at_eof = stream:at_eof(): the end was received and everything before it read */
int f_at_eof(lua_State *L) {
  Stream *stream = stream_check(L, 1)->stream;
  lua_pushboolean(L, stream->read_end == UV_EOF && buffer_size(&stream->in) == 0);
  return 1;
}
