/* SPDX-License-Identifier: MIT
 * What OpenSSL complains of, as error objects of the classes of neap. */
#include <ctype.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

enum { ERROR_TEXT = 320 };

typedef struct {
  neap_error base;
  ErrorKind kind;
  unsigned long number; /* OpenSSL's; 0: none */
  long verify;          /* X509_V_ERR_... */
  char text[ERROR_TEXT];
} TlsError; /* block */

static const char *const classes[] = {"TLSError", "CertificateError", "TLSEOFError"};

void errors_forget(void) {
  if (ERR_peek_error() != 0) ERR_clear_error(); /* which walks through all its places, empty or not */
}

/* Sets field = "CERTIFICATE_VERIFY_FAILED" for "certificate verify failed", in the table at the top. */
static void set_reason(lua_State *L, const char *reason) {
  luaL_Buffer name;
  luaL_buffinit(L, &name);
  for (; *reason; reason++) luaL_addchar(&name, isalnum((unsigned char)*reason) ? (char)toupper((unsigned char)*reason) : '_');
  luaL_pushresult(&name);
  lua_setfield(L, -2, "reason");
}

static void error_push(lua_State *L, neap_error *base) {
  const TlsError *error = (const TlsError *)base;
  const char *reason = ERR_reason_error_string(error->number), *library = ERR_lib_error_string(error->number);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tls_classes_key);
  lua_getfield(L, -1, classes[error->kind]);
  lua_remove(L, -2);
  lua_pushstring(L, error->text);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, error->kind == ERROR_EOF ? "EOF" : "EPROTO");
  lua_setfield(L, -2, "code");
  if (error->number) {
    lua_pushinteger(L, (lua_Integer)error->number);
    lua_setfield(L, -2, "number");
  }
  if (reason) set_reason(L, reason);
  if (library) {
    lua_pushstring(L, library);
    lua_setfield(L, -2, "library");
  }
  if (error->kind == ERROR_EOF) set_reason(L, "unexpected eof while reading");
  if (error->kind == ERROR_CERTIFICATE) {
    lua_pushinteger(L, error->verify);
    lua_setfield(L, -2, "verify_code");
    lua_pushstring(L, X509_verify_cert_error_string(error->verify));
    lua_setfield(L, -2, "verify_message");
  }
  lua_call(L, 2, 1);
}

static void error_destroy(neap_error *error) { free(error); }

static TlsError *error_new(ErrorKind kind) {
  TlsError *error = malloc(sizeof *error);
  if (!error) return NULL;
  *error = (TlsError){.base = {error_push, error_destroy}, .kind = kind};
  return error;
}

/* The name that a certificate was to have. */
static const char *wanted_name(const Tls *tls, char **ip) {
  X509_VERIFY_PARAM *rules = SSL_get0_param(tls->ssl);
  const char *host = X509_VERIFY_PARAM_get0_host(rules, 0);
  if (host) return host;
  return *ip = X509_VERIFY_PARAM_get1_ip_asc(rules);
}

static void describe_certificate(const Tls *tls, TlsError *error) {
  char *ip = NULL;
  error->kind = ERROR_CERTIFICATE;
  error->verify = SSL_get_verify_result(tls->ssl);
  const char *text = X509_verify_cert_error_string(error->verify);
  if (error->verify == X509_V_ERR_HOSTNAME_MISMATCH || error->verify == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    const char *name = wanted_name(tls, &ip);
    snprintf(error->text, sizeof error->text, "certificate verify failed: %s, it is not valid for '%s'", text, name ? name : "?");
  } else {
    snprintf(error->text, sizeof error->text, "certificate verify failed: %s", text);
  }
  OPENSSL_free(ip);
}

/* The first error is the cause, those after it the ways it went. */
static unsigned long error_first(void) {
  unsigned long number = ERR_get_error();
  ERR_clear_error();
  return number;
}

static const char *error_text(unsigned long number) {
  const char *text = ERR_reason_error_string(number);
  return text ? text : number ? "unknown error" : "the connection broke";
}

neap_error *error_take(const Tls *tls) {
  TlsError *error = error_new(ERROR_TLS);
  unsigned long number = error_first();
  if (!error) return NULL;
  error->number = number;
  if (ERR_GET_LIB(number) == ERR_LIB_SSL && ERR_GET_REASON(number) == SSL_R_CERTIFICATE_VERIFY_FAILED)
    describe_certificate(tls, error);
  else
    snprintf(error->text, sizeof error->text, "%s%s", tls->done ? "" : "handshake: ", error_text(number));
  return &error->base;
}

neap_error *error_eof(const char *text) {
  TlsError *error = error_new(ERROR_EOF);
  if (!error) return NULL;
  snprintf(error->text, sizeof error->text, "%s", text);
  return &error->base;
}

int error_raise(lua_State *L, const char *what) {
  TlsError error = {.kind = ERROR_TLS, .number = error_first()};
  if (error.number == 0 || ERR_GET_REASON(error.number) == ERR_R_MALLOC_FAILURE) return luaL_error(L, "%s: not enough memory", what);
  snprintf(error.text, sizeof error.text, "%s: %s", what, error_text(error.number));
  error_push(L, &error.base);
  return lua_error(L);
}
