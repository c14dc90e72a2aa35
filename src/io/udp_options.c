/* SPDX-License-Identifier: MIT
 * What can be set on an open socket: multicast groups, broadcast, how far datagrams go. */
#include "io/udp.h"

static int udp_done(lua_State *L, int status, const char *what) { return status < 0 ? udp_raise(L, status, what) : 0; }

/* The address at `arg`, as libuv reads it too: its zones are names. */
static const char *check_numeric(lua_State *L, int arg, const char *expected) {
  Address address;
  char ip[ADDRESS_IP];
  if (lua_type(L, arg) != LUA_TSTRING) argument_error(L, arg, expected);
  if (!address_parse_at(L, arg, &address, 0)) luaL_argerror(L, arg, lua_pushfstring(L, "%s expected", expected));
  address_ip(&address, ip);
  lua_pushstring(L, ip);
  lua_replace(L, arg);
  return lua_tostring(L, arg);
}

static bool check_flag(lua_State *L, int arg) {
  if (lua_type(L, arg) != LUA_TBOOLEAN) argument_error(L, arg, "boolean");
  return lua_toboolean(L, arg);
}

static int check_hops(lua_State *L, int arg, lua_Integer least) {
  lua_Integer hops = luaL_checkinteger(L, arg);
  if (hops < least || hops > 255) luaL_argerror(L, arg, lua_pushfstring(L, "a number of hops from %I to 255 expected", least));
  return (int)hops;
}

static int udp_membership(lua_State *L, uv_membership membership, const char *what) {
  Udp *udp = udp_open_check(L);
  const char *group = check_numeric(L, 2, "multicast address");
  const char *interface = lua_isnoneornil(L, 3) ? NULL : check_numeric(L, 3, "address of an interface");
  const char *source = lua_isnoneornil(L, 4) ? NULL : check_numeric(L, 4, "address of a source");
  int status = source ? uv_udp_set_source_membership(&udp->handle, group, interface, source, membership)
                      : uv_udp_set_membership(&udp->handle, group, interface, membership);
  return udp_done(L, status, what);
}

/* socket:join(group [, interface [, source]]) */
int f_udp_join(lua_State *L) { return udp_membership(L, UV_JOIN_GROUP, "join"); }

/* socket:leave(group [, interface [, source]]) */
int f_udp_leave(lua_State *L) { return udp_membership(L, UV_LEAVE_GROUP, "leave"); }

/* socket:set_broadcast(on) */
int f_udp_set_broadcast(lua_State *L) {
  Udp *udp = udp_open_check(L);
  return udp_done(L, uv_udp_set_broadcast(&udp->handle, check_flag(L, 2)), "set_broadcast");
}

/* socket:set_ttl(hops) */
int f_udp_set_ttl(lua_State *L) {
  Udp *udp = udp_open_check(L);
  return udp_done(L, uv_udp_set_ttl(&udp->handle, check_hops(L, 2, 1)), "set_ttl");
}

/* socket:set_multicast_ttl(hops) */
int f_udp_set_multicast_ttl(lua_State *L) {
  Udp *udp = udp_open_check(L);
  return udp_done(L, uv_udp_set_multicast_ttl(&udp->handle, check_hops(L, 2, 0)), "set_multicast_ttl");
}

/* socket:set_multicast_loop(on) */
int f_udp_set_multicast_loop(lua_State *L) {
  Udp *udp = udp_open_check(L);
  return udp_done(L, uv_udp_set_multicast_loop(&udp->handle, check_flag(L, 2)), "set_multicast_loop");
}

/* socket:set_multicast_interface([interface]) */
int f_udp_set_multicast_interface(lua_State *L) {
  Udp *udp = udp_open_check(L);
  const char *interface = lua_isnoneornil(L, 2) ? NULL : check_numeric(L, 2, "address of an interface");
  return udp_done(L, uv_udp_set_multicast_interface(&udp->handle, interface), "set_multicast_interface");
}
