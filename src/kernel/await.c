/* SPDX-License-Identifier: MIT */
#include "kernel/await.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "kernel/fail.h"
#include "kernel/pool.h"
#include "kernel/report.h"
#include "kernel/run.h"
#include "kernel/trace.h"

/* ---- who may await ---- */

/* The C function that stands between the caller and the coroutine's start, with the Lua line that
 * called it. */
static int no_yield(lua_State *L) {
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sn", &frame);
    if (*frame.what != 'C' && strcmp(frame.namewhat, "metamethod") != 0) continue;
    const char *name = frame.name ? frame.name : "?";
    bool close = strcmp(name, "__gc") == 0 || strcmp(name, "gc") == 0;
    if (*frame.what == 'C' && (strcmp(name, "pcall") == 0 || strcmp(name, "xpcall") == 0)) continue;
    trace_where(L, L, level + 1);
    if (close) return fail_raise(L, FAIL_RUNTIME, "await inside a finalizer (__gc)");
    return fail_raise(L, FAIL_RUNTIME, "await cannot suspend here: '%s', called at %s, is in between", name,
                      lua_tostring(L, -1));
  }
  return fail_raise(L, FAIL_RUNTIME, "await cannot suspend here: a C function is in between");
}

Task *wait_task(lua_State *L, Core *core) {
  Task *task = core->current;
  if (LIKELY(task && task->co == L)) {
    if (UNLIKELY(!lua_isyieldable(L))) no_yield(L);
    return task;
  }
  if (task)
    fail_raise(L, FAIL_RUNTIME, "await inside a coroutine of your own: only the task's own coroutine can be suspended");
  fail_raise(L, FAIL_RUNTIME, "await outside a task: in a callback of the loop");
  return NULL;
}

/* ---- sleep ---- */

enum { SLEEP_BITS = 48 };
#define SLEEP_MARK ((uintptr_t)0x4e41 << SLEEP_BITS)
#define SLEEP_MASK (((uintptr_t)1 << SLEEP_BITS) - 1)

static bool abort_sleep(Core *core, Task *task, lua_State *L, int message) {
  if (!wait_pending(task)) return false;
  Timer *timer = (Timer *)(void *)&task->wait;
  timer_disarm(core, timer);
  task->wait.job.run = task_step;
  return wait_abort(core, task, L, message);
}

/* The time has come: the task runs in the next tick, as after any other wait. */
static void on_due(Core *core, Job *job) {
  Task *task = container_of(job, Task, wait.job);
  job->run = task_step;
  wait_post(core, task);
}

static int k_plain(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  Task *task = core->current;
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return 0;
}

/* Parks for a time; `k` runs after it. */
static inline int sleep_park(lua_State *L, Core *core, Task *task, uint64_t ns, lua_KFunction k) {
  if (ns == 0) { /* nothing to abort: a cancellation is delivered by the step */
    job_post(core, &task->wait.job);
    if (UNLIKELY(task->insist)) return wait_park(L, core, task, NULL, k, (lua_KContext)core);
    task->wait_state = WAIT_PENDING;
    task->parked = true;
    return lua_yieldk(L, 0, (lua_KContext)core, k);
  }
  _Static_assert(offsetof(Wait, u.node) == offsetof(Timer, node), "a Wait begins like a Timer");
  timer_reserve(L, core);
  task->wait.job.run = on_due;
  task->wait.u.node.place = 0;
  timer_arm(core, (Timer *)(void *)&task->wait, core_now(core) + ns);
  return wait_park(L, core, task, abort_sleep, k, (lua_KContext)core);
}

static int k_results(lua_State *L, int status, lua_KContext context) {
  k_plain(L, status, context);
  int n = (int)((Op *)lua_touserdata(L, 1))->integer;
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++) lua_getiuservalue(L, 1, i + 1);
  return n;
}

static int start_sleep(lua_State *L, Core *core, Task *task, Op *op) {
  return sleep_park(L, core, task, deadline_at(op->number), k_results);
}

double check_seconds(lua_State *L, int arg) {
  if (lua_type(L, arg) != LUA_TNUMBER) argument_error(L, arg, "number of seconds");
  double seconds = lua_tonumber(L, arg);
  luaL_argcheck(L, !isnan(seconds), arg, "number of seconds expected, got NaN");
  luaL_argcheck(L, !isinf(seconds), arg, "finite number of seconds expected, got infinity");
  return seconds;
}

void timer_reserve(lua_State *L, Core *core) {
  if (UNLIKELY(!heap_reserve(&core->timers))) luaL_error(L, "not enough memory");
}

