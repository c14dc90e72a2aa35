/* SPDX-License-Identifier: MIT
 * Hosts whose Lua code never awaits, and is ended by time limits. It allocates, since ThreadSanitizer
 * delivers signals only where libc is called. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "host.h"

static const char spin[] = "function spin() while true do local t = {} end end "
                           "function busy(s) local t = os.clock() while os.clock() - t < s do local x = {} end end ";

static const char bitten[] =
    "local ok, problem = pcall(neap.timeout, 0.05, spin) assert(not ok and getmetatable(problem) == neap.TimeoutError, problem) "
    "ok, problem = pcall(await, neap.wait_for(function() table.sort({1, 2, 3}, spin) end, 0.05)) "
    "assert(not ok and getmetatable(problem) == neap.TimeoutError, problem) count = (count or 0) + 1 ";

/* NULL: on luv's loop */
static lua_State *open_spinning(uv_loop_t *loop) {
  if (loop) uv_loop_init(loop);
  lua_State *L = state_open(loop);
  load(L, spin);
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  return L;
}

static void end(lua_State *L, uv_loop_t *loop) {
  neap_close(L);
  lua_close(L);
  loop_end(loop);
}

/* ---- threads ---- */

static void *limited_thread(void *arg) {
  (void)arg;
  for (int i = 0; i < 2; i++) {
    uv_loop_t loop;
    lua_State *L = open_spinning(&loop);
    run(L, bitten);
    run(L, "local n = 0 local task = neap.create_task(function() while n < 3 do local t = {} end end, {slice = 0.002}) "
           "for i = 1, 3 do await(neap.sleep(0.002)) n = n + 1 end await(task)");
    end(L, &loop);
  }
  return NULL;
}

static void limit_threads(void) {
  enum { THREADS = 3 };
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) expect(pthread_create(&threads[i], NULL, limited_thread, NULL) == 0);
  for (int i = 0; i < THREADS; i++) expect(pthread_join(threads[i], NULL) == 0);
}

static void *turn_thread(void *L) {
  for (int i = 0; i < 5; i++) neap_turn(L, 0.01);
  return NULL;
}

/* What is preempted in one thread goes on in another. */
static void limit_turns(void) {
  uv_loop_t loop;
  lua_State *L = open_spinning(&loop);
  load(L, "sliced = 0 for i = 1, 2 do neap.create_task(function() table.sort({1, 2, 3, 4, 5}, function(a, b) busy(0.01) return a < b end) "
          "sliced = sliced + 1 end, {slice = 0.002}) end "
          "neap.create_task(function() for i = 1, 4 do pcall(neap.timeout, 0.01, spin) count = i await(neap.sleep(0)) end end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  for (int i = 0; i < 1000 && (global(L, "count") < 4 || global(L, "sliced") < 2); i++) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, turn_thread, L) == 0);
    expect(pthread_join(thread, NULL) == 0);
    neap_turn(L, 0.01);
  }
  expect(global(L, "count") == 4 && global(L, "sliced") == 2);
  end(L, &loop);
}

/* Another state's loop, turned by a step of this one, both under limits. */
static int nested;

static int f_nested(lua_State *L) {
  (void)L;
  uv_loop_t loop;
  lua_State *inner = open_spinning(&loop);
  run(inner, bitten);
  end(inner, &loop);
  nested++;
  return 0;
}

static void limit_nested(void) {
  uv_loop_t loop;
  lua_State *L = open_spinning(&loop);
  lua_register(L, "nested", f_nested);
  run(L, "for _ = 1, 2 do local ok, problem = pcall(neap.timeout, 0.05, function() nested() spin() end) "
         "assert(not ok and getmetatable(problem) == neap.TimeoutError, problem) end");
  expect(nested == 2);
  end(L, &loop);
}

/* ---- forks ---- */

/* ThreadSanitizer no longer sees what synchronizes what in the child of a process that had threads. */
#ifdef __SANITIZE_THREAD__
#define CHILDREN_RUN 0
#else
#define CHILDREN_RUN 1
#endif

