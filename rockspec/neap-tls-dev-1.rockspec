rockspec_format = "3.0"
package = "neap-tls"
version = "dev-1"
source = {
  url = "git+https://github.com/neap/neap.git",
}
description = {
  summary = "TLS for neap's streams, by OpenSSL",
  detailed = [[
The C module neap.tls.core: secure clients and servers, start_tls, certificates and their verification,
for the asynchronous streams of neap.]],
  homepage = "https://github.com/neap/neap",
  license = "MIT",
  labels = { "async", "network", "tls", "ssl" },
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.4, < 5.5",
  "neap",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h" },
}
build = {
  type = "builtin",
  modules = {
    ["neap.tls.core"] = {
      sources = {
        "modules/tls/bio.c", "modules/tls/context.c", "modules/tls/engine.c", "modules/tls/error.c",
        "modules/tls/handshake.c", "modules/tls/info.c", "modules/tls/module.c",
      },
      incdirs = { "include", "$(OPENSSL_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
      libraries = { "ssl", "crypto" },
    },
  },
}
