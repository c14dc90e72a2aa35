/* SPDX-License-Identifier: MIT
 * Internet addresses: numbers, text and Lua tables. Resolves no names. */
#ifndef NEAP_IO_ADDRESS_H
#define NEAP_IO_ADDRESS_H

#include "kernel/compat.h"

typedef union {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
} Address; /* any.sa_family 0: unknown */

enum { ADDRESS_IP = 64, ADDRESS_TEXT = 80 }; /* "ip%zone", "[ip%zone]:port" */

/* An ip, of IPv6 perhaps with a zone, "fe80::1%eth0" or "fe80::1%2"; false: it is none. */
bool address_parse(Address *address, const char *ip, int port);
bool address_parse_at(lua_State *L, int index, Address *address, int port); /* of the string at `index` */
bool address_copy(Address *address, const struct sockaddr *from); /* false: of another family */
void address_set_port(Address *address, int port);
bool address_same(const Address *a, const Address *b);
int address_port(const Address *address);
bool address_ip(const Address *address, char text[ADDRESS_IP]);      /* "ip", "ip%zone"; false: of another family */
char *address_text(const Address *address, char text[ADDRESS_TEXT]); /* "ip:port", "[ip]:port" */
void address_push(lua_State *L, const Address *address);             /* {ip =, port =, family =}, or nil */

/* The address {ip, port} or {ip =, port =} at `index`; without a port it has `port`. False: it is none. */
bool address_read(lua_State *L, int index, Address *address, int port);

/* AF_INET or AF_INET6 for the "inet" or "inet6" in the field `family` of the table at `arg`, 0 without one. */
int field_family(lua_State *L, int arg);

/* The host at `arg`, a string that is not empty and has no zero byte. */
void check_host(lua_State *L, int arg);

/* The port at `arg`, an integer from `least` to 65535. */
int check_port(lua_State *L, int arg, int least);

#endif
