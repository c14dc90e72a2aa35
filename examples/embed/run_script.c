/* SPDX-License-Identifier: MIT
 * A plain program that runs a Lua script under neap, the script's first line of code being in a task:
 * it may await at once. The error of a script that fails is printed with the stack of the task, and
 * becomes the exit status.
 *
 *   run_script SCRIPT [ARGUMENT...] */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "neap.h"

/* The error at the top. Strings carry their traceback along, objects of neap in a field. */
static void complain(lua_State *L) {
  fprintf(stderr, "run_script: %s\n", luaL_tolstring(L, -1, NULL));
  if (lua_istable(L, -2) && lua_getfield(L, -2, "traceback") == LUA_TSTRING)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
}

static int run(lua_State *L, int argc, char **argv) {
  if (neap_open(L, NULL) != LUA_OK) return LUA_ERRRUN;
  lua_pop(L, 1); /* the module: the script will require it */
  int status = luaL_loadfile(L, argv[1]);
  if (status != LUA_OK) return status;
  for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
  return neap_run(L, argc - 2, 0);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: run_script SCRIPT [ARGUMENT...]\n");
    return EXIT_FAILURE;
  }
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  luaL_openlibs(L);
  int status = run(L, argc, argv);
  if (status != LUA_OK) complain(L);
  neap_close(L); /* ends what the script left behind, while it can still be told */
  lua_close(L);
  return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* $ run_script examples/embed/run_script.lua spring 0.01
false	CancelledError
first
spring has come
*/
/* $ run_script examples/embed/run_script.lua "" 1s
false	CancelledError
first
run_script: examples/embed/run_script.lua:8: bad argument #1 to 'sleep' (number of seconds expected, got nil)
stack traceback of task Task-1:
	[C]: in function '...sleep'
	examples/embed/run_script.lua:8: in local 'announce'
	examples/embed/run_script.lua:17: in main chunk
	[C]: in ?
exit status 1
*/
