/* SPDX-License-Identifier: MIT
 * What C code outside the core completes: futures, posts from threads, work on the thread pool. The
 * functions are those of neap.h, where they are described. */
#ifndef NEAP_KERNEL_OUTSIDE_H
#define NEAP_KERNEL_OUTSIDE_H

#include "kernel/future.h"
#include "neap.h"

neap_future *outside_future(lua_State *L, Core *core); /* pushes the future */
void outside_on_cancel(neap_future *future, void (*function)(void *data), void *data);
bool outside_cancelled(neap_future *future);
void outside_complete(neap_future *future, neap_push push, void *data);
void outside_complete_threadsafe(neap_future *future, neap_push push, void *data);
neap_loop *outside_loop(lua_State *L, Core *core);
void outside_release(neap_loop *loop);
bool outside_post(neap_loop *loop, neap_push function, void *data);
void outside_work(lua_State *L, Core *core, void (*work)(void *data), neap_push push, void *data);

void outside_close(Core *core); /* the core closes: nobody takes results any more */

#endif
