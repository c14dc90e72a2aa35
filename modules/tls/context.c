/* SPDX-License-Identifier: MIT
 * Contexts: the certificates, keys and rules that connections share. Lua (neap.tls) has read the files and checked
 * the types; here OpenSSL judges what they hold. */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static const char context_type[] = "neap.tls.Context";
static const char boxes_key; /* registry: contexts' boxes, while somebody has them */

typedef struct {
  Context *context; /* NULL: not made */
} ContextBox;

Context *context_check(lua_State *L, int arg) { return ((ContextBox *)luaL_checkudata(L, arg, context_type))->context; }

void context_release(Context *context) {
  if (!context || --context->refs > 0) return;
  SSL_CTX_free(context->ctx);
  free(context->alpn);
  free(context);
}

bool context_system(Context *context) {
  if (context->certificates || context->verify == VERIFY_NONE) return true;
  context->certificates = SSL_CTX_set_default_verify_paths(context->ctx) == 1;
  return context->certificates;
}

/* ---- making one ---- */

static const unsigned char session_context[] = "neap";

static Context *context_new(void) {
  Context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  *context = (Context){.refs = 1, .verify = VERIFY_BY_ROLE, .check_hostname = -1};
  SSL_CTX *ctx = context->ctx = SSL_CTX_new(TLS_method());
  if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
      !SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1)) {
    context_release(context);
    return NULL;
  }
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_dh_auto(ctx, 1);
  return context;
}

static ContextBox *push_box(lua_State *L) {
  ContextBox *box = lua_newuserdatauv(L, sizeof *box, 1);
  box->context = NULL;
  luaL_setmetatable(L, context_type);
  return box;
}

/* the box at the top */
static void remember(lua_State *L, const Context *context) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, context);
  lua_pop(L, 1);
}

void context_push(lua_State *L, Context *context) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes_key);
  if (lua_rawgetp(L, -1, context) == LUA_TNIL) { /* only connections have it: its `sni` is gone */
    lua_pop(L, 1);
    push_box(L)->context = context;
    context->refs++;
    remember(L, context);
  }
  lua_remove(L, -2);
}

/* context = context(): verifies servers, not clients; TLS 1.2 at least */
static int f_context(lua_State *L) {
  ContextBox *box = push_box(L);
  ERR_clear_error();
  box->context = context_new();
  if (!box->context) return error_raise(L, "context");
  remember(L, box->context);
  return 1;
}

/* ---- certificates to verify with ---- */

static BIO *pem_open(lua_State *L, int arg) {
  size_t size;
  const char *text = luaL_checklstring(L, arg, &size);
  luaL_argcheck(L, size <= INT_MAX, arg, "too long");
  ERR_clear_error();
  BIO *bio = BIO_new_mem_buf(text, (int)size);
  if (!bio) error_raise(L, "PEM");
  return bio;
}

/* No more certificates, rather than one that is broken? */
static bool pem_ended(void) {
  unsigned long number = ERR_peek_last_error();
  bool ended = ERR_GET_LIB(number) == ERR_LIB_PEM && ERR_GET_REASON(number) == PEM_R_NO_START_LINE;
  if (ended) ERR_clear_error();
  return ended;
}

/* Their names also tell clients which certificates a server takes. */
static bool add_authorities(SSL_CTX *ctx, BIO *bio, int *count) {
  X509_STORE *store = SSL_CTX_get_cert_store(ctx);
  bool fine = true;
  for (X509 *cert; fine && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(cert), ++*count)
    fine = X509_STORE_add_cert(store, cert) == 1 && SSL_CTX_add_client_CA(ctx, cert) == 1;
  return fine && pem_ended();
}

/* count = add_authorities(context, pem) */
static int f_add_authorities(lua_State *L) {
  Context *context = context_check(L, 1);
  BIO *bio = pem_open(L, 2);
  int count = 0;
  bool fine = add_authorities(context->ctx, bio, &count);
  BIO_free(bio);
  if (!fine) return error_raise(L, luaL_checkstring(L, 3));
  if (count > 0) context->certificates = true;
  lua_pushinteger(L, count);
  return 1;
}