/* sleep(seconds, ...): an awaitable that gives back the rest */
static int f_sleep(lua_State *L) {
  int n = lua_gettop(L) - 1, number;
  if (LIKELY(n == 0)) {
    double us = lua_tonumberx(L, 1, &number) * 1e6;
    if (us <= 0) us = 0;
    if (LIKELY(number && us < (double)SLEEP_MASK)) { /* not for NaN */
      uintptr_t whole = (uintptr_t)us;
      lua_pushlightuserdata(L, (void *)(SLEEP_MARK | (whole + ((double)whole < us))));
      return 1;
    }
  }
  double seconds = check_seconds(L, 1);
  lua_pushboolean(L, 0);
  lua_insert(L, 2);
  Op *op = op_new(L, start_sleep, "neap.sleep", 2, n);
  op->number = seconds;
  op->integer = n;
  return 1;
}

/* ---- operations ---- */

Op *op_new(lua_State *L, OpFn start, const char *what, int self, int n) {
  Op *op = object_new(L, &op_type, sizeof *op, n + 1);
  op->start = start;
  op->what = what;
  op->self = lua_touserdata(L, self);
  lua_pushvalue(L, self);
  lua_setiuservalue(L, -2, 1);
  lua_insert(L, -n - 1);
  for (int i = n; i > 0; i--) lua_setiuservalue(L, -i - 1, i + 1);
  return op;
}

static int op_await(lua_State *L, Core *core, Head *head) {
  Op *op = (Op *)head;
  return op->start(L, core, core->current, op);
}

static int op_tostring(lua_State *L) {
  Op *op = object_check(L, 1, &op_type);
  lua_pushstring(L, op->what);
  return 1;
}

static const luaL_Reg op_metamethods[] = {{"__tostring", op_tostring}, {NULL, NULL}};
const Type op_type = {.name = "neap.Operation", .await = op_await, .metamethods = op_metamethods};

/* ---- coroutine objects ---- */

typedef struct {
  Head head; /* user values: in debug mode where it was made; the function; its arguments */
  uint16_t count; /* of arguments */
  bool used;
} Coro;

static int k_call(lua_State *L, int status, lua_KContext context) {
  UNUSED(status), UNUSED(context);
  return lua_gettop(L) - 1;
}

static void coro_use(lua_State *L, Coro *coro) {
  if (coro->used) fail_raise(L, FAIL_RUNTIME, "the coroutine object was awaited already");
  coro->used = true;
}

/* Pushes the function and the arguments of the coroutine object at `index`. */
static void coro_push(lua_State *L, int index, const Coro *coro) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, coro->count + 2, "too many arguments");
  for (int i = 0; i <= coro->count; i++) lua_getiuservalue(L, index, i + 1);
}

static int coro_await(lua_State *L, Core *core, Head *head) {
  Coro *coro = (Coro *)head;
  UNUSED(core);
  coro_use(L, coro);
  coro_push(L, 1, coro);
  lua_callk(L, coro->count, LUA_MULTRET, 0, k_call);
  return lua_gettop(L) - 1;
}

/* The function at `first` and the n arguments above it become a coroutine object in their place. */
static Coro *coro_make(lua_State *L, Core *core, int first, int n, bool debug) {
  UNUSED(core);
  if (n > USHRT_MAX - 8) luaL_error(L, "too many arguments");
  Coro *coro = object_new(L, debug ? &coro_debug_type : &coro_type, sizeof *coro, n + 1 + debug);
  coro->count = (uint16_t)n;
  lua_insert(L, first);
  for (int i = n; i >= 0; i--) lua_setiuservalue(L, first, i + 1);
  return coro;
}

/* coroutine object = async_function(...); upvalue 2: the function */
static int async_call(lua_State *L) {
  Core *core = core_of(L);
  int n = lua_gettop(L);
  bool debug = core->debug;
  lua_pushvalue(L, lua_upvalueindex(2));
  if (n > 0) lua_insert(L, 1);
  coro_make(L, core, 1, n, debug);
  if (UNLIKELY(debug)) {
    trace_where(L, L, 1);
    lua_setiuservalue(L, 1, n + 2);
  }
  return 1;
}

/* async function = async(fn) */
static int f_async(lua_State *L) {
  if (!lua_isfunction(L, 1)) {
    if (luaL_getmetafield(L, 1, "__call") == LUA_TNIL) return argument_error(L, 1, "function");
  }
  lua_settop(L, 1);
  lua_pushlightuserdata(L, core_of(L));
  lua_insert(L, 1);
  lua_pushcclosure(L, async_call, 2);
  return 1;
}

