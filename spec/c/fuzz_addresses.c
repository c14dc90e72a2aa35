/* SPDX-License-Identifier: MIT
 * libFuzzer's input is a text, and how to use it, for what reads and writes addresses (fuzz_addresses.lua). It calls
 * functions inside neap; the names that the amalgamation gives them come from the command line. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/address.h"
#include "io/local.h"

/* family, bytes, scope, port of an address */
static int fuzz_push(lua_State *L, const Address *address) {
  bool six = address->any.sa_family == AF_INET6;
  lua_pushinteger(L, six ? 6 : 4);
  if (six)
    lua_pushlstring(L, (const char *)&address->in6.sin6_addr, 16);
  else
    lua_pushlstring(L, (const char *)&address->in.sin_addr, 4);
  lua_pushinteger(L, six ? (lua_Integer)address->in6.sin6_scope_id : 0);
  lua_pushinteger(L, address_port(address));
  return 4;
}

/* family, bytes, scope, port = parse(text, port): nothing if it is none */
static int fuzz_parse(lua_State *L) {
  Address address;
  if (!address_parse(&address, luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2))) return 0;
  return fuzz_push(L, &address);
}

/* family, bytes, scope, port = read(value, port) */
static int fuzz_read(lua_State *L) {
  Address address;
  if (!address_read(L, 1, &address, (int)luaL_checkinteger(L, 2))) return 0;
  return fuzz_push(L, &address);
}

/* bytes = inet_pton(family, text): the system's opinion */
static int fuzz_inet_pton(lua_State *L) {
  char to[16];
  bool six = luaL_checkinteger(L, 1) == 6;
  if (inet_pton(six ? AF_INET6 : AF_INET, luaL_checkstring(L, 2), to) != 1) return 0;
  lua_pushlstring(L, to, six ? 16 : 4);
  return 1;
}

static void fuzz_address(lua_State *L, Address *address) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  memset(address, 0, sizeof *address);
  address->any.sa_family = size == 16 ? AF_INET6 : AF_INET;
  if (size == 16) {
    memcpy(&address->in6.sin6_addr, bytes, 16);
    address->in6.sin6_scope_id = (uint32_t)luaL_checkinteger(L, 2);
  } else {
    memcpy(&address->in.sin_addr, bytes, 4);
  }
  address_set_port(address, (int)luaL_checkinteger(L, 3));
}

/* table, text, standard = write(bytes, scope, port): the last is the system's text of the ip */
static int fuzz_write(lua_State *L) {
  Address address, same;
  char text[ADDRESS_TEXT], standard[INET6_ADDRSTRLEN];
  fuzz_address(L, &address);
  if (!address_copy(&same, &address.any) || !address_same(&address, &same)) abort();
  address_push(L, &address);
  lua_pushstring(L, address_text(&address, text));
  bool six = address.any.sa_family == AF_INET6;
  inet_ntop(address.any.sa_family, six ? (void *)&address.in6.sin6_addr : (void *)&address.in.sin_addr, standard, sizeof standard);
  lua_pushstring(L, standard);
  return 3;
}

/* name, text = path(name, room): as a Unix socket's, and as text in so many bytes */
static int fuzz_path(lua_State *L) {
  Local local;
  size_t room = (size_t)luaL_checkinteger(L, 2);
  check_local(L, 1, &local);
  local_push(L, &local);
  char *text = malloc(room); /* whose ends are seen */
  lua_pushstring(L, local_text(&local, text, room));
  free(text);
  return 2;
}

/* scope = interface(name): 0 if there is none */
static int fuzz_interface(lua_State *L) {
  lua_pushinteger(L, if_nametoindex(luaL_checkstring(L, 1)));
  return 1;
}

const char fuzz_script[] = "spec/c/fuzz_addresses.lua";
const luaL_Reg fuzz_functions[] = {{"parse", fuzz_parse}, {"read", fuzz_read}, {"inet_pton", fuzz_inet_pton},
                                   {"write", fuzz_write}, {"path", fuzz_path}, {"interface", fuzz_interface}, {NULL, NULL}};
