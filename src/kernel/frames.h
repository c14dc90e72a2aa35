/* SPDX-License-Identifier: MIT
 * Stacks as text, in the words of luaL_traceback. That one looks through all that package.loaded has for the name of each
 * function, 20 us a frame: a task that fails would cost 100 of what it costs to run. Here what was found is
 * remembered for a second. */
#ifndef NEAP_KERNEL_FRAMES_H
#define NEAP_KERNEL_FRAMES_H

#include <lua.h>

/* Pushes a line for each frame of the thread `of` from `level` on, each after a newline; of very many the first and the last. */
void frames_push(lua_State *L, lua_State *of, int level);

#endif