/* Debug mode: a coroutine object that nobody awaited. */
static int coro_gc(lua_State *L) {
  Coro *coro = lua_touserdata(L, 1);
  Core *core = core_of(L);
  if (coro->used || core->closed) return 0;
  lua_getiuservalue(L, 1, coro->count + 2);
  report_text(L, core, "a coroutine object was never awaited (made at %s)", lua_tostring(L, -1));
  return 0;
}

void coro_discard(lua_State *L, int index) { ((Coro *)lua_touserdata(L, index))->used = true; }

/* coro:close(): it will not be awaited */
static int coro_close(lua_State *L) {
  Coro *coro = object_check(L, 1, &coro_type);
  coro->used = true;
  return 0;
}

static int coro_tostring(lua_State *L) {
  Coro *coro = object_check(L, 1, &coro_type);
  lua_pushfstring(L, "neap.Coroutine (%s)", coro->used ? "awaited" : "not awaited yet");
  return 1;
}

static const luaL_Reg coro_methods[] = {{"close", coro_close}, {NULL, NULL}};
static const luaL_Reg coro_metamethods[] = {{"__tostring", coro_tostring}, {NULL, NULL}};
static const luaL_Reg coro_debug_metamethods[] = {{"__gc", coro_gc}, {NULL, NULL}};
const Type coro_type = {.name = "neap.Coroutine", .await = coro_await, .methods = coro_methods, .metamethods = coro_metamethods};
const Type coro_debug_type = {.name = "neap.Coroutine", .base = &coro_type, .await = coro_await, .metamethods = coro_debug_metamethods};

/* ---- await ---- */

static bool is_sleep(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA &&
         ((uintptr_t)lua_touserdata(L, index) & ~SLEEP_MASK) == SLEEP_MARK;
}

static int not_awaitable(lua_State *L, int arg) {
  return argument_error(L, arg, "awaitable (coroutine object, future, task, operation, function or a value with __await)");
}

/* Replaces the value at index 1 by its __await function and itself, or raises. */
static void push_await_method(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__await") == LUA_TNIL) not_awaitable(L, 1);
  lua_pushvalue(L, 1);
}

static int await_other(lua_State *L) {
  if (lua_isfunction(L, 1)) {
    lua_pushvalue(L, 1);
    lua_callk(L, 0, LUA_MULTRET, 0, k_call);
  } else {
    push_await_method(L);
    lua_callk(L, 1, LUA_MULTRET, 0, k_call);
  }
  return lua_gettop(L) - 1;
}

/* The task may park here. Extra values above index 1 are dropped. */
static inline int dispatch(lua_State *L, Core *core, Task *task) {
  uintptr_t address = (uintptr_t)lua_touserdata(L, 1); /* no object's address looks like a sleep */
  if ((address & ~SLEEP_MASK) == SLEEP_MARK) return sleep_park(L, core, task, (address & SLEEP_MASK) * 1000, k_plain);
  if (UNLIKELY(lua_gettop(L) != 1)) lua_settop(L, 1);
  Head *head = address ? object_at(L, 1) : NULL;
  if (UNLIKELY(!head)) return await_other(L);
  if (UNLIKELY(!head->type->await)) return not_awaitable(L, 1);
  return head->type->await(L, core, head);
}

int await_value(lua_State *L, Core *core) { return dispatch(L, core, core->current); }

static int await_elsewhere(lua_State *L, Core *core) {
  lua_settop(L, 1);
  if (core->current && core->current->co == L && lua_isyieldable(L)) return await_value(L, core);
  if (core->current || run_active(core)) wait_task(L, core); /* raises */
  check_awaitable(L, 1);
  return run_await(L, core);
}

/* ... = await(awaitable) */
int await_function(lua_State *L) {
  Core *core = core_draining; /* faster than the upvalue; whose task runs on L is the right one */
  Task *task = core ? core->current : NULL;
  if (UNLIKELY(!task || task->co != L || !lua_isyieldable(L))) return await_elsewhere(L, core_of(L));
  return dispatch(L, core, task);
}

void await_push_function(lua_State *L, Core *core) {
  lua_pushvalue(core->service, SERVICE_AWAIT);
  lua_xmove(core->service, L, 1);
}

bool awaitable(lua_State *L, int index) {
  Head *head = object_at(L, index);
  if (head) return head->type->await != NULL;
  if (lua_isfunction(L, index) || is_sleep(L, index)) return true;
  if (luaL_getmetafield(L, index, "__await") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void check_awaitable(lua_State *L, int arg) {
  if (!awaitable(L, arg)) not_awaitable(L, arg);
}

/* is = isawaitable(value): functions are awaitable too */
static int f_isawaitable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, awaitable(L, 1) && !lua_isfunction(L, 1));
  return 1;
}

