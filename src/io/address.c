/* SPDX-License-Identifier: MIT */
#include "io/address.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/object.h"

/* The number of an interface, given by its name or as a number; 0: neither. */
static uint32_t zone_parse(const char *zone) {
  unsigned index = if_nametoindex(zone);
  size_t size = strlen(zone);
  if (index > 0 || size == 0 || size > 10 || strspn(zone, "0123456789") < size) return index;
  unsigned long long number = strtoull(zone, NULL, 10);
  return number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* libuv 1.44 takes a zone that it does not know for none, and cuts what is too long before it: it does not see zones. */
bool address_parse(Address *address, const char *ip, int port) {
  char bare[INET6_ADDRSTRLEN];
  uint32_t scope = 0;
  memset(address, 0, sizeof *address);
  if (uv_ip4_addr(ip, port, &address->in) == 0) return true;
  const char *mark = strchr(ip, '%');
  if (mark) {
    size_t size = (size_t)(mark - ip);
    if (size >= sizeof bare || (scope = zone_parse(mark + 1)) == 0) return false;
    memcpy(bare, ip, size);
    bare[size] = '\0';
    ip = bare;
  }
  if (uv_ip6_addr(ip, port, &address->in6) != 0) return false;
  address->in6.sin6_scope_id = scope;
  return true;
}

bool address_parse_at(lua_State *L, int index, Address *address, int port) {
  if (lua_type(L, index) != LUA_TSTRING) return false;
  const char *ip = lua_tostring(L, index);
  return strlen(ip) == lua_rawlen(L, index) && address_parse(address, ip, port);
}

bool address_copy(Address *address, const struct sockaddr *from) {
  memset(address, 0, sizeof *address);
  if (from->sa_family == AF_INET)
    memcpy(&address->in, from, sizeof address->in);
  else if (from->sa_family == AF_INET6)
    memcpy(&address->in6, from, sizeof address->in6);
  else
    return false;
  return true;
}

void address_set_port(Address *address, int port) {
  if (address->any.sa_family == AF_INET6)
    address->in6.sin6_port = htons((uint16_t)port);
  else
    address->in.sin_port = htons((uint16_t)port);
}

bool address_same(const Address *a, const Address *b) {
  if (a->any.sa_family != b->any.sa_family || address_port(a) != address_port(b)) return false;
  if (a->any.sa_family == AF_INET) return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
  return a->in6.sin6_scope_id == b->in6.sin6_scope_id && memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
}

int address_port(const Address *address) {
  return ntohs(address->any.sa_family == AF_INET6 ? address->in6.sin6_port : address->in.sin_port);
}

static void zone_text(uint32_t scope, char *text, size_t size) {
  char name[IF_NAMESIZE];
  if (if_indextoname(scope, name))
    snprintf(text, size, "%%%s", name);
  else
    snprintf(text, size, "%%%lu", (unsigned long)scope);
}

bool address_ip(const Address *address, char text[ADDRESS_IP]) {
  switch (address->any.sa_family) {
    case AF_INET: return uv_ip4_name(&address->in, text, ADDRESS_IP) == 0;
    case AF_INET6: break;
    default: return false;
  }
  if (uv_ip6_name(&address->in6, text, INET6_ADDRSTRLEN) != 0) return false;
  size_t size = strlen(text);
  if (address->in6.sin6_scope_id != 0) zone_text(address->in6.sin6_scope_id, text + size, ADDRESS_IP - size);
  return true;
}

char *address_text(const Address *address, char text[ADDRESS_TEXT]) {
  char ip[ADDRESS_IP];
  if (!address_ip(address, ip))
    strcpy(text, "?");
  else
    snprintf(text, ADDRESS_TEXT, address->any.sa_family == AF_INET6 ? "[%s]:%d" : "%s:%d", ip, address_port(address));
  return text;
}

void address_push(lua_State *L, const Address *address) {
  char ip[ADDRESS_IP];
  if (!address_ip(address, ip)) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 3);
  lua_pushstring(L, ip);
  lua_setfield(L, -2, "ip");
  lua_pushinteger(L, address_port(address));
  lua_setfield(L, -2, "port");
  lua_pushstring(L, address->any.sa_family == AF_INET6 ? "inet6" : "inet");
  lua_setfield(L, -2, "family");
}

/* Pushes the field, or else the element. */
static void get_either(lua_State *L, int index, const char *field, int element) {
  if (lua_getfield(L, index, field) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_geti(L, index, element);
}

bool address_read(lua_State *L, int index, Address *address, int otherwise) {
  int top = lua_gettop(L), integral = 1;
  if (lua_type(L, index) != LUA_TTABLE) return false;
  get_either(L, index, "ip", 1);
  get_either(L, index, "port", 2);
  lua_Integer port = lua_isnil(L, -1) ? otherwise : lua_tointegerx(L, -1, &integral);
  bool good = integral && port >= 0 && port <= 65535 && address_parse_at(L, top + 1, address, (int)port);
  lua_settop(L, top);
  return good;
}

int check_port(lua_State *L, int arg, int least) {
  int integral = 0;
  lua_Integer port = lua_type(L, arg) == LUA_TNUMBER ? lua_tointegerx(L, arg, &integral) : 0;
  if (!integral || port < least || port > 65535) {
    const char *got = lua_type(L, arg) == LUA_TNUMBER ? lua_pushfstring(L, "%s", luaL_tolstring(L, arg, NULL))
                                                      : type_name(L, arg);
    luaL_argerror(L, arg, lua_pushfstring(L, "port, an integer from %d to 65535, expected, got %s", least, got));
  }
  return (int)port;
}

void check_host(lua_State *L, int arg) {
  size_t size;
  if (lua_type(L, arg) != LUA_TSTRING) argument_error(L, arg, "host, a string,");
  const char *host = lua_tolstring(L, arg, &size);
  luaL_argcheck(L, size > 0, arg, "the host is empty");
  luaL_argcheck(L, strlen(host) == size, arg, "the host contains a zero byte");
}

int field_family(lua_State *L, int arg) {
  static const char *const names[] = {"inet", "inet6"};
  int family = 0;
  if (lua_isnoneornil(L, arg)) return 0;
  int type = lua_getfield(L, arg, "family");
  for (int i = 0; type == LUA_TSTRING && i < 2; i++)
    if (strcmp(lua_tostring(L, -1), names[i]) == 0) family = i == 0 ? AF_INET : AF_INET6;
  if (type != LUA_TNIL && !family) luaL_argerror(L, arg, "field 'family': \"inet\" or \"inet6\" expected");
  lua_pop(L, 1);
  return family;
}
