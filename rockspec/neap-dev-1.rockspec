rockspec_format = "3.0"
package = "neap"
version = "dev-1"
source = {
  url = "git+https://github.com/neap/neap.git",
}
description = {
  summary = "asyncio for Lua: async/await, tasks, cancellation, queues and streams in C, on luv's loop",
  detailed = [[
What asyncio gives Python, for Lua 5.4: coroutine objects, tasks, futures, gather, wait_for, TaskGroup,
locks, queues and TCP streams, as a C extension on the very libuv loop that luv uses.]],
  homepage = "https://github.com/neap/neap",
  license = "MIT",
  labels = { "async", "coroutines", "concurrency", "network" },
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.4, < 5.5",
  "luv >= 1.44.2",
}
external_dependencies = {
  LIBUV = { header = "uv.h" },
}
build = {
  type = "make",
  build_target = "all",
  install_target = "install-module",
  build_variables = {
    OPENSSL = "", -- TLS is the rock neap-tls
    BUILD = "build/luarocks",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS) -O3 -fno-plt -fno-semantic-interposition",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LIBUV_INCDIR = "$(LIBUV_INCDIR)",
  },
  install_variables = {
    OPENSSL = "",
    BUILD = "build/luarocks",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS) -O3 -fno-plt -fno-semantic-interposition",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LIBUV_INCDIR = "$(LIBUV_INCDIR)",
    LUA_CMOD = "$(LIBDIR)",
    LUA_LMOD = "$(LUADIR)",
  },
}
