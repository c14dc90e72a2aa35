/* SPDX-License-Identifier: MIT
 * Hosts that close, with whatever is under way. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

/* ---- pushes that count ---- */

static atomic_int made, pushed, dropped, cancels, begun, worked;

static int push(lua_State *L, void *data) {
  free(data);
  if (L) pushed++;
  else dropped++;
  return 0;
}

static void *data_new(void) {
  made++;
  return malloc(16);
}

/* What somebody waits for in each way. */
#define OF_EVERY_KIND                                                                                  \
  "socket = await(neap.open_datagram {local_addr = {'127.0.0.1', 0}}) "                                \
  "neap.create_task(function() await(socket:recv()) end) "                                             \
  "local fds = uv.socketpair('dgram', nil, {nonblock = true}, {nonblock = true}) "                     \
  "full, peer = await(neap.open_datagram {fd = fds[1]}), await(neap.open_datagram {fd = fds[2]}) "     \
  "for i = 1, 400 do full:send(i) end neap.create_task(function() await(full:send 'x') end) "          \
  "neap.create_task(function() for _ in neap.signals 'USR1' do end end) "                              \
  "signals = select(2, neap.signals 'USR2') handle = neap.add_signal_handler('HUP', print) "           \
  "reader = neap.add_reader(probe.pipe(), print) "                                                     \
  "process = await(neap.create_subprocess_exec({'cat'}, {stdin = 'pipe', stdout = 'pipe'})) "          \
  "neap.create_task(function() await(process:wait()) end) "                                            \
  "file = neap.open_fd(uv.fs_open('/dev/zero', 'r', 0)) "                                              \
  "neap.create_task(function() while true do await(file:read(100000)) end end) "                       \
  "neap.create_task(function() while true do await(neap.fs.read_file '/dev/null') end end) "

static void sum_up(void) { expect(made == pushed + dropped); }

static void on_work(void *data) {
  (void)data;
  begun++;
  usleep(30000);
  worked++;
}

static int f_work(lua_State *L) {
  neap_work(L, on_work, push, data_new());
  return 1;
}

static neap_future *futures[64];
static int future_count;

static void on_cancel(void *data) {
  (void)data;
  cancels++;
}

/* Its other side is the last of `futures`. */
static int f_future(lua_State *L) {
  futures[future_count] = neap_future_new(L);
  neap_future_on_cancel(futures[future_count++], on_cancel, NULL);
  return 1;
}

static lua_State *open_with(uv_loop_t *loop) {
  lua_State *L = state_open(loop);
  future_count = 0;
  lua_register(L, "work", f_work);
  lua_register(L, "future", f_future);
  return L;
}

static void *complete_later(void *data) {
  neap_future *future = data;
  usleep((useconds_t)(rand() % 4000));
  neap_complete_threadsafe(future, push, data_new());
  return NULL;
}

typedef struct {
  neap_loop *loop;
  pthread_t thread;
} Poster;

static void *post_much(void *data) {
  Poster *it = data;
  for (int i = 0; i < 300; i++) {
    void *what = data_new();
    if (!neap_post(it->loop, push, what)) push(NULL, what);
    if (i % 50 == 0) usleep(200);
  }
  neap_loop_release(it->loop);
  return NULL;
}

/* ---- neap_close ---- */

static void close_tasks(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "ended = 0 for i = 1, 3 do neap.create_task(function() "
          "local held <close> = setmetatable({}, {__close = function() await(neap.sleep(0.001)) ended = ended + 1 end}) "
          "await(neap.Future()) end) end");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_turn(L, 0);
  neap_close(L);
  expect(global(L, "ended") == 3);
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
}

static int fired;
static void on_host_timer(uv_timer_t *timer) {
  (void)timer;
  fired++;
}

static void close_io(void) {
  uv_loop_t loop;
  uv_timer_t mine;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  uv_timer_init(neap_uv_loop(L), &mine);
  mine.data = NULL;
  uv_timer_start(&mine, on_host_timer, 0, 1);
  load(L, "server = await(neap.start_server(function(s) await(s:read 'a') end, '127.0.0.1', 0)) "
          "stream = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
          "filtered = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
          "probe.filter_set(filtered, 'xor', 1) count = probe.count "
          "local r = probe.pipe() neap.create_task(function() probe.wait_fd(r, 1) end) "
          "for i = 1, 30 do uv.new_timer():start(5, 5, function() end) uv.new_tcp() uv.new_pipe() end "
          "uv.spawn('true', {}, function() end) " OF_EVERY_KIND "await(neap.sleep(0))");
  expect_ok(L, neap_spawn(L, NULL, 0));
  for (int i = 0; i < 20; i++) neap_turn(L, 0.01);
  lua_getglobal(L, "filtered");
  expect(!lua_isnil(L, -1));
  neap_close(L);
  expect(fired > 0 && uv_is_active((uv_handle_t *)&mine));
  expect_ok(L, luaL_dostring(L, "assert(count 'destroyed' == 1) assert(not pcall(stream.read, stream, 1) or true) "
                                "assert(tostring(stream):find 'closed') assert(tostring(server):find 'closed') "
                                "assert(tostring(socket):find 'closed') assert(handle:cancelled() and reader:cancelled()) "
                                "assert(tostring(signals):find 'closed') assert(tostring(file):find 'closed') "
                                "assert(tostring(process):find 'running' and not process.returncode) process:kill()"));
  lua_close(L);
  int before = fired;
  while (fired < before + 3) uv_run(&loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&mine, NULL);
  loop_end(&loop);
}

