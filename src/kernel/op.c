/* SPDX-License-Identifier: MIT */
#include "kernel/op.h"

Op *op_new(lua_State *L, OpFn start, const char *what, int self, int n) {
  Op *op = object_new(L, &op_type, sizeof *op, n + 1);
  op->start = start;
  op->what = what;
  op->self = lua_touserdata(L, self);
  lua_pushvalue(L, self);
  lua_setiuservalue(L, -2, 1);
  lua_insert(L, -n - 1);
  for (int i = n; i > 0; i--) lua_setiuservalue(L, -i - 1, i + 1);
  return op;
}

static int op_await(lua_State *L, Core *core, Head *head) {
  Op *op = (Op *)head;
  return op->start(L, core, core->current, op);
}

static int op_tostring(lua_State *L) {
  Op *op = object_check(L, 1, &op_type);
  lua_pushstring(L, op->what);
  return 1;
}

static const luaL_Reg op_metamethods[] = {{"__tostring", op_tostring}, {NULL, NULL}};
const Type op_type = {.name = "neap.Operation", .await = op_await, .metamethods = op_metamethods};
