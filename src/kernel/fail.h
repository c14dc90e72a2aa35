/* SPDX-License-Identifier: MIT
 * Errors: tables with a class. A class is the metatable of its errors, its own metatable leads to
 * the class it extends. What a user raises is never touched, but for the `traceback` of ours. */
#ifndef NEAP_KERNEL_FAIL_H
#define NEAP_KERNEL_FAIL_H

#include "kernel/core.h"

typedef enum {
  FAIL_ERROR,
  FAIL_CANCELLED,
  FAIL_TIMEOUT,
  FAIL_INVALID_STATE,
  FAIL_RUNTIME,
  FAIL_VALUE,
  FAIL_DEADLOCK,
  FAIL_INTERRUPT,
  FAIL_GROUP,
  FAIL_QUEUE_EMPTY,
  FAIL_QUEUE_FULL,
  FAIL_QUEUE_SHUT_DOWN,
  FAIL_BROKEN_BARRIER,
  FAIL_INCOMPLETE_READ,
  FAIL_LIMIT_OVERRUN,
  FAIL_OS,
  FAIL_CONNECTION,
  FAIL_REFUSED,
  FAIL_RESET,
  FAIL_ABORTED,
  FAIL_BROKEN_PIPE,
  FAIL_RESOLVE,
  FAIL_TLS,
  FAIL_CERTIFICATE,
  FAIL_TLS_EOF,
  FAIL_CLASSES
} FailClass;

void fail_open(lua_State *L);                                  /* the classes, into the table at the top */
void fail_push(lua_State *L, FailClass cls, const char *message); /* NULL: no message */
int fail_raise(lua_State *L, FailClass cls, const char *format, ...); /* with the caller's file and line */
bool fail_is(lua_State *L, int index, FailClass cls);          /* or of a class that extends it */
bool fail_is_of(lua_State *L, int index, int cls);             /* the same; the class is at `cls`, not relative */
void fail_push_text(lua_State *L, int index);                  /* as tostring, whose error is not raised */
void fail_push_cancelled(lua_State *L);                        /* pops the message, which may be nil */
void fail_push_uv(lua_State *L, int status, const char *what); /* an OSError or one of its children */
int fail_raise_uv(lua_State *L, int status, const char *what);

#endif
