/* SPDX-License-Identifier: MIT
 * The filter. Every call leaves OpenSSL with all of `in` taken and shared->out empty: nothing is buffered here but
 * what comes while a certificate is chosen, and what is written before the end of the handshake.
 *
 * After an error OpenSSL is not called again. The alert it wrote leaves before the socket is closed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

enum { REST_MOST = 65536 }; /* of what a client sends before it was answered */

void tls_release(Tls *tls) {
  if (--tls->refs > 0) return;
  SSL_free(tls->ssl);
  context_release(tls->context);
  context_release(tls->chosen);
  shared_release(tls->shared);
  free(tls->rest);
  free(tls->early);
  free(tls->asked);
  free(tls->host);
  free(tls);
}

static void lose(Tls *tls, int status, neap_error *error) {
  tls->failed = true;
  wire_flush(tls);
  if (!tls->stream) return;
  if (error)
    neap_stream_fail_with(tls->stream, status, error);
  else
    neap_stream_fail(tls->stream, status, NULL);
}

static void lose_by_openssl(Tls *tls) {
  neap_error *error = error_take(tls);
  lose(tls, error ? -EPROTO : -ENOMEM, error);
}

/* ---- writing ---- */

static bool encrypt(Tls *tls, const char *data, size_t size) {
  size_t written;
  if (size > 0 && !SSL_write_ex(tls->ssl, data, size, &written)) {
    lose_by_openssl(tls);
    return false;
  }
  return true;
}

static int keep_early(Tls *tls, const char *data, size_t size) {
  if (size > tls->early_room - tls->early_size) {
    size_t room = tls->early_room ? tls->early_room : 1024;
    while (room - tls->early_size < size) room *= 2;
    char *block = realloc(tls->early, room);
    if (!block) return -ENOMEM;
    tls->early = block;
    tls->early_room = room;
  }
  memcpy(tls->early + tls->early_size, data, size);
  tls->early_size += size;
  neap_stream_hold(tls->stream, tls->early_size);
  return 0;
}

static int on_write(void *self, const char *data, size_t size) {
  Tls *tls = self;
  if (tls->failed) return -EPIPE;
  if (!tls->done) return keep_early(tls, data, size);
  errors_forget();
  if (encrypt(tls, data, size)) wire_flush(tls);
  return 0;
}

/* In the handshake there is nothing to say: the peer sees that it ends before its time. */
static int on_write_eof(void *self) {
  Tls *tls = self;
  if (tls->failed || !tls->done) return 0;
  ERR_clear_error();
  if (SSL_shutdown(tls->ssl) < 0) ERR_clear_error();
  wire_flush(tls);
  return 0;
}

/* ---- the handshake ---- */

static void handshake_done(Tls *tls) {
  tls->done = true;
  neap_stream_linger(tls->stream, tls->linger);
  char *early = tls->early;
  if (early) {
    tls->early = NULL;
    encrypt(tls, early, tls->early_size);
    free(early);
    wire_flush(tls);
    neap_stream_hold(tls->stream, 0);
  }
  neap_wake(&tls->wait);
}

/* What has come meanwhile is kept: bytes in `in` are the caller's. */
static void wait_for_choice(Tls *tls) {
  tls->choice = CHOICE_ASKED;
  neap_wake(&tls->wait);
}

static int keep_rest(Tls *tls) {
  if (tls->in_size == 0) return 0;
  if (tls->in_size > REST_MOST - tls->rest_size) return -ENOBUFS;
  char *block = realloc(tls->rest, tls->rest_size + tls->in_size);
  if (!block) return -ENOMEM;
  memcpy(block + tls->rest_size, tls->in, tls->in_size);
  tls->rest = block;
  tls->rest_size += tls->in_size;
  tls->in_size = 0;
  return 0;
}

/* True when the handshake is done. */
static bool shake(Tls *tls) {
  int result = SSL_do_handshake(tls->ssl);
  if (result == 1) {
    handshake_done(tls);
    return !tls->failed;
  }
  switch (SSL_get_error(tls->ssl, result)) {
  case SSL_ERROR_WANT_READ: break;
  case SSL_ERROR_WANT_CLIENT_HELLO_CB: wait_for_choice(tls); break;
  default: lose_by_openssl(tls);
  }
  return false;
}

/* ---- reading ---- */

/* All records that are whole. */
static void decrypt(Tls *tls) {
  do {
    size_t room, size;
    char *to = neap_stream_room(tls->stream, TLS_RECORD, &room);
    if (!to) {
      lose(tls, -ENOMEM, NULL);
      return;
    }
    if (SSL_read_ex(tls->ssl, to, room, &size)) {
      int status = neap_stream_feed(tls->stream, to, size);
      if (status == -ENOMEM) lose(tls, status, NULL);
      continue;
    }
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return;
    case SSL_ERROR_ZERO_RETURN: neap_stream_feed_eof(tls->stream); return;
    default: lose_by_openssl(tls); return;
    }
  } while (!tls->failed && (tls->in_size > 0 || SSL_has_pending(tls->ssl)));
}

void tls_step(Tls *tls) {
  bool done = tls->done;
  errors_forget();
  if (done || shake(tls)) decrypt(tls);
  if (tls->failed) return;
  int status = wire_flush(tls);
  if (status < 0 && !done && !tls->over) lose(tls, status, NULL); /* write_eof() in the handshake */
}

static int on_received(void *self, const char *data, size_t size) {
  Tls *tls = self;
  if (tls->failed) return 0;
  tls->in = data;
  tls->in_size = size;
  if (tls->choice != CHOICE_ASKED) tls_step(tls);
  int status = tls->choice == CHOICE_ASKED ? keep_rest(tls) : 0;
  tls->in = NULL;
  tls->in_size = 0;
  return status;
}

void tls_resume(Tls *tls) {
  char *rest = tls->rest;
  if (tls->failed || tls->over) return;
  tls->in = rest;
  tls->in_size = tls->rest_size;
  tls->rest = NULL;
  tls->rest_size = 0;
  tls_step(tls);
  tls->in = NULL;
  tls->in_size = 0;
  free(rest);
}

/* ---- its end ---- */

static int on_ended(void *self) {
  Tls *tls = self;
  if (tls->failed) return 0;
  neap_error *error = error_eof(tls->done ? "the connection ended without close_notify: what came may not be all"
                                          : "the connection ended in the handshake");
  lose(tls, error ? -EPROTO : -ENOMEM, error);
  return 0;
}

static void on_over(void *self, int status) {
  Tls *tls = self;
  (void)status;
  tls->over = true;
  neap_wake(&tls->wait);
}

static void on_destroy(void *self) {
  Tls *tls = self;
  tls->stream = NULL;
  tls->over = true;
  SSL_free(tls->ssl);
  tls->ssl = NULL;
  tls_release(tls);
}

const neap_filter tls_filter = {.size = sizeof(neap_filter),
                                .received = on_received,
                                .ended = on_ended,
                                .write = on_write,
                                .write_eof = on_write_eof,
                                .destroy = on_destroy,
                                .over = on_over,
                                .info = info_push};
