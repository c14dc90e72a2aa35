/* Echo over TLS on libuv and OpenSSL alone: memory BIOs, the records of one read answered by one uv_try_write, and uv_write for
 * what is left. BENCH_CERT and BENCH_KEY name the files. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct {
  uv_tcp_t tcp;
  SSL *ssl;
  BIO *in, *out;
  int ready;
} conn;
typedef struct { uv_write_t req; uv_buf_t buf; char data[]; } late;

static SSL_CTX *ctx;
static char shared[65536], plain[65536];

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b) {
  (void)h, (void)n;
  *b = uv_buf_init(shared, sizeof shared);
}

static void on_closed(uv_handle_t *h) {
  conn *c = (conn *)h;
  SSL_free(c->ssl);
  free(c);
}

static void on_written(uv_write_t *w, int status) { (void)status; free(w); }

static void flush(conn *c) {
  char *data;
  long n = BIO_get_mem_data(c->out, &data);
  if (n == 0) return;
  uv_buf_t out = uv_buf_init(data, (unsigned)n);
  int sent = uv_try_write((uv_stream_t *)&c->tcp, &out, 1);
  if (sent < 0) sent = 0;
  if (sent < n) {
    late *l = malloc(sizeof *l + (size_t)(n - sent));
    l->buf = uv_buf_init(l->data, (unsigned)(n - sent));
    memcpy(l->data, data + sent, (size_t)(n - sent));
    uv_write(&l->req, (uv_stream_t *)&c->tcp, &l->buf, 1, on_written);
  }
  (void)BIO_reset(c->out);
}

static void drop(conn *c) { if (!uv_is_closing((uv_handle_t *)c)) uv_close((uv_handle_t *)c, on_closed); }

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
  conn *c = (conn *)s;
  if (n < 0) {
    drop(c);
    return;
  }
  ERR_clear_error();
  BIO_write(c->in, b->base, (int)n);
  if (!c->ready) {
    int r = SSL_do_handshake(c->ssl);
    c->ready = r == 1;
    if (r != 1 && SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) drop(c);
  }
  for (int r; c->ready && !uv_is_closing((uv_handle_t *)c);) {
    r = SSL_read(c->ssl, plain, sizeof plain);
    if (r > 0) {
      SSL_write(c->ssl, plain, r);
      continue;
    }
    if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) drop(c);
    break;
  }
  if (!uv_is_closing((uv_handle_t *)c)) flush(c);
}

static void on_connection(uv_stream_t *srv, int status) {
  conn *c = calloc(1, sizeof *c);
  (void)status;
  uv_tcp_init(srv->loop, &c->tcp);
  uv_accept(srv, (uv_stream_t *)&c->tcp);
  uv_tcp_nodelay(&c->tcp, 1);
  c->ssl = SSL_new(ctx);
  c->in = BIO_new(BIO_s_mem());
  c->out = BIO_new(BIO_s_mem());
  SSL_set_bio(c->ssl, c->in, c->out);
  SSL_set_accept_state(c->ssl);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t srv;
  struct sockaddr_in a;
  int len = sizeof a;
  ctx = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(ctx, getenv("BENCH_CERT")) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, getenv("BENCH_KEY"), SSL_FILETYPE_PEM) != 1)
    return 1;
  uv_tcp_init(loop, &srv);
  uv_ip4_addr("127.0.0.1", 0, &a);
  uv_tcp_bind(&srv, (struct sockaddr *)&a, 0);
  uv_listen((uv_stream_t *)&srv, 1024, on_connection);
  uv_tcp_getsockname(&srv, (struct sockaddr *)&a, &len);
  printf("{\"port\":%d}\n", ntohs(a.sin_port));
  fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
}
