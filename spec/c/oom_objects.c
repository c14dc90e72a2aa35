/* SPDX-License-Identifier: MIT
 * Whose request is it? The shared objects that are watched, by the addresses of their code. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <lauxlib.h>
#include <link.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "oom.h"

Object objects[OBJECTS] = {{"lua", 0, 0}, {"libuv", 0, 0}, {"luv", 0, 0}, {"core", 0, 0}, {"tls", 0, 0}, {"libssl", 0, 0}, {"libcrypto", 0, 0}};

Owner owner_of(const void *caller) {
  uintptr_t address = (uintptr_t)caller;
  for (int i = 0; i < OBJECTS; i++)
    if (address >= objects[i].base && address < objects[i].end) return (Owner)i;
  return OF_OTHER;
}

static int measure(struct dl_phdr_info *info, size_t size, void *arg) {
  Object *object = arg;
  (void)size;
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (from < begin) begin = from;
    if (from + info->dlpi_phdr[i].p_memsz > end) end = from + info->dlpi_phdr[i].p_memsz;
  }
  if (object->base < begin || object->base >= end) return 0;
  object->base = begin;
  object->end = end;
  return 1;
}

static void object_find(Owner owner, void *symbol) {
  if (!symbol) {
    fprintf(stderr, "oom: no %s found\n", objects[owner].name);
    exit(2);
  }
  objects[owner].base = (uintptr_t)symbol;
  dl_iterate_phdr(measure, &objects[owner]);
}

/* The optional module, and with NEAP_OOM_SSL=1 the library below it. */
static void tls_open(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "neap.tls.core");
  lua_getfield(L, -3, "cpath");
  lua_call(L, 2, 1);
  void *object = lua_isstring(L, -1) ? dlopen(lua_tostring(L, -1), RTLD_NOW) : NULL;
  if (!object) return;
  object_find(OF_TLS, dlsym(object, "luaopen_neap_tls_core"));
  if (!getenv("NEAP_OOM_SSL")) return;
  object_find(OF_SSL, dlsym(object, "SSL_new"));
  object_find(OF_CRYPTO, dlsym(object, "CRYPTO_malloc"));
}

void objects_open(void) {
  static const char *const modules[2][2] = {{"luv", "luaopen_luv"}, {"neap.core", "luaopen_neap_core"}};
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  object_find(OF_LUA, dlsym(RTLD_DEFAULT, "lua_newstate"));
  for (int i = 0; i < 2; i++) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushstring(L, modules[i][0]);
    lua_getfield(L, -3, "cpath");
    lua_call(L, 2, 1);
    void *object = lua_isstring(L, -1) ? dlopen(lua_tostring(L, -1), RTLD_NOW) : NULL;
    object_find(i ? OF_CORE : OF_LUV, object ? dlsym(object, modules[i][1]) : NULL);
    if (i == 0) object_find(OF_UV, dlsym(object, "uv_loop_init"));
  }
  tls_open(L);
  lua_close(L);
}
