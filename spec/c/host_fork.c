/* SPDX-License-Identifier: MIT
 * Hosts that fork. A child does its part and tells by its exit status; the parent goes on, and must not notice. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

/* In order, so that coverage is written; but sanitizers look for the parent's threads then. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define exit_child _exit
#else
#define exit_child exit
#endif

static uv_loop_t loop;

static lua_State *open_own(void) {
  uv_loop_init(&loop);
  return state_open(&loop);
}

static void end(lua_State *L) {
  neap_close(L);
  lua_close(L);
  loop_end(&loop);
}

static void expect_child(pid_t pid, int code) {
  int status;
  expect(pid > 0 && waitpid(pid, &status, 0) == pid);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

/* Something of each kind: tasks, timers, TCP, threads. */
static const char all[] =
    "await(neap.gather(neap.sleep(0.002), neap.sleep(0.001))) "
    "local server <close> = await(neap.start_server(function(s) s:write(await(s:read 'l')) end, '127.0.0.1', 0)) "
    "local stream <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
    "stream:write 'x\\n' assert(await(stream:read 'a') == 'x') "
    "assert(select('#', await(probe.work('values', 2))) == 2) "
    "local f, side = probe.future() probe.complete_thread(side, 1, 'values', 3) assert(select('#', await(f)) == 3) probe.join() "
    "local r, w = probe.pipe() neap.call_later(0.001, probe.write, w, 'x') assert(probe.wait_fd(r, 1) == 1) probe.close_fd(r, w)";

static void fork_refused(void) {
  lua_State *L = open_own();
  run(L, all);
  pid_t pid = fork();
  if (pid == 0) {
    load(L, "ran = 1");
    expect(neap_run(L, 0, 0) == LUA_ERRRUN && error_has(L, "after_fork"));
    load(L, "ran = 1");
    expect_ok(L, neap_spawn(L, NULL, 0));
    expect(!neap_turn(L, 0.01) && neap_timeout(L) == -1 && global(L, "ran") == 0);
    load(L, "await(neap.sleep(0))");
    expect(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN && error_has(L, "after_fork"));
    _exit(3);
  }
  expect_child(pid, 3);
  expect(neap_after_fork(L) == 0); /* does nothing here */
  run(L, all);
  end(L);
}

