/* Closed-loop UDP echo client on epoll: K sockets, each with W datagrams of S bytes under way; for each
 * that comes back another is sent. k=v arguments: port conns window size ms warm_ms. What got lost is
 * sent again after 20 ms of silence, and counted. Reports datagrams/s of the measured interval. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"

enum { MOST = 64 };
typedef struct { int fd; long out; } conn;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void die(const char *what) { perror(what); exit(1); }

static struct mmsghdr out[MOST], in[MOST];
static struct iovec out_at[MOST], in_at[MOST];
static char in_buf[MOST][2048], *out_buf;

static void push(conn *c, long n) {
  while (n > 0) {
    int k = sendmmsg(c->fd, out, n < MOST ? n : MOST, 0);
    if (k < 0) die("sendmmsg");
    n -= k;
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  long k = arg("conns"), window = arg("window"), size = arg("size"), ms = arg("ms"), warm = arg("warm_ms");
  out_buf = calloc(1, size);
  conn *conns = calloc(k, sizeof *conns);
  int ep = epoll_create1(0);
  for (int i = 0; i < MOST; i++) {
    out_at[i] = (struct iovec){out_buf, size};
    in_at[i] = (struct iovec){in_buf[i], sizeof in_buf[i]};
    out[i].msg_hdr = (struct msghdr){.msg_iov = &out_at[i], .msg_iovlen = 1};
    in[i].msg_hdr = (struct msghdr){.msg_iov = &in_at[i], .msg_iovlen = 1};
  }
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(arg("port"))};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (long i = 0; i < k; i++) {
    conn *c = &conns[i];
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
    push(c, c->out = window);
  }
  uint64_t begin = now_ns(), measured = begin + warm * 1000000ull, end = measured + ms * 1000000ull, t;
  uint64_t total = 0, counted = 0, lost = 0;
  while ((t = now_ns()) < end) {
    struct epoll_event evs[256];
    int n = epoll_wait(ep, evs, 256, 20);
    for (int i = 0; i < n; i++) {
      conn *c = evs[i].data.ptr;
      int got = recvmmsg(c->fd, in, MOST, MSG_DONTWAIT, NULL);
      if (got <= 0) continue;
      for (int j = 0; j < got; j++)
        if ((long)in[j].msg_len != size) die("size");
      total += got;
      if (t >= measured) counted += got;
      push(c, got);
    }
    if (n == 0) {
      for (long i = 0; i < k; i++) push(&conns[i], window), lost += window;
    }
  }
  printf("{\"req_per_s\":%.2f,\"total\":%llu,\"lost\":%llu}\n", counted / ((end - measured) / 1e9),
         (unsigned long long)total, (unsigned long long)lost);
}
