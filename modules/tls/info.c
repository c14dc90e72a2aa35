/* SPDX-License-Identifier: MIT
 * What get_extra_info knows of a connection with TLS. */
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "tls.h"

const char tls_session_type[] = "neap.tls.Session";

/* Who takes a session up again verifies no certificate: it must have been verified by the same rules, for the same host. */
typedef struct {
  SSL_SESSION *session; /* NULL: none */
  Context *context;     /* by which it was made */
} SessionBox;           /* user value 1: the host that the certificate was of, nil: anybody */

SSL_SESSION *session_check(lua_State *L, int arg) { return ((SessionBox *)luaL_checkudata(L, arg, tls_session_type))->session; }

/* ---- parts of certificates ---- */

static void push_bio(lua_State *L, BIO *bio) {
  char *text;
  long size = BIO_get_mem_data(bio, &text);
  lua_pushlstring(L, text, (size_t)size);
}

typedef struct {
  const X509 *cert; /* borrowed */
  BIO *bio;         /* scratch */
} Source;

static void set_text(lua_State *L, BIO *bio, const char *field) {
  push_bio(L, bio);
  (void)BIO_reset(bio);
  lua_setfield(L, -2, field);
}

/* {CN =, O =, ...}: by short names; of several of a name the last, and all as a list of pairs {name, value} */
static void push_name(lua_State *L, const X509_NAME *name) {
  int n = X509_NAME_entry_count(name);
  lua_createtable(L, n, n);
  for (int i = 0; i < n; i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    char number[80];
    int nid = OBJ_obj2nid(object);
    if (nid == NID_undef) OBJ_obj2txt(number, sizeof number, object, 1);
    const char *key = nid == NID_undef ? number : OBJ_nid2sn(nid);
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, value);
    lua_createtable(L, 2, 0);
    lua_pushstring(L, key);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, size > 0 ? (const char *)text : "", size > 0 ? (size_t)size : 0);
    OPENSSL_free(text);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, 2);
    lua_setfield(L, -3, key);
    lua_rawseti(L, -2, i + 1);
  }
}