static void close_work(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "for i = 1, 8 do neap.create_task(function() await(work()) end) end await(neap.sleep(0.005))");
  expect_ok(L, neap_spawn(L, NULL, 0));
  while (begun < 4 || made < 8) neap_turn(L, 0.001);
  neap_close(L); /* what has begun ends, the rest is taken out */
  expect(worked >= 4 && made == 8);
  sum_up();
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
}

static void on_host_work(uv_work_t *request) {
  (void)request;
  usleep(30000);
}

static void on_host_worked(uv_work_t *request, int status) { (void)request, (void)status; }

static void close_requests(void) { /* luv's requests come back to the state */
  uv_work_t mine[4];
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  for (int i = 0; i < 4; i++) uv_queue_work(&loop, &mine[i], on_host_work, on_host_worked);
  load(L, "back = 0 for i = 1, 8 do uv.fs_stat('.', function() back = back + 1 end) end");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_close(L);
  expect(global(L, "back") == 8);
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
  sum_up();
}

/* neap_close, or lua_close alone, while threads complete and post. */
static void with_threads(bool orderly) {
  for (int round = 0; round < 10; round++) {
    uv_loop_t loop;
    uv_loop_init(&loop);
    lua_State *L = open_with(&loop);
    pthread_t threads[24];
    Poster posters[4];
    load(L, "for i = 1, 24 do local f = future() if i % 2 == 0 then neap.create_task(function() await(f) end) end end");
    expect_ok(L, lua_pcall(L, 0, 0, 0));
    for (int i = 0; i < 4; i++) {
      posters[i].loop = neap_loop_of(L);
      pthread_create(&posters[i].thread, NULL, post_much, &posters[i]);
    }
    for (int i = 0; i < 24; i++) pthread_create(&threads[i], NULL, complete_later, futures[i]);
    for (int i = 0; i < round; i++) neap_turn(L, 0.0005);
    if (orderly) neap_close(L);
    lua_close(L);
    for (int i = 0; i < 24; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) pthread_join(posters[i].thread, NULL);
    loop_end(&loop);
    sum_up();
  }
}

static void close_threads(void) { with_threads(true); }
static void lua_close_threads(void) { with_threads(false); }

static void close_futures(void) { /* never, before, after */
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "a, b, c, d = future(), future(), future(), future()");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_complete(futures[0], push, data_new()); /* it is ready */
  neap_complete_threadsafe(futures[1], push, data_new());
  lua_getglobal(L, "c");
  neap_cancel(L, -1);
  while (neap_turn(L, 0)) continue;
  expect(cancels == 1 && pushed == 2);
  expect(neap_future_cancelled(futures[2]) && !neap_future_cancelled(futures[3]));
  neap_close(L);
  expect(cancels == 2 && neap_future_cancelled(futures[3])); /* once each */
  neap_complete(futures[2], push, data_new());
  lua_close(L);
  expect(neap_future_cancelled(futures[3]));
  neap_complete_threadsafe(futures[3], push, data_new());
  expect(dropped == 2 && cancels == 2);
  sum_up();
  expect(uv_loop_close(&loop) == 0);
}

/* Completed and cancelled in one tick, both not yet told. */
static void cancelled_too(bool orderly, bool cancel_first) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "for i = 1, 3 do future():add_done_callback(function() end) end f = future()");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  lua_getglobal(L, "f");
  if (cancel_first) neap_cancel(L, -1);
  for (int i = 0; i < 4; i++) neap_complete(futures[i], push, data_new());
  if (!cancel_first) neap_cancel(L, -1);
  if (orderly) neap_close(L);
  lua_close(L);
  loop_end(&loop);
  sum_up();
  expect(dropped % 4 == 0);
}

static void close_ready(void) {
  for (int i = 0; i < 4; i++) cancelled_too(i & 1, i & 2);
}

static void close_posts(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  neap_loop *one = neap_loop_of(L), *other = neap_loop_of(L), *third = neap_loop_of(L);
  expect(neap_post(one, push, data_new()));
  neap_loop_release(third);
  neap_close(L);
  sum_up();
  void *data = data_new();
  expect(!neap_post(one, push, data));
  push(NULL, data);
  neap_loop_release(one);
  lua_close(L);
  data = data_new();
  expect(!neap_post(other, push, data));
  push(NULL, data);
  neap_loop_release(other);
  sum_up();
  expect(uv_loop_close(&loop) == 0);
}

