/* SPDX-License-Identifier: MIT
 * run, Runner and await outside tasks: entering the loop until something is done. */
#ifndef NEAP_KERNEL_RUN_H
#define NEAP_KERNEL_RUN_H

#include "kernel/task.h"

/* Options of run() and Runner. */
typedef struct {
  double grace;
  ClockMode clock;
  bool debug;
  size_t stack_size;
  uint64_t step_limit; /* nanoseconds; 0: none */
  bool last; /* Runner:close(): afterwards the clock is the real one, and debug mode is off */
} RunOptions;

extern const luaL_Reg run_functions[];
extern const Type runner_type;

bool run_active(const Core *core);             /* is the loop running, by us or by uv.run? */
void run_check(lua_State *L, Core *core, const char *what); /* may `what` enter the loop here? or raises */
RunOptions run_defaults(const Core *core);
RunOptions run_options(lua_State *L, Core *core, int arg); /* of the table, or the defaults */
void run_set_clock(Core *core, ClockMode clock);
void run_set_step_limit(Core *core, uint64_t limit);
void run_check_clock(lua_State *L, Core *core, ClockMode clock); /* raises if timers of another clock are pending */

/* Runs the future at `index`, alone at the top, or (0) none; with options also ends everything else.
 * Leaves the results and returns their number, or raises. */
int run_enter(lua_State *L, Core *core, int index, RunOptions *options);
int run_function(lua_State *L);                /* run() of a function and its arguments; upvalue 1: the core */
int run_end(lua_State *L, Core *core);         /* ends all tasks, as Runner:close() */
int run_await(lua_State *L, Core *core);       /* awaits the value at index 1 from outside any task */

#endif
