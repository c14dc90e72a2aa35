/* SPDX-License-Identifier: MIT
 * The BIO: OpenSSL reads straight from the bytes that the socket received, and writes into one block that all
 * connections share, since each call empties it before it returns. */
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static int wire_read(BIO *bio, char *to, size_t size, size_t *got) {
  Tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *got = size < tls->in_size ? size : tls->in_size;
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(to, tls->in, *got);
  tls->in += *got;
  tls->in_size -= *got;
  return 1;
}

int wire_flush(Tls *tls) {
  Shared *shared = tls->shared;
  size_t size = shared->size;
  shared->size = 0;
  return size > 0 && tls->stream ? neap_stream_send(tls->stream, shared->out, size) : 0;
}

static int wire_write(BIO *bio, const char *data, size_t size, size_t *written) {
  Tls *tls = BIO_get_data(bio);
  Shared *shared = tls->shared;
  BIO_clear_retry_flags(bio);
  *written = size;
  if (size > TLS_OUT - shared->size) wire_flush(tls);
  if (size > TLS_OUT) {
    if (tls->stream) neap_stream_send(tls->stream, data, size);
    return 1;
  }
  memcpy(shared->out + shared->size, data, size);
  shared->size += size;
  return 1;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* what is written waits for the end of the call */
}

static int wire_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO *wire_new(Tls *tls) {
  BIO *bio = BIO_new(tls->shared->method);
  if (bio) BIO_set_data(bio, tls);
  return bio;
}

Shared *shared_new(void) {
  Shared *shared = malloc(sizeof *shared);
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "neap");
  if (!shared || !method || !BIO_meth_set_read_ex(method, wire_read) || !BIO_meth_set_write_ex(method, wire_write) ||
      !BIO_meth_set_ctrl(method, wire_ctrl) || !BIO_meth_set_create(method, wire_create)) {
    BIO_meth_free(method);
    free(shared);
    return NULL;
  }
  shared->refs = 1;
  shared->method = method;
  shared->size = 0;
  return shared;
}

void shared_release(Shared *shared) {
  if (!shared || --shared->refs > 0) return;
  BIO_meth_free(shared->method);
  free(shared);
}

Shared *shared_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tls_shared_key);
  Shared *shared = *(Shared **)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return shared;
}