static void lua_close_alone(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "server = await(neap.start_server(function(s) await(s:read 'a') end, '127.0.0.1', 0)) "
          "stream = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
          "probe.filter_set(stream, 'xor', 1) stream:write(('x'):rep(8000000)) "
          "local r = probe.pipe() neap.create_task(function() probe.wait_fd(r, 1) end) "
          "neap.create_task(function() probe.park(probe.wait(true)) end) neap.create_task(neap.sleep(9)) "
          "neap.create_task(function() await(future()) end) " OF_EVERY_KIND "work()");
  expect_ok(L, neap_spawn(L, NULL, 0));
  for (int i = 0; i < 20; i++) neap_turn(L, 0.01);
  lua_close(L);
  expect(cancels == 1);
  loop_end(&loop);
  neap_complete(futures[0], push, data_new());
  sum_up();
}

static void lua_close_luvs(void) { /* on luv's own loop */
  for (int i = 0; i < 2; i++) {
    lua_State *L = open_with(NULL);
    load(L, "for i = 1, 6 do work() end future() neap.create_task(neap.sleep(9)) uv.new_timer():start(5, 5, function() end)");
    expect_ok(L, lua_pcall(L, 0, 0, 0));
    neap_turn(L, 0);
    if (i) neap_close(L);
    lua_close(L);
    neap_complete(futures[0], push, data_new());
    sum_up();
  }
}

static void close_use_after(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  lua_State *L = open_with(&loop);
  load(L, "task = neap.create_task(neap.sleep(9)) f = neap.Future()");
  expect_ok(L, lua_pcall(L, 0, 0, 0));
  neap_close(L);
  neap_close(L);
  load(L, "");
  expect(neap_run(L, 0, 0) == LUA_ERRRUN && error_has(L, "closed"));
  load(L, "");
  expect(neap_spawn(L, NULL, 0) == LUA_ERRRUN && error_has(L, "closed"));
  expect(!neap_turn(L, 1) && neap_timeout(L) == -1 && neap_after_fork(L) == 0);
  lua_settop(L, 0);
  lua_getglobal(L, "task");
  expect(neap_result(L, 1, 0) == LUA_ERRRUN && error_has(L, "Cancelled"));
  expect(!neap_cancel(L, 1));
  lua_getglobal(L, "f");
  neap_cancel(L, -1);
  lua_settop(L, 0);
  expect_ok(L, luaL_dostring(L, "local neap, probe = require 'neap', require 'spec.probe' "
                                "for _, f in ipairs {probe.future, probe.loop, probe.work, function() neap.run(function() end) end,"
                                "function() neap.create_task(neap.sleep(0)) end, function() neap.await(neap.sleep(0)) end,"
                                "function() neap.call_soon(print) end, function() neap.await(neap.wait_fd(0, 'r')) end,"
                                "function() neap.await(neap.open_datagram()) end, function() neap.signals 'HUP' end,"
                                "function() neap.add_signal_handler('HUP', print) end, function() neap.add_reader(0, print) end,"
                                "function() probe.wait_fd(0, 1) end, function() probe.park(probe.wait(true)) end} do "
                                "local ok, err = pcall(f) assert(not ok, _) assert(tostring(err):find 'clos', err) end"));
  expect_ok(L, neap_open(L, NULL));
  lua_close(L);
  expect(uv_loop_close(&loop) == 0);
}

/* ---- several states, on several threads ---- */

static void *state_main(void *arg) {
  (void)arg;
  for (int i = 0; i < 4; i++) {
    uv_loop_t loop;
    uv_loop_init(&loop);
    lua_State *L = state_open(&loop);
    lua_register(L, "work", f_work);
    run(L, "for i = 1, 3 do await(work()) end "
           "local f, s = probe.future() probe.complete(s, 'values', 2) assert(select('#', await(f)) == 2) "
           "local server <close> = await(neap.start_server(function(s) s:write(await(s:read 'l')) end, '127.0.0.1', 0)) "
           "local stream <close> = await(neap.open_connection('127.0.0.1', server:getsockname().port)) "
           "stream:write 'x\\n' assert(await(stream:read 'a') == 'x')");
    neap_close(L);
    lua_close(L);
    expect(uv_loop_close(&loop) == 0);
  }
  return NULL;
}

static void states(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, state_main, NULL);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  sum_up();
}

const Scenario close_scenarios[] = {
    {"close_tasks", close_tasks},
    {"close_io", close_io},
    {"close_work", close_work},
    {"close_requests", close_requests},
    {"close_threads", close_threads},
    {"lua_close_threads", lua_close_threads},
    {"close_futures", close_futures},
    {"close_ready", close_ready},
    {"close_posts", close_posts},
    {"lua_close_alone", lua_close_alone},
    {"lua_close_luvs", lua_close_luvs},
    {"close_use_after", close_use_after},
    {"states", states},
    {NULL, NULL},
};
