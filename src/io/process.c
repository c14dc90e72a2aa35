/* SPDX-License-Identifier: MIT
 * The pipes are made here and handed to libuv as descriptors: of its own making they would be sockets,
 * which a child cannot open as /dev/stdin. */
#include "io/process.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/stream.h"
#include "kernel/fail.h"
#include "kernel/op.h"
#include "kernel/trace.h"

typedef struct {
  Head head;
  Process *process; /* NULL: not started */
} ProcessBox;

static const Type process_type;

/* ---- the block ---- */

static void release(Process *process) {
  if (process->held || !process->closed) return;
  memory_delete(process);
}

static void on_process_closed(uv_handle_t *handle) {
  Process *process = container_of((uv_process_t *)handle, Process, handle);
  process->closed = true;
  list_remove(&process->all);
  release(process);
}

static void shut(Process *process) {
  uv_handle_t *handle = (uv_handle_t *)&process->handle;
  if (!process->closed && !uv_is_closing(handle)) uv_close(handle, on_process_closed);
}

static void on_exit_of(uv_process_t *handle, int64_t status, int signal) {
  Process *process = container_of(handle, Process, handle);
  process->exited = true;
  process->code = signal ? -(int64_t)signal : status;
  if (!process->lost) tasks_wake(process->core, &process->waiters);
  shut(process);
}

void process_close(Process *process) {
  if (!process->exited && !process->lost) tasks_wake(process->core, &process->waiters);
  process->lost = true;
  shut(process);
}

void process_orphan(Process *process) {
  list_create(&process->waiters);
  process->lost = true;
  shut(process);
}

/* ---- what to start ---- */

enum { AT_SPEC = 1, AT_ARGS, AT_ENV, AT_CWD, AT_MADE, AT_STDIO, AT_BOX, AT_WAIT, AT_PID, AT_STREAMS };

enum { PIPES = 3 };

typedef struct {
  uv_process_options_t options;
  uv_stdio_container_t stdio[PIPES];
  int own[PIPES];   /* descriptors of our ends; -1: none, or a stream has it */
  int other[PIPES]; /* of the child's; -1: none, or not ours */
  Stream *streams[PIPES];
  StreamBox *boxes[PIPES];
  StreamOptions stream;
} Launch;

static void close_ends(int fds[PIPES]) {
  for (int i = 0; i < PIPES; i++) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
  }
}

/* Pushes an array of the strings in the field, a list, with NULL at its end, or nil. The list anchors them. */
static char **push_strings(lua_State *L, const char *field) {
  if (lua_getfield(L, 1, field) == LUA_TNIL) return NULL;
  size_t n = (size_t)luaL_len(L, -1);
  char **strings = lua_newuserdatauv(L, (n + 1) * sizeof *strings, 0);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, field);
    strings[i] = (char *)lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  strings[n] = NULL;
  lua_remove(L, -2);
  return strings;
}

static bool get_id(lua_State *L, const char *field, unsigned *id) {
  bool is = lua_getfield(L, 1, field) == LUA_TNUMBER;
  if (is) *id = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return is;
}

/* A stream that a child gets reads nothing more here. */
static int lend(lua_State *L, Stream *stream) {
  int fd = stream_fd(stream);
  if (fd < 0) stream_raise(L, UV_ECONNABORTED, NULL);
  if (stream->reader) fail_raise(L, FAIL_RUNTIME, "a task is reading from the stream");
  if (buffer_size(&stream->in) > 0) fail_raise(L, FAIL_RUNTIME, "the stream has received bytes that the process would miss");
  if (stream->filter) fail_raise(L, FAIL_RUNTIME, "the stream has a filter");
  read_pause(stream);
  return fd;
}

