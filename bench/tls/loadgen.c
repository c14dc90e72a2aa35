/* Closed-loop client of an echo server over TLS: K connections, each sends S bytes, waits for all of them back, again. k=v
 * arguments: port conns size ms warm_ms. Reports requests/s and the p50/p99 latency of the measured interval. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"

typedef struct { SSL *ssl; int fd; size_t got; int sent, out; uint64_t t; } conn;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void die(const char *what) { perror(what); ERR_print_errors_fp(stderr); exit(1); }
static int cmp(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static int ep;
static size_t size;
static char *out_buf, in_buf[65536];

static void push(conn *c) { /* one SSL_write, repeated when the socket was full */
  if (!c->sent) {
    int n = SSL_write(c->ssl, out_buf, (int)size);
    if (n <= 0 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE) die("SSL_write");
    c->sent = n > 0;
  }
  int want = !c->sent;
  if (want != c->out) {
    struct epoll_event ev = {.events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
    c->out = want;
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  long k = arg("conns"), ms = arg("ms"), warm = arg("warm_ms");
  size = arg("size");
  out_buf = malloc(size);
  for (size_t i = 0; i < size; i++) out_buf[i] = 'a' + i % 23;
  conn *conns = calloc(k, sizeof *conns);
  size_t cap = 1 << 22, n = 0;
  uint32_t *lat = malloc(cap * sizeof *lat);
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"); /* the same for everybody */
  ep = epoll_create1(0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(arg("port"))};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (long i = 0; i < k; i++) {
    conn *c = &conns[i];
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1) die("SSL_connect");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
  }
  printf("{\"connected\":%ld}\n", k); /* what comes before is not measured */
  fflush(stdout);
  if (getchar() == EOF) return 1;
  uint64_t t_begin = now_ns() + warm * 1000000ull, t_end = t_begin + ms * 1000000ull;
  uint64_t reqs = 0, total = 0, t = now_ns();
  for (long i = 0; i < k; i++) conns[i].t = t, push(&conns[i]);
  struct epoll_event evs[256];
  while (t < t_end) {
    int m = epoll_wait(ep, evs, 256, 1000);
    if (m <= 0) die("stalled");
    for (int i = 0; i < m; i++) {
      conn *c = evs[i].data.ptr;
      if (evs[i].events & EPOLLOUT) push(c);
      for (;;) {
        int r = SSL_read(c->ssl, in_buf, sizeof in_buf);
        if (r <= 0) {
          if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) die("SSL_read");
          break;
        }
        if (memcmp(in_buf, out_buf + c->got, r)) { fprintf(stderr, "wrong echo\n"); exit(1); }
        if ((c->got += r) < size) continue;
        t = now_ns();
        total++;
        if (t >= t_begin && t < t_end) {
          reqs++;
          if (n < cap) lat[n++] = (t - c->t) / 100; /* tenths of a microsecond */
        }
        c->got = 0;
        c->sent = 0;
        c->t = t;
        push(c);
      }
    }
  }
  qsort(lat, n, sizeof *lat, cmp);
  printf("{\"req_per_s\":%.1f,\"total\":%lu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"client_cpu_s\":%.3f}\n",
         reqs * 1e3 / ms, (unsigned long)total,
         n ? lat[n / 2] / 10.0 : -1, n ? lat[n * 99 / 100] / 10.0 : -1, clock_s(CLOCK_PROCESS_CPUTIME_ID));
}
