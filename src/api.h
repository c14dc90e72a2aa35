/* SPDX-License-Identifier: MIT */
#ifndef NEAP_API_TABLE_H
#define NEAP_API_TABLE_H

#include "neap.h"

extern const neap_api api_table;
void api_open(lua_State *L); /* puts it in the registry */

#endif
