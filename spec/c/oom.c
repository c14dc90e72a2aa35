/* SPDX-License-Identifier: MIT
 * Every allocation gets to fail once. This program is a host: it defines malloc, calloc, realloc and
 * free, so that each request of Lua, libuv, luv and the core passes through here. The script given as
 * its argument returns sections (lists of a name and a function) and a check. For every k in turn a
 * child process runs all sections and is refused its request k and the one after it (Lua asks twice,
 * with a collection in between). Then, with nothing refused:
 *
 *   - each section ended well, or with an error that says why; one in which nothing was refused must end well;
 *   - nothing hung, crashed or aborted;
 *   - the check passes, so the loop is still usable;
 *   - after lua_close no block is left that the child without a refusal does not leave too.
 *
 * libuv itself aborts where it cannot go on (maybe_resize, when the table of watchers is to grow): a
 * call of abort() from libuv right after libuv was refused is counted apart and listed.
 *
 *   NEAP_SLOW=1       every third k
 *   NEAP_OOM_AT=k     only that one, in this process, telling where it was refused
 *   NEAP_OOM_RUN=n    refuse n in a row instead of two
 *   NEAP_OOM_V=1      list what each child ended with
 *
 * The script's table may have luv_leaks = true: blocks of luv's requests that are left are not counted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <link.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

#include "oom.h"

enum { HANG = 20 /* seconds a child may take */, FRAMES = 40 };

/* ---- blocks ---- */

typedef struct {
  void *block;
  void *caller; /* who asked for it */
  size_t size;
  bool of_request; /* of luv's: its own, or libuv's copy of a path for it */
} Record;

enum { BITS = 16, ROOM = 1 << BITS };
static Record records[ROOM]; /* open addressing; only while recording */
static bool recording, armed, verbose;
static long requests, refuse_at, refuse_run = 2, refused;
static void *refused_caller; /* of the last one */
static char busy;            /* libuv's threads allocate too */

static size_t place(const void *block) { return ((uintptr_t)block >> 4) * 0x9E3779B97F4A7C15ull >> (64 - BITS); }

static void lock(void) {
  while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE)) {
  }
}

static void unlock(void) { __atomic_clear(&busy, __ATOMIC_RELEASE); }

/* Did luv ask, or libuv for it? */
static bool for_luv(void *caller) {
  void *frames[8];
  Owner owner = owner_of(caller);
  for (int i = 0, n = owner == OF_UV ? backtrace(frames, 8) : 0; i < n && owner != OF_LUV; i++) owner = owner_of(frames[i]);
  return owner == OF_LUV;
}

static void record(void *block, size_t size, void *caller) {
  if (!recording || !block) return;
  bool of_request = for_luv(caller);
  lock();
  size_t i = place(block);
  while (records[i].block) i = (i + 1) % ROOM;
  records[i] = (Record){block, caller, size, of_request};
  unlock();
}

static void forget(void *block) {
  if (!recording || !block) return;
  lock();
  size_t i = place(block);
  while (records[i].block && records[i].block != block) i = (i + 1) % ROOM;
  if (records[i].block) {
    for (size_t hole = i, j = (i + 1) % ROOM;; j = (j + 1) % ROOM) { /* close the gap */
      if (!records[j].block) {
        records[hole].block = NULL;
        break;
      }
      size_t home = place(records[j].block);
      if ((hole <= j) ? (home <= hole || home > j) : (home <= hole && home > j)) {
        records[hole] = records[j];
        hole = j;
      }
    }
  }
  unlock();
}

static void tell_where(void) {
  void *frames[FRAMES];
  armed = false;
  fprintf(stderr, "---- request %ld is refused here:\n", requests);
  backtrace_symbols_fd(frames, backtrace(frames, FRAMES), 2);
  for (int i = 0, n = backtrace(frames, FRAMES); i < n; i++)
    if (owner_of(frames[i]) == OF_CORE) fprintf(stderr, "core+0x%lx ", (unsigned long)((uintptr_t)frames[i] - objects[OF_CORE].base));
  fprintf(stderr, "\n");
  armed = true;
}

