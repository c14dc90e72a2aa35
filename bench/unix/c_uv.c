/* As echo/c_uv.c, on a Unix domain socket: uv_try_write, and uv_write for what is left. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

typedef struct { uv_write_t req; uv_buf_t buf; char data[]; } late;

static char shared[65536];

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b) {
  (void)h, (void)n;
  *b = uv_buf_init(shared, sizeof shared);
}

static void on_closed(uv_handle_t *h) { free(h); }
static void on_written(uv_write_t *w, int status) { (void)status; free(w); }

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
  if (n < 0) {
    uv_close((uv_handle_t *)s, on_closed);
    return;
  }
  uv_buf_t out = uv_buf_init(b->base, n);
  int sent = uv_try_write(s, &out, 1);
  if (sent < 0) sent = 0;
  if (sent == n) return;
  late *l = malloc(sizeof *l + n - sent);
  l->buf = uv_buf_init(l->data, n - sent);
  for (ssize_t i = sent; i < n; i++) l->data[i - sent] = b->base[i];
  uv_write(&l->req, s, &l->buf, 1, on_written);
}

static void on_connection(uv_stream_t *srv, int status) {
  (void)status;
  uv_pipe_t *c = malloc(sizeof *c);
  uv_pipe_init(srv->loop, c, 0);
  uv_accept(srv, (uv_stream_t *)c);
  uv_read_start((uv_stream_t *)c, on_alloc, on_read);
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  uv_pipe_t srv;
  char path[64];
  snprintf(path, sizeof path, "/tmp/bench-%d.sock", (int)uv_os_getpid());
  unlink(path);
  uv_pipe_init(loop, &srv, 0);
  uv_pipe_bind(&srv, path);
  uv_listen((uv_stream_t *)&srv, 1024, on_connection);
  printf("{\"port\":%d}\n", (int)uv_os_getpid());
  fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
}
