/* SPDX-License-Identifier: MIT
 * neap.tls.core: TLS by OpenSSL as a filter of streams, written against neap.h. context.c makes contexts of certificates and
 * rules, engine.c is the filter, handshake.c what Lua awaits of it, bio.c stands between OpenSSL and the stream's
 * buffers, error.c words what OpenSSL complains of, info.c tells what is known of a peer. */
#ifndef NEAP_TLS_H
#define NEAP_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "neap.h"

#if OPENSSL_VERSION_NUMBER < 0x10101000L
#error "neap.tls.core wants OpenSSL 1.1.1 or later"
#endif

enum { TLS_RECORD = 16384, TLS_OUT = 65536 };

/* One a Lua state. What OpenSSL writes is collected here during a call, and sent at its end. */
typedef struct {
  int refs; /* of the registry and of each Tls */
  BIO_METHOD *method;
  size_t size;
  char out[TLS_OUT];
} Shared; /* block */

typedef enum { VERIFY_BY_ROLE = -1, VERIFY_NONE, VERIFY_OPTIONAL, VERIFY_REQUIRED } VerifyMode;

typedef struct {
  int refs; /* of its box and of each Tls */
  SSL_CTX *ctx;
  VerifyMode verify;
  int check_hostname;    /* -1: when certificates are verified */
  bool certificates;     /* to verify with: given, or the system's, loaded */
  unsigned char *alpn;   /* block: as on the wire; NULL: none */
  unsigned alpn_size;
} Context; /* block */

typedef enum { CHOICE_OPEN, CHOICE_ASKED, CHOICE_MADE, CHOICE_REFUSED } Choice;

/* One connection. A filter and a box refer to it; `stream` is NULL without the filter. */
typedef struct {
  neap_stream *stream; /* borrowed */
  SSL *ssl;            /* NULL once the stream is gone */
  Shared *shared;
  Context *context, *chosen; /* chosen: of the name that the client asked for; or NULL */
  int refs;
  const char *in;      /* borrowed: received, not yet taken by OpenSSL */
  size_t in_size;
  char *rest;          /* block: received while the handshake waited for a choice */
  size_t rest_size;
  char *early;         /* block: written before the end of the handshake */
  size_t early_size, early_room;
  Choice choice;
  char *asked;         /* block: whom the client asks for */
  char *host;          /* block: whom the certificate must be of; NULL: anybody */
  bool server, done;   /* done: the handshake is */
  bool failed, over;
  double linger;       /* seconds */
  neap_wait wait;      /* the task in handshake() */
} Tls;

extern const char tls_shared_key;  /* registry: a box of the Shared */
extern const char tls_classes_key; /* registry: neap, which has the classes of errors */

/* bio.c */
Shared *shared_new(void);
Shared *shared_of(lua_State *L);
void shared_release(Shared *shared);
BIO *wire_new(Tls *tls); /* reads from `in`, writes to shared->out; NULL: no memory */
int wire_flush(Tls *tls); /* sends what was written */

/* context.c */
extern const luaL_Reg context_functions[];
void context_open(lua_State *L);
Context *context_check(lua_State *L, int arg);
void context_push(lua_State *L, Context *context);
void context_release(Context *context);
bool context_system(Context *context); /* loads the system's certificates, unless some were given */

/* engine.c */
extern const neap_filter tls_filter;
void tls_step(Tls *tls);   /* goes on with what is in `in` */
void tls_resume(Tls *tls); /* the choice is made */
void tls_release(Tls *tls);

/* handshake.c */
extern const luaL_Reg handshake_functions[];
void handshake_open(lua_State *L);
void handshake_name(SSL_CTX *ctx); /* its handshakes wait for choose() */

/* error.c */
typedef enum { ERROR_TLS, ERROR_CERTIFICATE, ERROR_EOF } ErrorKind;
void errors_forget(void); /* empties OpenSSL's queue, before what will look at it */
neap_error *error_take(const Tls *tls);                     /* of OpenSSL's queue; NULL: no memory */
neap_error *error_eof(const char *text);
int error_raise(lua_State *L, const char *what);            /* of OpenSSL's queue */

/* info.c */
extern const char tls_session_type[];
int info_push(lua_State *L, void *self, const char *name);
void info_open(lua_State *L);
SSL_SESSION *session_check(lua_State *L, int arg);
extern const luaL_Reg info_functions[];

#endif
