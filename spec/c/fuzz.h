/* SPDX-License-Identifier: MIT
 * What libFuzzer's targets share. Each has a script, which is called with a table of the target's functions and gives
 * a function; that is run as a task for every input, and fails by raising. */
#ifndef NEAP_SPEC_FUZZ_H
#define NEAP_SPEC_FUZZ_H

#include <lauxlib.h>

extern const char fuzz_script[];          /* its path */
extern const luaL_Reg fuzz_functions[];

#endif
