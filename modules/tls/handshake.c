/* SPDX-License-Identifier: MIT
 * From a stream and a context to a handshake that Lua awaits: what neap.tls.streams is written on. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static const char handshake_type[] = "neap.tls.Handshake";

typedef struct {
  Tls *tls; /* NULL: not begun */
} Handshake; /* a box */

/* The host in the extension server_name: a list (2 bytes of length) of one name (type 0, 2 bytes of length). */
static char *name_in(const unsigned char *data, size_t size) {
  if (size < 5 || data[2] != 0) return NULL;
  size_t length = (size_t)data[3] << 8 | data[4];
  if (length == 0 || length > 255 || length > size - 5 || memchr(data + 5, 0, length)) return NULL;
  return strndup((const char *)data + 5, length);
}

/* Before anything is decided. The first time it leaves the choice to Lua, and is called again. */
static int on_client_hello(SSL *ssl, int *alert, void *unused) {
  Tls *tls = BIO_get_data(SSL_get_rbio(ssl));
  const unsigned char *data;
  size_t size;
  (void)unused;
  switch (tls->choice) {
  case CHOICE_OPEN:
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size)) tls->asked = name_in(data, size);
    return SSL_CLIENT_HELLO_RETRY;
  case CHOICE_ASKED: return SSL_CLIENT_HELLO_RETRY;
  case CHOICE_MADE:
    if (!tls->chosen || SSL_set_SSL_CTX(ssl, tls->chosen->ctx)) return SSL_CLIENT_HELLO_SUCCESS;
    break;
  case CHOICE_REFUSED: break;
  }
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_CLIENT_HELLO_ERROR;
}

void handshake_name(SSL_CTX *ctx) { SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL); }

/* ---- beginning ---- */

static void set_verify(Tls *tls) {
  Context *context = tls->context;
  VerifyMode verify = context->verify;
  if (verify == VERIFY_BY_ROLE) verify = tls->server ? VERIFY_NONE : VERIFY_REQUIRED;
  int mode = SSL_VERIFY_NONE;
  if (verify != VERIFY_NONE) mode = SSL_VERIFY_PEER;
  if (verify == VERIFY_REQUIRED) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_set_verify(tls->ssl, mode, NULL);
}

static bool checks_name(const Context *context) {
  return context->check_hostname < 0 ? context->verify != VERIFY_NONE : context->check_hostname > 0;
}

/* The name to ask for, unless it is an address, and the one the certificate must have. */
static bool set_name(Tls *tls, const char *host) {
  X509_VERIFY_PARAM *rules = SSL_get0_param(tls->ssl);
  ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
  bool check = checks_name(tls->context), fine;
  ERR_clear_error();
  if (check && !(tls->host = strdup(host))) {
    ASN1_OCTET_STRING_free(address);
    return false;
  }
  if (address) {
    ASN1_OCTET_STRING_free(address);
    fine = !check || X509_VERIFY_PARAM_set1_ip_asc(rules, host);
  } else {
    size_t size = strlen(host);
    if (size > 0 && host[size - 1] == '.') size--; /* the dot of a full name is not in certificates */
    char name[256];
    if (size == 0 || size >= sizeof name) return false;
    memcpy(name, host, size);
    name[size] = 0;
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    fine = SSL_set_tlsext_host_name(tls->ssl, name) == 1 && (!check || X509_VERIFY_PARAM_set1_host(rules, name, size));
  }
  return fine;
}

static void abort_wait(neap_wait *wait) { (void)wait; } /* the handshake goes on by itself */

static Tls *tls_new(lua_State *L, Context *context, bool server) {
  Tls *tls = calloc(1, sizeof *tls);
  if (!tls) return NULL;
  tls->refs = 1;
  tls->server = server;
  tls->wait.abort = abort_wait;
  tls->shared = shared_of(L);
  tls->shared->refs++;
  tls->context = context;
  context->refs++;
  return tls;
}

