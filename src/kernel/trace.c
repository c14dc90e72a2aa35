/* SPDX-License-Identifier: MIT */
#include "kernel/trace.h"

#include "kernel/fail.h"
#include "kernel/frames.h"
#include "kernel/task.h"

/* Anchors made when the core opens: the error last raised again by an await, its trace, and the
 * KeyboardInterrupt that run() is to raise. */
enum { RETHROWN_ERROR = 1, RETHROWN_TRACE, THROWN_ERROR };

void trace_open(lua_State *L, Core *core) {
  lua_pushboolean(L, 0);
  for (int slot = 0; slot < THROWN_ERROR; slot++) anchor_new(L, core, -1);
  lua_pop(L, 1);
}

void core_throw(lua_State *L, Core *core) {
  anchor_set(L, core, THROWN_ERROR);
  core->thrown = true;
  core_stop(core);
}

int trace_throw(lua_State *L, Core *core) {
  core->thrown = false;
  anchor_push(core, L, THROWN_ERROR);
  return lua_error(L);
}

static uint32_t current_number(const Core *core) { return core->current ? core->current->number : 0; }

void trace_rethrow(lua_State *L, Core *core) {
  core->rethrown_in = current_number(core);
  anchor_set(L, core, RETHROWN_TRACE);
  lua_pushvalue(L, -1);
  anchor_set(L, core, RETHROWN_ERROR);
}

/* An equal text that another task raises is another error. */
bool trace_push(lua_State *L, Core *core, int error) {
  if (core->rethrown_in != current_number(core)) return false;
  error = lua_absindex(L, error);
  anchor_push(core, L, RETHROWN_ERROR);
  bool same = lua_rawequal(L, -1, error) && !lua_isnoneornil(L, error);
  lua_pop(L, 1);
  if (same) {
    anchor_push(core, L, RETHROWN_TRACE);
    if (lua_type(L, -1) == LUA_TSTRING) return true;
    lua_pop(L, 1);
  }
  return false;
}

void trace_where(lua_State *L, lua_State *of, int level) {
  lua_Debug frame;
  for (; lua_getstack(of, level, &frame); level++) {
    lua_getinfo(of, "Sl", &frame);
    if (frame.currentline > 0) {
      lua_pushfstring(L, "%s:%d", frame.short_src, frame.currentline);
      return;
    }
  }
  lua_pushliteral(L, "?");
}

/* error -> error. Keeps the task's trace. */
int trace_on_error(lua_State *L) {
  Core *core = core_of(L);
  Task *task = core->current;
  lua_settop(L, 1);
  if (!task || task->co != L || fail_is(L, 1, FAIL_CANCELLED)) return 1;
  bool again = trace_push(L, core, 1);
  if (again) lua_pushliteral(L, "\n");
  task_push(L, core, task);
  int self = lua_gettop(L);
  task_push_name(L, self, task);
  lua_pushfstring(L, again ? "awaited by task %s:" : "stack traceback of task %s:", lua_tostring(L, -1));
  lua_replace(L, -2);
  frames_push(L, L, 1);
  lua_concat(L, 2);
  lua_insert(L, self);
  lua_insert(L, 2); /* error, task, parts */
  lua_concat(L, lua_gettop(L) - 2);
  if (fail_is(L, 1, FAIL_ERROR)) {
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, "traceback");
  }
  slot_set(L, 2, &task->future, SLOT_TRACE);
  lua_settop(L, 1);
  return 1;
}

/* Pushes what luaL_traceback would, without a message. */
static void push_headed(lua_State *L, int level) {
  lua_pushliteral(L, "stack traceback:");
  frames_push(L, L, level);
  lua_concat(L, 2);
}

/* error -> {exception =, traceback =} */
int trace_on_callback_error(lua_State *L) {
  lua_settop(L, 1);
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, 1);
  lua_setfield(L, 2, "exception");
  push_headed(L, 1);
  lua_setfield(L, 2, "traceback");
  return 1;
}

/* text = traceback([error [, level]]): as debug.traceback, with the stacks of the tasks the error
 * came through */
static int f_traceback(lua_State *L) {
  Core *core = core_of(L);
  int level = (int)luaL_optinteger(L, 2, 1);
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    push_headed(L, level);
    return 1;
  }
  luaL_tolstring(L, 1, NULL);
  lua_pushliteral(L, "\n");
  if (trace_push(L, core, 1)) lua_pushliteral(L, "\n");
  push_headed(L, level);
  lua_concat(L, lua_gettop(L) - 1);
  return 1;
}

const luaL_Reg trace_functions[] = {{"traceback", f_traceback}, {NULL, NULL}};