static void expect_child(pid_t pid, int code) {
  int status;
  expect(pid > 0 && waitpid(pid, &status, 0) == pid);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

static void limit_fork(void) {
  uv_loop_t loop;
  lua_State *L = open_spinning(&loop);
  run(L, bitten);
  for (int i = 0; i < 3; i++) { /* the last one while the thread sleeps */
    if (i == 2) usleep(300000);
    pid_t pid = fork();
    if (pid == 0) {
      alarm(30);
      if (!CHILDREN_RUN) _exit(3);
      expect(neap_after_fork(L) == 0);
      run(L, bitten);
      end(L, &loop);
      _exit(3);
    }
    if (i == 0) run(L, bitten);
    expect_child(pid, 3);
  }
  run(L, bitten);
  expect(global(L, "count") == 3);
  end(L, &loop);
}

static int f_fork(lua_State *L) {
  pid_t pid = fork();
  if (pid == 0) alarm(30);
  if (pid == 0 && !CHILDREN_RUN) _exit(4);
  lua_pushinteger(L, pid);
  return 1;
}

static void limit_fork_inside(void) {
  uv_loop_t loop;
  lua_State *L = open_spinning(&loop);
  lua_register(L, "fork", f_fork);
  run(L, "repeat " /* a slow machine may need all the time before it comes to fork */
         "  local ok, problem = pcall(neap.timeout, 0.3, function() busy(0.06) pid = fork() if pid == 0 then neap.after_fork() end spin() end) "
         "  assert(not ok and getmetatable(problem) == neap.TimeoutError, problem) "
         "until pid");
  pid_t pid = (pid_t)global(L, "pid");
  run(L, bitten);
  end(L, &loop);
  if (pid == 0) _exit(4);
  expect_child(pid, 4);
}

/* ---- signals of others ---- */

static volatile int first, second;
static struct sigaction earlier;

static void on_first(int number) {
  (void)number;
  first++;
}

static void on_second(int number, siginfo_t *info, void *context) {
  second++;
  if (earlier.sa_flags & SA_SIGINFO)
    earlier.sa_sigaction(number, info, context);
  else if (earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN)
    earlier.sa_handler(number);
}

static void handle_first(void) {
  struct sigaction take;
  memset(&take, 0, sizeof take);
  take.sa_handler = on_first;
  expect(sigaction(SIGURG, &take, NULL) == 0);
}

static void handle_second(void) {
  struct sigaction take;
  memset(&take, 0, sizeof take);
  take.sa_sigaction = on_second;
  take.sa_flags = SA_SIGINFO;
  expect(sigaction(SIGURG, &take, &earlier) == 0);
}

static int f_urgent(lua_State *L) {
  (void)L;
  return raise(SIGURG), 0;
}

/* Signals of the host's, outside of steps and in one, each seen once by those who are to see them. */
static void expect_signals(lua_State *L, int of_first, int of_second) {
  first = second = 0;
  raise(SIGURG);
  run(L, "urgent()");
  expect(first == of_first && second == of_second);
}

static void limit_handler_before(void) {
  uv_loop_t loop;
  handle_first();
  lua_State *L = open_spinning(&loop);
  lua_register(L, "urgent", f_urgent);
  expect_signals(L, 2, 0);
  run(L, bitten);
  expect_signals(L, 2, 0);
  end(L, &loop);
  first = 0;
  raise(SIGURG);
  expect(first == 1);
}

static void limit_handler_after(void) {
  uv_loop_t loop;
  handle_first();
  lua_State *L = open_spinning(&loop);
  lua_register(L, "urgent", f_urgent);
  run(L, bitten);
  handle_second(); /* calls the watchdog's, which calls the first */
  expect_signals(L, 2, 2);
  run(L, bitten); /* which calls the second from now on */
  expect_signals(L, 2, 2);
  run(L, bitten);
  handle_first(); /* calls nobody */
  expect_signals(L, 2, 0);
  run(L, bitten);
  expect_signals(L, 2, 0);
  end(L, &loop);
}

static void limit_blocked(void) {
  uv_loop_t loop;
  lua_State *L = open_spinning(&loop);
  sigset_t urgent;
  sigemptyset(&urgent);
  sigaddset(&urgent, SIGURG);
  run(L, bitten);
  expect(pthread_sigmask(SIG_BLOCK, &urgent, NULL) == 0);
  run(L, "assert(neap.timeout(0.01, function() busy(0.3) return 'went on' end) == 'went on')");
  expect(pthread_sigmask(SIG_UNBLOCK, &urgent, NULL) == 0);
  run(L, bitten);
  end(L, &loop);
}

/* ---- hooks of others ---- */

static int hooked;

static void on_hook(lua_State *L, lua_Debug *frame) {
  (void)L, (void)frame;
  hooked++;
}

/* hook(mask): of the thread that runs; 0: none */
static int f_hook(lua_State *L) {
  int mask = (int)lua_tointeger(L, 1);
  lua_sethook(L, mask ? on_hook : NULL, mask, 1000);
  return 0;
}

/* mask = hook_mask(): of the host's hook */
static int f_hook_mask(lua_State *L) {
  lua_pushinteger(L, lua_gethook(L) == on_hook ? lua_gethookmask(L) : -1);
  return 1;
}

static lua_State *open_hooked(uv_loop_t *loop, int mask) {
  lua_State *L = open_spinning(loop);
  lua_register(L, "hook", f_hook);
  lua_register(L, "hook_mask", f_hook_mask);
  lua_pushinteger(L, mask);
  lua_setglobal(L, "MASK");
  hooked = 0;
  return L;
}

static void limit_count_hook(void) {
  uv_loop_t loop;
  lua_State *L = open_hooked(&loop, LUA_MASKCOUNT | LUA_MASKLINE);
  run(L, "hook(MASK) assert(neap.timeout(0.01, function() busy(0.3) return 'went on' end) == 'went on') "
         "assert(hook_mask() == MASK) hook(0)");
  expect(hooked > 0);
  run(L, bitten);
  end(L, &loop);
}

static void limit_line_hook(void) {
  uv_loop_t loop;
  lua_State *L = open_hooked(&loop, LUA_MASKLINE);
  for (int i = 0; i < 3; i++) {
    hooked = 0;
    run(L, "hook(MASK) local ok, problem = pcall(neap.timeout, 0.05, spin) "
           "assert(not ok and getmetatable(problem) == neap.TimeoutError, problem) "
           "assert(hook_mask() == MASK) "
           "local co = coroutine.wrap(function() hook(MASK) pcall(neap.timeout, 0.05, spin) return hook_mask() end) "
           "assert(co() == MASK) hook(0)");
    expect(hooked > 0);
  }
  end(L, &loop);
}

/* ---- the end ---- */

static void limit_exit(void) {
  for (int limited = 0; limited < 2; limited++) {
    pid_t pid = fork();
    if (pid == 0) {
      alarm(30);
      lua_State *L = open_spinning(NULL);
      run(L, limited ? "neap.timeout(9, function() busy(0.1) os.exit(5, true) end)"
                     : "neap.create_task(spin, {slice = 0.001}) await(neap.sleep(0.01)) os.exit(5, true)");
      _exit(1);
    }
    expect_child(pid, 5);
  }
}

const Scenario limit_scenarios[] = {
    {"limit_threads", limit_threads},
    {"limit_turns", limit_turns},
    {"limit_nested", limit_nested},
    {"limit_fork", limit_fork},
    {"limit_fork_inside", limit_fork_inside},
    {"limit_handler_before", limit_handler_before},
    {"limit_handler_after", limit_handler_after},
    {"limit_blocked", limit_blocked},
    {"limit_count_hook", limit_count_hook},
    {"limit_line_hook", limit_line_hook},
    {"limit_exit", limit_exit},
    {NULL, NULL},
};