static int begin_failed(lua_State *L, const char *what) {
  unsigned long number = ERR_peek_error();
  if (number == 0 || ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE) {
    ERR_clear_error();
    return luaL_error(L, "not enough memory");
  }
  return error_raise(L, what);
}

/* handshake = begin(stream, context, server_side, server_hostname or nil, session or nil, linger): in seconds */
static int f_begin(lua_State *L) {
  Context *context = context_check(L, 2);
  bool server = lua_toboolean(L, 3);
  const char *host = luaL_optstring(L, 4, NULL);
  SSL_SESSION *session = lua_isnil(L, 5) ? NULL : session_check(L, 5);
  double linger = luaL_checknumber(L, 6);
  lua_settop(L, 5);
  Handshake *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->tls = NULL;
  luaL_setmetatable(L, handshake_type);
  ERR_clear_error();
  if (!server && !context_system(context)) return begin_failed(L, "the system's certificates");
  Tls *tls = box->tls = tls_new(L, context, server);
  if (!tls) return luaL_error(L, "not enough memory");
  tls->linger = linger;
  tls->ssl = SSL_new(context->ctx);
  BIO *bio = tls->ssl ? wire_new(tls) : NULL;
  if (!bio) return begin_failed(L, "TLS");
  SSL_set_bio(tls->ssl, bio, bio);
  set_verify(tls);
  if (host && !set_name(tls, host)) return begin_failed(L, "server_hostname");
  if (session && !SSL_set_session(tls->ssl, session)) return begin_failed(L, "session");
  if (server)
    SSL_set_accept_state(tls->ssl);
  else
    SSL_set_connect_state(tls->ssl);
  tls->stream = neap_filter_set(L, 1, &tls_filter, tls);
  tls->refs++;
  if (!server) tls_step(tls);
  return 1;
}

/* ---- awaiting it ---- */

static int check_end(lua_State *L, Tls *tls) {
  if (tls->done && !tls->failed)
    lua_pushboolean(L, 1);
  else if (tls->over || tls->failed)
    lua_pushboolean(L, 0);
  else
    lua_pushstring(L, tls->asked);
  return 1;
}

static bool ended(const Tls *tls) {
  return tls->done || tls->over || tls->failed || tls->choice == CHOICE_ASKED;
}

static int k_wait(lua_State *L, int status, lua_KContext context) {
  (void)status;
  if (neap_cancelled(L)) return neap_raise_cancelled(L);
  return check_end(L, (Tls *)context);
}

static Handshake *handshake_check(lua_State *L) { return luaL_checkudata(L, 1, handshake_type); }

/* done = wait(handshake): true; false when the stream is lost, whose operations tell why; the name, or nil, when a context
 * is to be chosen */
static int f_wait(lua_State *L) {
  Tls *tls = handshake_check(L)->tls;
  lua_settop(L, 1);
  if (ended(tls)) return check_end(L, tls);
  return neap_park(L, &tls->wait, k_wait, (lua_KContext)tls);
}

/* choose(handshake, context, nil or false): nil is the server's own context, false none */
static int f_choose(lua_State *L) {
  Tls *tls = handshake_check(L)->tls;
  if (lua_toboolean(L, 2)) {
    tls->chosen = context_check(L, 2);
    tls->chosen->refs++;
  }
  tls->choice = lua_isboolean(L, 2) ? CHOICE_REFUSED : CHOICE_MADE;
  tls_resume(tls);
  return 0;
}

static int f_gc(lua_State *L) {
  Handshake *box = lua_touserdata(L, 1);
  if (box->tls) tls_release(box->tls);
  box->tls = NULL;
  return 0;
}

void handshake_open(lua_State *L) {
  luaL_newmetatable(L, handshake_type);
  lua_pushcfunction(L, f_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

const luaL_Reg handshake_functions[] = {{"begin", f_begin}, {"wait", f_wait}, {"choose", f_choose}, {NULL, NULL}};