static bool push_general_name(lua_State *L, const GENERAL_NAME *name, BIO *bio) {
  static const char *const kinds[] = {[GEN_EMAIL] = "email", [GEN_DNS] = "DNS", [GEN_URI] = "URI"};
  lua_createtable(L, 2, 0);
  if (name->type == GEN_EMAIL || name->type == GEN_DNS || name->type == GEN_URI) {
    const ASN1_IA5STRING *text = name->d.ia5;
    lua_pushstring(L, kinds[name->type]);
    lua_pushlstring(L, (const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
  } else { /* "IP Address:127.0.0.1" and the like */
    if (GENERAL_NAME_print(bio, (GENERAL_NAME *)name) != 1) return false;
    push_bio(L, bio);
    (void)BIO_reset(bio);
    const char *text = lua_tostring(L, -1), *colon = strchr(text, ':');
    lua_pushlstring(L, text, colon ? (size_t)(colon - text) : 0);
    lua_pushstring(L, colon ? colon + 1 : text);
    lua_remove(L, -3);
  }
  lua_rawseti(L, -3, 2);
  lua_rawseti(L, -2, 1);
  return true;
}

static int call_push_names(lua_State *L) {
  const GENERAL_NAMES *names = lua_touserdata(L, 1);
  BIO *bio = lua_touserdata(L, 2);
  int n = sk_GENERAL_NAME_num(names);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    if (!push_general_name(L, sk_GENERAL_NAME_value(names, i), bio)) lua_pop(L, 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* The names are freed whatever happens. */
static void set_alternatives(lua_State *L, const Source *source) {
  GENERAL_NAMES *names = X509_get_ext_d2i(source->cert, NID_subject_alt_name, NULL, NULL);
  if (!names) return;
  lua_pushcfunction(L, call_push_names);
  lua_pushlightuserdata(L, names);
  lua_pushlightuserdata(L, source->bio);
  int status = lua_pcall(L, 2, 1, 0);
  GENERAL_NAMES_free(names);
  if (status != LUA_OK) lua_error(L);
  lua_setfield(L, -2, "subjectAltName");
}

static void set_fingerprint(lua_State *L, const X509 *cert) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size;
  char hex[2 * EVP_MAX_MD_SIZE + 1];
  if (!X509_digest(cert, EVP_sha256(), digest, &size)) return;
  for (unsigned i = 0; i < size; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  lua_pushstring(L, hex);
  lua_setfield(L, -2, "fingerprint256");
}

/* source -> {subject =, issuer =, version =, serialNumber =, notBefore =, notAfter =, subjectAltName =, fingerprint256 =} */
static int call_push_certificate(lua_State *L) {
  const Source *source = lua_touserdata(L, 1);
  const X509 *cert = source->cert;
  lua_createtable(L, 0, 8);
  push_name(L, X509_get_subject_name(cert));
  lua_setfield(L, -2, "subject");
  push_name(L, X509_get_issuer_name(cert));
  lua_setfield(L, -2, "issuer");
  lua_pushinteger(L, X509_get_version(cert) + 1);
  lua_setfield(L, -2, "version");
  i2a_ASN1_INTEGER(source->bio, X509_get0_serialNumber(cert));
  set_text(L, source->bio, "serialNumber");
  ASN1_TIME_print(source->bio, X509_get0_notBefore(cert));
  set_text(L, source->bio, "notBefore");
  ASN1_TIME_print(source->bio, X509_get0_notAfter(cert));
  set_text(L, source->bio, "notAfter");
  set_alternatives(L, source);
  set_fingerprint(L, cert);
  return 1;
}

static int call_push_der(lua_State *L) {
  const Source *source = lua_touserdata(L, 1);
  if (i2d_X509_bio(source->bio, (X509 *)source->cert) != 1) return luaL_error(L, "not enough memory");
  push_bio(L, source->bio);
  return 1;
}

/* The certificate and the scratch are freed whatever happens. */
static int push_certificate(lua_State *L, const SSL *ssl, lua_CFunction push) {
  lua_pushcfunction(L, push);
  X509 *cert = SSL_get_peer_certificate(ssl);
  if (!cert) {
    lua_pop(L, 1);
    return 0;
  }
  Source source = {cert, BIO_new(BIO_s_mem())};
  lua_pushlightuserdata(L, &source);
  int status = source.bio ? lua_pcall(L, 1, 1, 0) : LUA_ERRMEM;
  BIO_free(source.bio);
  X509_free(cert);
  ERR_clear_error();
  if (!source.bio) return luaL_error(L, "not enough memory");
  return status == LUA_OK ? 1 : lua_error(L);
}

/* ---- the names that get_extra_info takes ---- */

static int info_peercert(lua_State *L, Tls *tls) { return push_certificate(L, tls->ssl, call_push_certificate); }
static int info_peercert_der(lua_State *L, Tls *tls) { return push_certificate(L, tls->ssl, call_push_der); }

static int push_text(lua_State *L, const char *text) {
  if (!text) return 0;
  lua_pushstring(L, text);
  return 1;
}

static int info_cipher(lua_State *L, Tls *tls) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
  if (!cipher) return 0;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, SSL_CIPHER_get_name(cipher));
  lua_setfield(L, -2, "name");
  lua_pushstring(L, SSL_CIPHER_get_version(cipher));
  lua_setfield(L, -2, "protocol");
  lua_pushinteger(L, SSL_CIPHER_get_bits(cipher, NULL));
  lua_setfield(L, -2, "bits");
  return 1;
}

static int info_version(lua_State *L, Tls *tls) { return push_text(L, tls->done ? SSL_get_version(tls->ssl) : NULL); }

static int info_alpn(lua_State *L, Tls *tls) {
  const unsigned char *name;
  unsigned size;
  SSL_get0_alpn_selected(tls->ssl, &name, &size);
  if (size == 0) return 0;
  lua_pushlstring(L, (const char *)name, size);
  return 1;
}

static int info_hostname(lua_State *L, Tls *tls) { return push_text(L, SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name)); }

static int info_session(lua_State *L, Tls *tls) {
  SessionBox *box = lua_newuserdatauv(L, sizeof *box, 1);
  box->session = NULL;
  box->context = NULL;
  luaL_setmetatable(L, tls_session_type);
  lua_pushstring(L, tls->host);
  lua_setiuservalue(L, -2, 1);
  box->context = tls->context;
  box->context->refs++;
  box->session = SSL_get1_session(tls->ssl);
  if (box->session && SSL_SESSION_is_resumable(box->session)) return 1;
  lua_pop(L, 1);
  return 0;
}

static int info_reused(lua_State *L, Tls *tls) {
  lua_pushboolean(L, SSL_session_reused(tls->ssl));
  return 1;
}

static int info_context(lua_State *L, Tls *tls) {
  context_push(L, tls->context);
  return 1;
}

int info_push(lua_State *L, void *self, const char *name) {
  static const struct {
    const char *name;
    int (*push)(lua_State *L, Tls *tls);
  } rows[] = {{"peercert", info_peercert},     {"peercert_der", info_peercert_der},
              {"cipher", info_cipher},         {"version", info_version},
              {"alpn_protocol", info_alpn},    {"server_hostname", info_hostname},
              {"tls_session", info_session},   {"session_reused", info_reused},
              {"sslcontext", info_context}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].name, name) == 0) return rows[i].push(L, self);
  return 0;
}

static int session_gc(lua_State *L) {
  SessionBox *box = lua_touserdata(L, 1);
  SSL_SESSION_free(box->session);
  context_release(box->context);
  box->session = NULL;
  box->context = NULL;
  return 0;
}

/* problem = session_problem(session, context, host or nil): why it cannot be taken up again, nil if it can */
static int f_session_problem(lua_State *L) {
  const SessionBox *box = luaL_testudata(L, 1, tls_session_type);
  const char *host = luaL_optstring(L, 3, "");
  if (!box) return lua_pushliteral(L, "a session expected"), 1;
  if (box->context != context_check(L, 2)) return lua_pushliteral(L, "a session of this context expected"), 1;
  if (lua_getiuservalue(L, 1, 1) != LUA_TSTRING || strcasecmp(lua_tostring(L, -1), host) == 0) return 0;
  lua_pushfstring(L, "a session of this host expected, this one is of %s", lua_tostring(L, -1));
  return 1;
}

const luaL_Reg info_functions[] = {{"session_problem", f_session_problem}, {NULL, NULL}};

void info_open(lua_State *L) {
  luaL_newmetatable(L, tls_session_type);
  lua_pushcfunction(L, session_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}
