/* SPDX-License-Identifier: MIT
 * libFuzzer's input drives the hand-over of TLS records (fuzz_tls.lua). The other end is OpenSSL itself, on blocks of
 * memory: what it says and what it is told goes through Lua, which cuts and spoils it. Its random numbers are the
 * input's, so that a failure comes again. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD has no successor so short */
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "fuzz.h"

static const char peer_type[] = "peer";

typedef struct {
  SSL *ssl;
  bool failed;
} Peer;

/* ---- random numbers ---- */

static uint64_t seed = 1;

static int random_bytes(unsigned char *to, int size) {
  for (int i = 0; i < size; i++) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    to[i] = (unsigned char)(seed >> 32);
  }
  return 1;
}

static int random_status(void) { return 1; }

/* seed(n) */
static int f_seed(lua_State *L) {
  seed = (uint64_t)luaL_checkinteger(L, 1) * 2 + 1;
  return 0;
}

/* ---- the peer ---- */

/* peer = peer(server, version, cert, key): of TLS 1.version; the two are paths */
static int f_peer(lua_State *L) {
  static SSL_CTX *ctx;
  bool server = lua_toboolean(L, 1);
  int version = luaL_checkinteger(L, 2) == 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
  if (!ctx) {
    ctx = SSL_CTX_new(TLS_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, luaL_checkstring(L, 3)) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, luaL_checkstring(L, 4), SSL_FILETYPE_PEM) != 1)
      return luaL_error(L, "no certificate or key");
  }
  Peer *peer = lua_newuserdatauv(L, sizeof *peer, 0);
  *peer = (Peer){.ssl = SSL_new(ctx)};
  luaL_setmetatable(L, peer_type);
  SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_max_proto_version(peer->ssl, version);
  if (server) {
    SSL_set_accept_state(peer->ssl);
  } else {
    SSL_set_connect_state(peer->ssl);
    SSL_set_tlsext_host_name(peer->ssl, "localhost");
  }
  return 1;
}

static Peer *peer_check(lua_State *L) { return luaL_checkudata(L, 1, peer_type); }

/* put(peer, bytes): they came */
static int f_put(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  BIO_write(SSL_get_rbio(peer_check(L)->ssl), data, (int)size);
  return 0;
}

/* bytes = take(peer): they are to be sent */
static int f_take(lua_State *L) {
  BIO *bio = SSL_get_wbio(peer_check(L)->ssl);
  luaL_Buffer buffer;
  size_t size = BIO_ctrl_pending(bio);
  char *to = luaL_buffinitsize(L, &buffer, size + 1);
  int n = BIO_read(bio, to, (int)size);
  luaL_pushresultsize(&buffer, n > 0 ? (size_t)n : 0);
  return 1;
}

/* text = go(peer): what it reads; nil once it failed */
static int f_go(lua_State *L) {
  Peer *peer = peer_check(L);
  luaL_Buffer buffer;
  size_t n;
  int result = 1;
  if (peer->failed) return 0;
  luaL_buffinit(L, &buffer);
  do {
    result = SSL_read_ex(peer->ssl, luaL_prepbuffer(&buffer), LUAL_BUFFERSIZE, &n);
    if (result == 1) luaL_addsize(&buffer, n);
  } while (result == 1);
  int error = SSL_get_error(peer->ssl, result);
  peer->failed = error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
  luaL_pushresult(&buffer);
  return 1;
}

/* written = write(peer, text): false before the end of the handshake */
static int f_write(lua_State *L) {
  Peer *peer = peer_check(L);
  size_t size, n;
  const char *text = luaL_checklstring(L, 2, &size);
  bool fine = !peer->failed && SSL_is_init_finished(peer->ssl) && !(SSL_get_shutdown(peer->ssl) & SSL_SENT_SHUTDOWN);
  lua_pushboolean(L, fine && (size == 0 || SSL_write_ex(peer->ssl, text, size, &n)));
  return 1;
}

/* update(peer): new keys from here on */
static int f_update(lua_State *L) {
  SSL *ssl = peer_check(L)->ssl;
  if (SSL_version(ssl) != TLS1_3_VERSION || !SSL_is_init_finished(ssl) || SSL_get_shutdown(ssl)) return 0;
  if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)) SSL_do_handshake(ssl);
  return 0;
}

/* shutdown(peer): close_notify; not before the end of the handshake */
static int f_shutdown(lua_State *L) {
  Peer *peer = peer_check(L);
  if (!peer->failed && SSL_is_init_finished(peer->ssl)) SSL_shutdown(peer->ssl);
  return 0;
}

/* ended = ended(peer): by a close_notify that came */
static int f_ended(lua_State *L) {
  lua_pushboolean(L, SSL_get_shutdown(peer_check(L)->ssl) & SSL_RECEIVED_SHUTDOWN);
  return 1;
}

static int f_gc(lua_State *L) {
  SSL_free(peer_check(L)->ssl);
  return 0;
}

/* ---- the module ---- */

int luaopen_neap_tls_core(lua_State *L);

/* open(): neap.tls.core can be required, and peers be made */
static int f_open(lua_State *L) {
  static const RAND_METHOD method = {NULL, random_bytes, NULL, NULL, random_bytes, random_status};
  RAND_set_rand_method(&method);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_neap_tls_core);
  lua_setfield(L, -2, "neap.tls.core");
  luaL_newmetatable(L, peer_type);
  lua_pushcfunction(L, f_gc);
  lua_setfield(L, -2, "__gc");
  return 0;
}

const char fuzz_script[] = "spec/c/fuzz_tls.lua";
const luaL_Reg fuzz_functions[] = {{"open", f_open}, {"seed", f_seed}, {"peer", f_peer}, {"put", f_put}, {"take", f_take},
                                   {"go", f_go}, {"write", f_write}, {"update", f_update}, {"shutdown", f_shutdown},
                                   {"ended", f_ended}, {NULL, NULL}};