/* "pipe", "devnull", "stdout", a stream or a number. True: it is to be a pipe, which make_pipes makes. */
static bool get_stdio(lua_State *L, Launch *launch, int i) {
  uv_stdio_container_t *stdio = &launch->stdio[i];
  int type = lua_rawgeti(L, AT_STDIO, i + 1);
  const char *word = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
  bool pipe = strcmp(word, "pipe") == 0;
  StreamBox *box = object_test(L, -1, &stream_type);
  stdio->flags = UV_INHERIT_FD;
  if (pipe) {
    stdio->data.fd = -1;
  } else if (strcmp(word, "stdout") == 0) {
    *stdio = launch->stdio[1];
  } else if (type == LUA_TNUMBER || box) {
    stdio->data.fd = box ? lend(L, stream_check(L, -1)->stream) : (int)lua_tointeger(L, -1);
  } else {
    stdio->flags = UV_IGNORE;
  }
  lua_pop(L, 1);
  return pipe;
}

static int make_pipes(Launch *launch) {
  for (int i = 0; i < PIPES; i++) {
    uv_stdio_container_t *stdio = &launch->stdio[i];
    if (stdio->flags != UV_INHERIT_FD || stdio->data.fd >= 0) continue;
    if (i == 2 && !launch->boxes[2]) { /* where stdout goes */
      *stdio = launch->stdio[1];
      continue;
    }
    int fds[2], status = uv_pipe(fds, i == 0 ? 0 : UV_NONBLOCK_PIPE, i == 0 ? UV_NONBLOCK_PIPE : 0);
    if (status < 0) return status;
    stdio->data.fd = launch->other[i] = fds[i != 0];
    launch->own[i] = fds[i == 0];
  }
  return 0;
}

static int make_streams(Io *io, Launch *launch) {
  for (int i = 0; i < PIPES; i++) {
    int status;
    if (launch->own[i] < 0) continue;
    launch->streams[i] = stream_on(io, &launch->stream, launch->own[i], &status);
    if (!launch->streams[i]) return status;
    launch->own[i] = -1;
    stream_direct(launch->streams[i], i != 0, i == 0);
  }
  return 0;
}

/* Everything that must be undone when something fails: all of it in one go, in which nothing raises. */
static int launch_process(Core *core, Io *io, ProcessBox *box, Launch *launch) {
  Process *process = memory_new(sizeof *process);
  if (!process) return UV_ENOMEM;
  int status = make_pipes(launch);
  if (status == 0) status = make_streams(io, launch);
  if (status == 0) {
    process->core = core;
    list_create(&process->waiters);
    list_create(&process->all);
    list_append(&io->processes, &process->all);
    status = uv_spawn(core->loop, &process->handle, &launch->options);
    process->handle.data = NULL;
    if (status < 0) shut(process); /* nobody holds it: freed when closed */
  } else {
    memory_delete(process);
  }
  close_ends(launch->other);
  close_ends(launch->own);
  for (int i = 0; i < PIPES; i++) {
    if (!launch->streams[i]) continue;
    if (status == 0) {
      stream_box_set(launch->boxes[i], launch->streams[i]);
      stream_opened(launch->streams[i], &launch->stream);
    } else {
      stream_shut(launch->streams[i]);
    }
  }
  if (status < 0) return status;
  process->pid = process->handle.pid;
  process->held = true;
  box->process = process;
  return 0;
}

/* ---- waiting ---- */

/* Its exit code, or the negative of the signal that ended it. */
static int end_wait(lua_State *L, const Process *process) {
  if (!process->exited) return fail_raise(L, FAIL_RUNTIME, "the loop was closed");
  lua_pushinteger(L, process->code);
  return 1;
}

static int k_wait_exit(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_wait_exit, context);
  Task *task = core->current;
  list_remove(&task->wait.u.link);
  if (UNLIKELY(wait_cancelled(task))) return wait_raise(L, core, task);
  return end_wait(L, ((ProcessBox *)((Op *)lua_touserdata(L, 1))->self)->process);
}

static int start_wait_exit(lua_State *L, Core *core, Task *task, Op *op) {
  Process *process = ((ProcessBox *)op->self)->process;
  if (!process) return fail_raise(L, FAIL_RUNTIME, "the process was not started");
  if (process->exited || process->lost) return end_wait(L, process);
  list_append(&process->waiters, &task->wait.u.link);
  return wait_park(L, core, task, abort_link, k_wait_exit, (lua_KContext)core);
}

/* ---- starting ---- */

