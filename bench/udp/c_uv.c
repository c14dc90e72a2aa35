/* UDP echo on libuv alone: recvmmsg, uv_udp_try_send, and uv_udp_send for what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct { uv_udp_send_t req; char data[]; } late;

static char shared[16 * 65536];

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b) {
  (void)h, (void)n;
  *b = uv_buf_init(shared, sizeof shared);
}

static void on_sent(uv_udp_send_t *req, int status) { (void)status; free(req); }

static void on_recv(uv_udp_t *h, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags) {
  if (n <= 0 || (flags & UV_UDP_MMSG_FREE)) return;
  uv_buf_t out = uv_buf_init(b->base, n);
  if (uv_udp_try_send(h, &out, 1, from) != UV_EAGAIN) return;
  late *l = malloc(sizeof *l + n);
  memcpy(l->data, b->base, n);
  out.base = l->data;
  uv_udp_send(&l->req, h, &out, 1, from, on_sent);
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  uv_udp_t srv;
  struct sockaddr_in a;
  int len = sizeof a;
  uv_udp_init_ex(loop, &srv, AF_INET | UV_UDP_RECVMMSG);
  uv_ip4_addr("127.0.0.1", 0, &a);
  uv_udp_bind(&srv, (struct sockaddr *)&a, 0);
  uv_udp_recv_start(&srv, on_alloc, on_recv);
  uv_udp_getsockname(&srv, (struct sockaddr *)&a, &len);
  printf("{\"port\":%d}\n", ntohs(a.sin_port));
  fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
}