/* luv 1.44 does not look at what malloc gives it for the list of buffers of a write (luv_fs_write, luv_write), and
 * writes there: that one is never refused. Its other blocks are of other sizes. */
static bool unchecked(void *caller, size_t size) { return size == sizeof(uv_buf_t) && owner_of(caller) == OF_LUV; }

static bool refuse(void *caller, size_t size) {
  if (!armed || owner_of(caller) == OF_OTHER || unchecked(caller, size)) return false;
  long k = __atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);
  if (refuse_at == 0 || k < refuse_at || k >= refuse_at + refuse_run) return false;
  refused++;
  refused_caller = caller;
  if (verbose) tell_where();
  errno = ENOMEM;
  return true;
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

void *malloc(size_t size) {
  if (refuse(CALLER, size)) return NULL;
  void *block = __libc_malloc(size);
  record(block, size, CALLER);
  return block;
}

void *calloc(size_t count, size_t size) {
  if (refuse(CALLER, count * size)) return NULL;
  void *block = __libc_calloc(count, size);
  record(block, count * size, CALLER);
  return block;
}

void *realloc(void *old, size_t size) {
  bool grows = !old || size > malloc_usable_size(old);
  if (grows && refuse(CALLER, size)) return NULL;
  if (!recording || !old) {
    void *block = __libc_realloc(old, size);
    record(block, size, CALLER);
    return block;
  }
  void *block = __libc_malloc(size); /* always elsewhere */
  if (!block) return NULL;
  size_t before = malloc_usable_size(old);
  memcpy(block, old, before < size ? before : size);
  free(old);
  record(block, size, CALLER);
  return block;
}

void free(void *block) {
  if (recording && block) memset(block, 0xdb, malloc_usable_size(block)); /* who still uses it shall notice */
  forget(block);
  __libc_free(block);
}

/* Lua seeds its string hashes with it: every child shall make the same requests. A time when certificates of today
 * that last a hundred years are valid. */
time_t time(time_t *at) {
  if (at) *at = 4000000000;
  return 4000000000;
}

/* Blocks of ours that are left; their callers as text, the latest first. luv forgets a request's blocks when Lua
 * refuses it memory between making the request and starting it, or for the answer: a script of requests says so. */
static long leftovers(char *text, size_t room, bool luv_leaks) {
  long count = 0;
  size_t used = 0;
  for (size_t i = 0; i < ROOM; i++) {
    Owner owner = records[i].block ? owner_of(records[i].caller) : OF_OTHER;
    if (owner == OF_OTHER || (luv_leaks && records[i].of_request)) continue;
    count++;
    if (used < room)
      used += (size_t)snprintf(text + used, room - used, " %zu bytes by %s+0x%lx", records[i].size, objects[owner].name,
                               (unsigned long)((uintptr_t)records[i].caller - objects[owner].base));
  }
  return count;
}

/* ---- a child ---- */

const char *const ending_names[] = {"crash", "success", "clean error", "abort of libuv", "bad", "unusable"};

static Outcome *outcome; /* shared with the parent */

/* libuv gives up. The name is that of its public function on the stack. */
void abort(void) {
  Dl_info where;
  void *frames[FRAMES];
  void *caller = CALLER;
  armed = false;
  if (outcome && refused > 0 && owner_of(caller) == OF_UV && owner_of(refused_caller) == OF_UV) {
    int n = backtrace(frames, FRAMES);
    snprintf(outcome->text, TEXT, "?");
    for (int i = 0; i < n; i++)
      if (owner_of(frames[i]) == OF_UV && dladdr(frames[i], &where) && where.dli_sname)
        snprintf(outcome->text, TEXT, "%s", where.dli_sname);
    outcome->ending = UV_ABORT;
    _exit(0);
  }
  signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
  _exit(134);
}

static FILE *said; /* what the child wrote to stderr */

