/* SPDX-License-Identifier: MIT
 * A child for each request that is refused, a few at a time, and what became of them. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "oom.h"

static struct {
  long requests, clean, successes, by_uv, crashes, hangs, bad, unusable, leaks;
} sum;

static long baseline; /* blocks left without a refusal */

typedef struct {
  char name[80];
  long count;
} Abort;
static Abort aborts[64];

static void count_abort(const char *name) {
  for (size_t i = 0; i < sizeof aborts / sizeof *aborts; i++) {
    if (aborts[i].count && strcmp(aborts[i].name, name) != 0) continue;
    snprintf(aborts[i].name, sizeof aborts[i].name, "%s", name);
    aborts[i].count++;
    return;
  }
}

static void judge(long k, int status, const Outcome *o) {
  const char *what = NULL;
  sum.requests++;
  if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0 || o->ending == NOTHING) {
    bool hang = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    *(hang ? &sum.hangs : &sum.crashes) += 1;
    printf("request %ld: %s (%s %d)\n", k, hang ? "hang" : "crash", WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return;
  }
  switch (o->ending) {
    case SUCCESS: sum.successes++; break;
    case CLEAN: sum.clean++; break;
    case UV_ABORT: sum.by_uv++, count_abort(o->text); return;
    case BAD: sum.bad++, what = o->text; break;
    case UNUSABLE: sum.unusable++, what = o->text; break;
  }
  if (what) printf("request %ld: %s\n", k, what);
  if (o->left != baseline) {
    sum.leaks++;
    printf("request %ld: %ld blocks leak, of %s%s\n", k, o->left - baseline, ending_names[o->ending], o->text);
  }
  if (getenv("NEAP_OOM_V")) printf("request %ld: %s, %s\n", k, ending_names[o->ending], o->text);
}

int sweep(const char *script, Outcome *shared, int jobs, long step) {
  int status;
  waitpid(start(0, &shared[0], script), &status, 0);
  if (status != 0 || shared[0].ending != SUCCESS) {
    printf("the script fails with nothing refused: %s, status %x\n", shared[0].text, status);
    return 1;
  }
  long total = shared[0].requests;
  baseline = shared[0].left;
  if (baseline) printf("left with nothing refused: %ld blocks,%s\n", baseline, shared[0].text);
  struct {
    pid_t pid;
    long k;
  } running[jobs];
  memset(running, 0, sizeof running);
  int active = 0;
  for (long k = 1; k <= total || active > 0;) {
    if (k <= total && active < jobs) {
      int i = 0;
      while (running[i].pid) i++;
      running[i].k = k;
      running[i].pid = start(k, &shared[i], script);
      k += step;
      active++;
      continue;
    }
    pid_t pid = waitpid(-1, &status, 0);
    for (int i = 0; i < jobs; i++) {
      if (running[i].pid != pid) continue;
      judge(running[i].k, status, &shared[i]);
      running[i].pid = 0;
      active--;
    }
  }
  for (size_t i = 0; i < sizeof aborts / sizeof *aborts && aborts[i].count; i++)
    printf("libuv aborts in %s: %ld\n", aborts[i].name, aborts[i].count);
  if (sum.bad + sum.unusable + sum.hangs)
    printf("%ld broken, %ld unusable loops, %ld hangs\n", sum.bad, sum.unusable, sum.hangs);
  printf("%ld requests, %ld clean errors, %ld successes, %ld refused by libuv's abort, %ld crashes, %ld leaks\n", sum.requests,
         sum.clean, sum.successes, sum.by_uv, sum.crashes, sum.leaks);
  return sum.bad + sum.unusable + sum.hangs + sum.crashes + sum.leaks > 0;
}