/* add_folder(context, path): of certificates named by their hashes, or the system's (nil) */
static int f_add_folder(lua_State *L) {
  Context *context = context_check(L, 1);
  const char *path = luaL_optstring(L, 2, NULL);
  ERR_clear_error();
  int fine = path ? SSL_CTX_load_verify_locations(context->ctx, NULL, path) : SSL_CTX_set_default_verify_paths(context->ctx);
  if (!fine) return error_raise(L, "capath");
  context->certificates = true;
  return 0;
}

/* ---- one's own certificate ---- */

static bool use_chain(SSL_CTX *ctx, BIO *bio) {
  X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
  if (!cert) return false;
  bool fine = SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_clear_chain_certs(ctx) == 1;
  X509_free(cert);
  while (fine && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
    fine = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
    if (!fine) X509_free(cert);
  }
  return fine && pem_ended();
}

/* use_chain(context, pem, what): the certificate first, then those that vouch for it */
static int f_use_chain(lua_State *L) {
  Context *context = context_check(L, 1);
  BIO *bio = pem_open(L, 2);
  bool fine = use_chain(context->ctx, bio);
  BIO_free(bio);
  return fine ? 0 : error_raise(L, luaL_checkstring(L, 3));
}

typedef struct {
  const char *text; /* borrowed; NULL: none */
  size_t size;
  bool asked;
} Password;

/* Without this one OpenSSL would ask at the terminal. */
static int on_password(char *to, int room, int writing, void *data) {
  Password *password = data;
  (void)writing;
  password->asked = true;
  if (!password->text || password->size > (size_t)room) return -1;
  memcpy(to, password->text, password->size);
  return (int)password->size;
}

/* use_key(context, pem, what, password or nil) */
static int f_use_key(lua_State *L) {
  Context *context = context_check(L, 1);
  const char *what = luaL_checkstring(L, 3);
  Password password = {NULL, 0, false};
  password.text = luaL_optlstring(L, 4, NULL, &password.size);
  BIO *bio = pem_open(L, 2);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &password);
  BIO_free(bio);
  bool fine = key && SSL_CTX_use_PrivateKey(context->ctx, key) == 1;
  EVP_PKEY_free(key);
  if (!key && password.asked)
    what = lua_pushfstring(L, password.text ? "%s: the password is wrong" : "%s: the key is encrypted, and no password is given", what);
  if (!fine || SSL_CTX_check_private_key(context->ctx) != 1) return error_raise(L, what);
  return 0;
}

/* has = has_certificate(context): of its own */
static int f_has_certificate(lua_State *L) {
  lua_pushboolean(L, SSL_CTX_get0_certificate(context_check(L, 1)->ctx) != NULL);
  return 1;
}

/* ---- rules ---- */

/* verify, check_hostname = set_verify(context, "none" | "optional" | "required" or nil, check_hostname or nil): as set */
static int f_set_verify(lua_State *L) {
  static const char *const modes[] = {"none", "optional", "required", NULL};
  Context *context = context_check(L, 1);
  if (!lua_isnoneornil(L, 2)) context->verify = (VerifyMode)luaL_checkoption(L, 2, NULL, modes);
  if (!lua_isnoneornil(L, 3)) context->check_hostname = lua_toboolean(L, 3);
  lua_pushstring(L, context->verify == VERIFY_BY_ROLE ? NULL : modes[context->verify]);
  lua_pushboolean(L, context->check_hostname < 0 ? context->verify != VERIFY_NONE : context->check_hostname > 0);
  lua_pushboolean(L, context->certificates);
  return 3;
}

/* set_names(context, value): its connections wait for choose() */
static int f_set_names(lua_State *L) {
  handshake_name(context_check(L, 1)->ctx);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* value = names(context): nil unless it was set */
static int f_names(lua_State *L) {
  context_check(L, 1);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int protocol_of(const char *name) {
  static const struct {
    const char *name;
    int number;
  } rows[] = {{"TLSv1", TLS1_VERSION}, {"TLSv1.1", TLS1_1_VERSION}, {"TLSv1.2", TLS1_2_VERSION}, {"TLSv1.3", TLS1_3_VERSION}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].name, name) == 0) return rows[i].number;
  return -1;
}