static bool said_text(const char *what) {
  static char text[1 << 16];
  fflush(stderr);
  ssize_t n = pread(fileno(said), text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = 0;
  return strstr(text, what) != NULL;
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Is the error at the top the refusal's, or was what it comes from reported? */
static bool explained(const char *text) {
  static const char *const words[] = {"not enough memory", "out of memory", "stack overflow", "ENOMEM", "too many",
                                      "Problem allocating", "Failure to allocate"}; /* the last two are luv's */;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strstr(text, words[i])) return true;
  if (strstr(text, "deadlock")) return said_text("error in a callback") || said_text("error in a luv callback") || said_text("was never retrieved");
  return said_text("not enough memory") || said_text("ENOMEM");
}

static void spoil(int ending, const char *format, ...) {
  va_list args;
  if (outcome->ending == BAD || outcome->ending == UNUSABLE) return;
  va_start(args, format);
  vsnprintf(outcome->text, TEXT, format, args);
  va_end(args);
  outcome->ending = ending;
}

/* The section at the top; pops it. */
static void section_run(lua_State *L) {
  lua_rawgeti(L, -1, 1);
  const char *name = lua_tostring(L, -1);
  lua_rawgeti(L, -2, 2);
  long before = refused;
  armed = true;
  int status = lua_pcall(L, 0, 0, 0);
  armed = false;
  if (status != LUA_OK) {
    lua_pushcfunction(L, describe);
    lua_insert(L, -2);
    lua_pcall(L, 1, 1, 0);
    const char *text = lua_tostring(L, -1);
    if (verbose) fprintf(stderr, "---- section %s ended: %s\n", name, text);
    if (refused == before)
      spoil(BAD, "section %s failed, nothing was refused in it: %s", name, text);
    else if (!explained(text))
      spoil(BAD, "section %s ended with another error: %s", name, text);
    else if (outcome->ending == SUCCESS)
      spoil(CLEAN, "%s: %s", name, text);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

static void child(const char *script) {
  recording = true;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dostring(L, "require 'luv'") != LUA_OK) exit(2);
  if (luaL_dofile(L, script) != LUA_OK) {
    spoil(BAD, "%s", luaL_tolstring(L, -1, NULL));
    return;
  }
  outcome->ending = SUCCESS;
  lua_getfield(L, 1, "sections");
  lua_Integer n = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 2, i);
    section_run(L);
  }
  lua_settop(L, 1);
  outcome->requests = requests;
  outcome->refused = refused;
  lua_getfield(L, 1, "check");
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
    if (verbose) fprintf(stderr, "---- the check: %s\n", lua_tostring(L, -1));
    spoil(UNUSABLE, "the loop is not usable any more: %s (after %s)", luaL_tolstring(L, -1, NULL), outcome->text);
  }
  lua_settop(L, 1);
  lua_getfield(L, 1, "luv_leaks");
  bool luv_leaks = lua_toboolean(L, -1);
  lua_close(L);
  char text[TEXT];
  outcome->left = leftovers(text, sizeof text, luv_leaks);
  if (outcome->ending == SUCCESS) snprintf(outcome->text, TEXT, "%s", text);
}

pid_t start(long k, Outcome *into, const char *script) {
  into->ending = NOTHING;
  fflush(NULL);
  pid_t pid = fork();
  if (pid != 0) return pid;
  outcome = into;
  refuse_at = k;
  int fd = memfd_create("said", 0);
  said = fdopen(fd, "r");
  dup2(fd, 2);
  alarm(HANG);
  child(script);
  exit(0);
}

int main(int argc, char **argv) {
  void *frames[FRAMES];
  if (argc != 2) {
    fprintf(stderr, "usage: %s script\n", argv[0]);
    return 2;
  }
  backtrace(frames, FRAMES); /* loads what it needs */
  objects_open();
  int jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (jobs < 1) jobs = 1;
  Outcome *shared = mmap(NULL, sizeof *shared * (size_t)jobs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const char *run = getenv("NEAP_OOM_RUN"), *at = getenv("NEAP_OOM_AT"), *slow = getenv("NEAP_SLOW");
  if (run) refuse_run = atol(run);
  if (at) {
    verbose = true;
    outcome = shared;
    refuse_at = atol(at);
    said = tmpfile();
    child(argv[1]);
    fprintf(stderr, "---- %s: %s; %ld blocks left\n", ending_names[outcome->ending], outcome->text, outcome->left);
    return 0;
  }
  return sweep(argv[1], shared, jobs, slow && *slow && strcmp(slow, "0") != 0 ? 3 : 1);
}
