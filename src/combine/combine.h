/* SPDX-License-Identifier: MIT
 * gather, wait, wait_for, as_completed, shield, timeout, TaskGroup. */
#ifndef NEAP_COMBINE_COMBINE_H
#define NEAP_COMBINE_COMBINE_H

#include "kernel/future.h"

extern const FutureType gather_type, shield_type;
extern const Type scope_type, group_type, member_type, as_completed_type, wait_set_type, wait_for_type;
extern const luaL_Reg gather_functions[], shield_functions[], wait_functions[], wait_for_functions[],
    as_completed_functions[], timeout_functions[], taskgroup_functions[];

Future *gather_of(Job *job);     /* the gather that waits for the future whose callback this is; NULL: none does */
Task *taskgroup_parent(Job *job); /* the same for the task of a TaskGroup */

void limit_open(lua_State *L, Core *core); /* what time limits do to a step that does not await */
void combine_open(lua_State *L, Core *core); /* into the module table at the top */

#endif