int await_unpack(Core *core, lua_State *co) {
  lua_State *service = core->service;
  Head *head = object_at(service, -1);
  if (LIKELY(head && (head->type == &coro_type || head->type == &coro_debug_type))) {
    int n = ((Coro *)head)->count, index = lua_gettop(service);
    if (!lua_checkstack(service, n + 2) || !lua_checkstack(co, n + LUA_MINSTACK)) return -1;
    for (int i = 0; i <= n; i++) lua_getiuservalue(service, index, i + 1);
    lua_xmove(service, co, n + 1);
    lua_pop(service, 1);
    return n;
  }
  if (lua_isfunction(service, -1)) {
    lua_xmove(service, co, 1);
    return 0;
  }
  await_push_function(co, core);
  lua_xmove(service, co, 1);
  return 1;
}

void coro_take(lua_State *L, int index) {
  Coro *coro = object_test(L, index, &coro_type);
  if (coro) coro_use(L, coro);
}

void coro_pack(lua_State *L, Core *core, int first) {
  int n = lua_gettop(L) - first;
  coro_make(L, core, first, n, false);
}

Future *ensure_future(lua_State *L, Core *core, int index) {
  lua_pushvalue(L, index);
  Future *future = future_test(L, -1);
  return future ? future : &task_spawn(L, core, lua_gettop(L))->future;
}

/* future = ensure_future(awaitable) */
static int f_ensure_future(lua_State *L) {
  check_awaitable(L, 1);
  ensure_future(L, core_of(L), 1);
  return 1;
}

/* neap.pcall: all errors but the task's own cancellation */
static int k_pcall(lua_State *L, int status, lua_KContext context) {
  Core *core = (Core *)context;
  if (status == LUA_OK || status == LUA_YIELD) {
    return lua_gettop(L); /* true, results */
  }
  Task *task = core->current;
  if (task && task->co == L && task->cancels > 0 && fail_is(L, -1, FAIL_CANCELLED)) return lua_error(L);
  if (fail_is(L, -1, FAIL_INTERRUPT)) return lua_error(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* ok, ... = pcall(fn, ...) */
static int f_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext context = (lua_KContext)core_of(L);
  return k_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, context, k_pcall), context);
}

const luaL_Reg await_functions[] = {
    {"async", f_async},
    {"await", await_function},
    {"sleep", f_sleep},
    {"isawaitable", f_isawaitable},
    {"ensure_future", f_ensure_future},
    {"pcall", f_pcall},
    {NULL, NULL},
};

/* ---- debug mode ---- */

void await_note_delivery(lua_State *L, Core *core, Task *task) {
  lua_Debug frame;
  int level = 0;
  for (; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sn", &frame);
    if (*frame.what == 'C' && frame.name && (!strcmp(frame.name, "pcall") || !strcmp(frame.name, "xpcall"))) break;
  }
  trace_where(L, L, level);
  task_push(L, core, task);
  lua_insert(L, -2);
  slot_set(L, -2, &task->future, SLOT_ORIGIN);
  lua_pop(L, 1);
}

void await_report_swallowed(lua_State *L, Core *core, Task *task) {
  slot_push(L, 1, &task->future, SLOT_ORIGIN);
  task_push_name(L, 1, task);
  report_text(L, core, "task %s swallowed its cancellation (caught at %s): rethrow it, or call uncancel()",
              lua_tostring(L, -1), lua_isstring(L, -2) ? lua_tostring(L, -2) : "?");
  lua_pop(L, 2);
}

enum { SLOW_MS = 100 };

/* nil, core: reports the step that has just ended */
static int report_slow(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  Task *task = core->current;
  lua_settop(L, 0);
  task_push(L, core, task);
  bool ended = object_test(L, 1, &task_type.type) == NULL;
  if (!ended)
    task_push_name(L, 1, task);
  else
    lua_pushfstring(L, "Task-%I", (lua_Integer)task->number);
  trace_where(L, task->co, 0);
  report_text(L, core, "a step of task %s took %d ms, up to %s", lua_tostring(L, 2),
              (int)((uv_hrtime() - core->step_started) / 1000000), ended ? "its end" : lua_tostring(L, -1));
  return 0;
}

void await_check_step(Core *core, Task *task) {
  UNUSED(task);
  if (uv_hrtime() - core->step_started > (uint64_t)SLOW_MS * 1000000) core_call(core, report_slow, 0);
}
