/* SPDX-License-Identifier: MIT
 * Lists of awaitables as arguments. */
#ifndef NEAP_COMBINE_MEMBERS_H
#define NEAP_COMBINE_MEMBERS_H

#include "kernel/await.h"

/* A watch on a future: its job is a callback of the future. */
typedef struct {
  Job job;
  Future *future; /* borrowed: a table of futures keeps it */
  void *owner;    /* borrowed: the userdata this watch is in */
} Watch;

/* The future's completion (which may be past) makes `run` a job. */
void watch_future(Core *core, Watch *watch, Future *future, void *owner, JobFn run);

/* Checks that the n values from `first` on are awaitable (or, if `futures`, futures), before
 * anything is made of them. The names in errors are those of list elements if `list` is not 0. */
void members_check(lua_State *L, int first, int n, int list, bool futures);

/* As above for element i of a list (or argument i), which is at `at`. */
void members_check_one(lua_State *L, int at, int list, int i);

/* How many elements the list at `index` has: its n, or #list. */
int members_count(lua_State *L, int index);

/* Pushes the elements of the list at `index` (1 to n or #list) and returns how many. */
int members_push(lua_State *L, int index);

/* Is the value a plain list, not an awaitable table? */
bool members_is_list(lua_State *L, int index);

/* The field `timeout` of the options at `index`: seconds, NaN if there is none. */
double members_timeout(lua_State *L, int index);

#endif