/* fine = set_versions(context, least or nil, most or nil): false for a name it does not know */
static int f_set_versions(lua_State *L) {
  Context *context = context_check(L, 1);
  bool fine = true;
  for (int i = 2; i <= 3; i++) {
    if (lua_isnoneornil(L, i)) continue;
    int number = protocol_of(luaL_checkstring(L, i));
    ERR_clear_error();
    fine = fine && number > 0 &&
           (i == 2 ? SSL_CTX_set_min_proto_version(context->ctx, number) : SSL_CTX_set_max_proto_version(context->ctx, number)) == 1;
  }
  ERR_clear_error();
  lua_pushboolean(L, fine);
  return 1;
}

/* set_list(context, "ciphers" | "ciphersuites" | "groups", text) */
static int f_set_list(lua_State *L) {
  static const char *const kinds[] = {"ciphers", "ciphersuites", "groups", NULL};
  Context *context = context_check(L, 1);
  int kind = luaL_checkoption(L, 2, NULL, kinds);
  const char *text = luaL_checkstring(L, 3);
  ERR_clear_error();
  int fine = kind == 0 ? SSL_CTX_set_cipher_list(context->ctx, text)
             : kind == 1 ? SSL_CTX_set_ciphersuites(context->ctx, text) : (int)SSL_CTX_set1_groups_list(context->ctx, text);
  return fine == 1 ? 0 : error_raise(L, kinds[kind]);
}

/* set_tickets(context, n): for each connection of TLS 1.3 */
static int f_set_tickets(lua_State *L) {
  if (SSL_CTX_set_num_tickets(context_check(L, 1)->ctx, (size_t)luaL_checkinteger(L, 2)) != 1) return error_raise(L, "num_tickets");
  return 0;
}

/* The server's order counts; without a common protocol the connection has none. */
static int choose_alpn(SSL *ssl, const unsigned char **to, unsigned char *size, const unsigned char *from, unsigned from_size,
                       void *self) {
  const Context *context = self;
  (void)ssl;
  int status = SSL_select_next_proto((unsigned char **)to, size, context->alpn, context->alpn_size, from, from_size);
  return status == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* set_alpn(context, wire): each name with its length before it */
static int f_set_alpn(lua_State *L) {
  Context *context = context_check(L, 1);
  size_t size;
  const char *wire = luaL_checklstring(L, 2, &size);
  ERR_clear_error();
  context->alpn = malloc(size);
  if (!context->alpn) return luaL_error(L, "not enough memory");
  memcpy(context->alpn, wire, size);
  context->alpn_size = (unsigned)size;
  if (SSL_CTX_set_alpn_protos(context->ctx, context->alpn, context->alpn_size) != 0) return error_raise(L, "alpn_protocols");
  SSL_CTX_set_alpn_select_cb(context->ctx, choose_alpn, context);
  return 0;
}

static int f_gc(lua_State *L) {
  ContextBox *box = lua_touserdata(L, 1);
  context_release(box->context);
  box->context = NULL;
  return 0;
}

static int f_tostring(lua_State *L) {
  lua_pushfstring(L, "%s (%p)", context_type, (const void *)context_check(L, 1));
  return 1;
}

void context_open(lua_State *L) {
  luaL_newmetatable(L, context_type);
  lua_pushcfunction(L, f_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, f_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &boxes_key);
  lua_pop(L, 1);
}

/* is = is_context(value) */
static int f_is_context(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, context_type) != NULL);
  return 1;
}

const luaL_Reg context_functions[] = {{"context", f_context},
                                      {"is_context", f_is_context},
                                      {"add_authorities", f_add_authorities},
                                      {"add_folder", f_add_folder},
                                      {"use_chain", f_use_chain},
                                      {"use_key", f_use_key},
                                      {"has_certificate", f_has_certificate},
                                      {"set_verify", f_set_verify},
                                      {"set_names", f_set_names},
                                      {"names", f_names},
                                      {"set_versions", f_set_versions},
                                      {"set_list", f_set_list},
                                      {"set_tickets", f_set_tickets},
                                      {"set_alpn", f_set_alpn},
                                      {NULL, NULL}};
