/* SPDX-License-Identifier: MIT */
#include "kernel/debug.h"

#include <string.h>

#include "kernel/report.h"
#include "kernel/trace.h"

void debug_note_delivery(lua_State *L, Core *core, Task *task) {
  lua_Debug frame;
  int level = 0;
  for (; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sn", &frame);
    if (*frame.what == 'C' && frame.name && (!strcmp(frame.name, "pcall") || !strcmp(frame.name, "xpcall"))) break;
  }
  trace_where(L, L, level);
  task_push(L, core, task);
  lua_insert(L, -2);
  slot_set(L, -2, &task->future, SLOT_ORIGIN);
  lua_pop(L, 1);
}

void debug_report_swallowed(lua_State *L, Core *core, Task *task) {
  slot_push(L, 1, &task->future, SLOT_ORIGIN);
  task_push_name(L, 1, task);
  report_text(L, core, "task %s swallowed its cancellation (caught at %s): rethrow it, or call uncancel()",
              lua_tostring(L, -1), lua_isstring(L, -2) ? lua_tostring(L, -2) : "?");
  lua_pop(L, 2);
}

enum { SLOW_MS = 100 };

/* nil, core: reports the step that has just ended */
static int report_slow(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  Task *task = core->current;
  lua_settop(L, 0);
  task_push(L, core, task);
  task_push_name(L, 1, task);
  if (task->parked)
    trace_where(L, wait_thread(task), 0);
  else
    lua_pushliteral(L, "its end");
  report_text(L, core, "a step of task %s took %d ms, up to %s", lua_tostring(L, 2),
              (int)((uv_hrtime() - core->step_started) / 1000000), lua_tostring(L, -1));
  return 0;
}

void debug_check_step(Core *core, Task *task) {
  UNUSED(task);
  if (uv_hrtime() - core->step_started > (uint64_t)SLOW_MS * 1000000) core_call(core, report_slow, 0, "the report of a slow step is lost");
}