static void get_options(lua_State *L, uv_process_options_t *options) {
  options->args = push_strings(L, "args");
  options->env = push_strings(L, "env");
  luaL_argcheck(L, options->args && options->args[0], 1, "args");
  options->file = options->args[0];
  lua_getfield(L, 1, "cwd");
  options->cwd = lua_tostring(L, -1);
  if (get_id(L, "uid", &options->uid)) options->flags |= UV_PROCESS_SETUID;
  if (get_id(L, "gid", &options->gid)) options->flags |= UV_PROCESS_SETGID;
  if (field_flag(L, 1, "detached", false)) options->flags |= UV_PROCESS_DETACHED;
  options->exit_cb = on_exit_of;
}

/* process, wait, pid, stdin, stdout, stderr = spawn({args =, stdio =, cwd =, env =, uid =, gid =, detached =, limit =}) */
static int f_spawn(lua_State *L) {
  Core *core = core_of(L);
  Io *io = io_of(L);
  Launch launch;
  memset(&launch, 0, sizeof launch);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  get_options(L, &launch.options);
  launch.options.stdio = launch.stdio;
  launch.options.stdio_count = PIPES;
  launch.stream.limit = field_size(L, 1, "limit", STREAM_LIMIT, 1);
  launch.stream.kind = STREAM_PIPE;
  trace_where(L, L, 1);
  lua_getfield(L, 1, "stdio");
  luaL_argcheck(L, lua_istable(L, AT_STDIO), 1, "stdio");
  ProcessBox *box = object_new(L, &process_type, sizeof *box, 0);
  op_new(L, start_wait_exit, "neap.Process:wait", AT_BOX, 0);
  lua_pushnil(L);
  for (int i = 0; i < PIPES; i++) {
    launch.own[i] = launch.other[i] = -1;
    if (get_stdio(L, &launch, i)) {
      launch.boxes[i] = stream_box_new(L);
      stream_box_origin(L, AT_STREAMS + i, AT_MADE);
    } else {
      lua_pushnil(L);
    }
  }
  int status = launch_process(core, io, box, &launch);
  if (status == 0) {
    lua_pushinteger(L, box->process->pid);
    lua_replace(L, AT_PID);
    return AT_STREAMS + PIPES - AT_BOX;
  }
  lua_pushfstring(L, launch.options.cwd ? "start %s in %s" : "start %s", launch.options.file, launch.options.cwd);
  return fail_raise_uv(L, status, lua_tostring(L, -1));
}

/* ---- the box ---- */

static Process *process_check(lua_State *L) {
  ProcessBox *box = object_check(L, 1, &process_type);
  if (!box->process) fail_raise(L, FAIL_RUNTIME, "the process was not started");
  return box->process;
}

/* Nobody waits: whoever did has the box. What still runs goes on, and does not keep the loop alive. */
static int process_gc(lua_State *L) {
  ProcessBox *box = lua_touserdata(L, 1);
  Process *process = box->process;
  if (!process) return 0;
  box->process = NULL;
  process->held = false;
  list_create(&process->waiters);
  if (!process->closed && !process->exited) uv_unref((uv_handle_t *)&process->handle);
  release(process);
  return 0;
}

/* process:send(signal): nothing, when it has ended */
static int f_send(lua_State *L) {
  Process *process = process_check(L);
  int signal = (int)luaL_checkinteger(L, 2);
  if (process->exited || process->lost) return 0;
  int status = uv_process_kill(&process->handle, signal);
  return status < 0 && status != UV_ESRCH ? fail_raise_uv(L, status, "send_signal") : 0;
}

/* code = process:code(): nil while it runs */
static int f_code(lua_State *L) {
  Process *process = process_check(L);
  if (!process->exited) return 0;
  lua_pushinteger(L, process->code);
  return 1;
}

static const luaL_Reg methods[] = {{"send", f_send}, {"code", f_code}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", process_gc}, {NULL, NULL}};
static const Type process_type = {.name = "neap.process", .methods = methods, .metamethods = metamethods};

static const luaL_Reg functions[] = {{"spawn", f_spawn}, {NULL, NULL}};

void process_open(lua_State *L, Core *core) {
  class_open(L, core, &process_type, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_newtable(L);
  functions_open(L, core, functions);
  lua_setfield(L, -2, "neap.core.process");
  lua_pop(L, 1);
}
