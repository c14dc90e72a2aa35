/* SPDX-License-Identifier: MIT */
#include "combine/combine.h"

void combine_open(lua_State *L, Core *core) {
  limit_open(L, core);
  functions_open(L, core, gather_functions);
  functions_open(L, core, shield_functions);
  functions_open(L, core, wait_functions);
  functions_open(L, core, wait_for_functions);
  functions_open(L, core, as_completed_functions);
  functions_open(L, core, timeout_functions);
  functions_open(L, core, taskgroup_functions);
  class_open(L, core, &gather_type.type, NULL);
  class_open(L, core, &shield_type.type, NULL);
  class_open(L, core, &scope_type, NULL);
  class_open(L, core, &as_completed_type, NULL);
  class_open(L, core, &wait_set_type, NULL);
  class_open(L, core, &member_type, NULL);
  class_open(L, core, &wait_for_type, NULL);
  class_open(L, core, &group_type, "TaskGroup");
}