static void fork_and_go_on(void) {
  lua_State *L = open_own();
  load(L, "n = 0 task = neap.create_task(function() for i = 1, 3 do await(neap.sleep(0.01)) n = n + 1 end end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_turn(L, 0);
  pid_t pid = fork();
  if (pid == 0) {
    expect(neap_after_fork(L) == 0 && neap_after_fork(L) == 0);
    while (global(L, "n") < 3) uv_run(&loop, UV_RUN_ONCE); /* in both */
    run(L, all);
    end(L);
    exit_child(4);
  }
  while (global(L, "n") < 3) uv_run(&loop, UV_RUN_ONCE);
  run(L, all);
  expect_child(pid, 4);
  run(L, all);
  end(L);
}

static int f_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

static void fork_in_task(void) {
  lua_State *L = open_own();
  lua_register(L, "fork", f_fork);
  load(L, "local pid = fork() if pid == 0 then neap.after_fork() end await(neap.sleep(0.002)) return pid, 1");
  expect_ok(L, neap_run(L, 0, 1));
  pid_t pid = (pid_t)lua_tointeger(L, -1);
  run(L, all);
  end(L);
  if (pid == 0) exit_child(5);
  expect_child(pid, 5);
}

/* The parent polls a stream, a descriptor and a server; the child closes them. */
static void fork_close(void) {
  for (int mended = 0; mended < 2; mended++) {
    lua_State *L = open_own();
    load(L, "server = await(neap.start_server(function(s) for line in s:lines() do s:write(line, '\\n') end end, '127.0.0.1', 0)) "
            "stream = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
            "stream:write 'one\\n' assert(await(stream:read 'l') == 'one') "
            "r, w = probe.pipe() waiter = neap.create_task(function() return probe.wait_fd(r, 1) end) "
            "reader = neap.create_task(stream:read 'l') uv.new_timer():start(1000, 0, function() end) await(neap.sleep(0.01)) ready = 1");
    expect_ok(L, neap_spawn(L, NULL, 0));
    while (!global(L, "ready")) neap_turn(L, 0.01);
    pid_t pid = fork();
    if (pid == 0) {
      if (mended) expect(neap_after_fork(L) == 0);
      end(L);
      exit_child(6);
    }
    expect_child(pid, 6);
    load(L, "probe.write(w, 'x') assert(await(waiter) == 1) "
            "local other <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
            "other:write 'two\\n' assert(await(other:read 'l') == 'two') "
            "stream:write 'three\\n' assert(await(reader) == 'three') done = 1");
    expect_ok(L, neap_spawn(L, NULL, 0));
    for (int i = 0; i < 500 && !global(L, "done"); i++) {
      neap_turn(L, 0.01);
      usleep(1000);
    }
    expect(global(L, "done") == 1);
    end(L);
  }
}

/* Work and requests under way belong to threads that only the parent has. */
static void fork_work(void) {
  lua_State *L = open_own();
  load(L, "probe.gate(true) for i = 1, 6 do w = probe.work('values', 1) end probe.gate_wait(4) back = 0 "
          "uv.fs_stat('.', function() back = back + 1 end)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  pid_t pid = fork();
  if (pid == 0) {
    alarm(5); /* shall not wait for them */
    expect(neap_after_fork(L) == 0);
    neap_close(L);
    _exit(7);
  }
  expect_child(pid, 7);
  run(L, "neap.call_later(0.001, probe.gate, false) assert(await(w) == 1) while back == 0 do await(neap.sleep(0.001)) end");
  end(L);
}

/* What threads had completed, and the loop was not turned since, is delivered in both. */
static void fork_pending(void) {
  lua_State *L = open_own();
  load(L, "f, side = probe.future() probe.complete_thread(side, 0, 'values', 1) probe.join() w = probe.work('values', 2) "
          "r, out = probe.pipe() waiter = neap.create_task(function() return probe.wait_fd(r, 1) end) "
          "while probe.count 'worked' == 0 do uv.sleep(1) end uv.sleep(5)");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  pid_t pid = fork();
  static const char rest[] = "assert(await(f) == 1) assert(await(w) == 1)";
  if (pid == 0) {
    alarm(10);
    expect(neap_after_fork(L) == 0);
    run(L, all);
    load(L, rest);
    expect_ok(L, neap_run(L, 0, 0));
    end(L);
    exit_child(10);
  }
  expect_child(pid, 10);
  load(L, "await(neap.sleep(0)) probe.write(out, 'x') assert(await(waiter) == 1)");
  expect_ok(L, neap_spawn(L, NULL, 0));
  for (int i = 0; i < 10; i++) neap_turn(L, 0.002);
  expect_ok(L, neap_result(L, 1, 0));
  run(L, "assert(await(f) == 1) assert(await(w) == 1)");
  end(L);
}

/* A task is parked, neap closed, the task never goes on; then it is woken. */
static neap_wait parked;

static int k_parked(lua_State *L, int status, lua_KContext context) {
  (void)L, (void)status, (void)context;
  exit(9);
}

static int f_park(lua_State *L) { return neap_park(L, &parked, k_parked, 0); }

static void fork_parked(void) {
  lua_State *L = open_own();
  lua_pushcfunction(L, f_park);
  expect_ok(L, neap_spawn(L, "parked", 0));
  neap_turn(L, 0);
  expect(neap_parked(&parked));
  pid_t pid = fork();
  if (pid == 0) {
    neap_close(L); /* it is the parent's to end the tasks */
    neap_wake(&parked);
    uv_run(&loop, UV_RUN_DEFAULT);
    expect(!neap_parked(&parked));
    lua_close(L);
    expect(uv_loop_close(&loop) == 0);
    _exit(8);
  }
  expect_child(pid, 8);
  lua_close(L); /* without having woken it */
  loop_end(&loop);
}

const Scenario fork_scenarios[] = {
    {"fork_refused", fork_refused}, {"fork_and_go_on", fork_and_go_on}, {"fork_in_task", fork_in_task},
    {"fork_close", fork_close},     {"fork_work", fork_work},           {"fork_parked", fork_parked},
    {"fork_pending", fork_pending},
    {NULL, NULL},
};
