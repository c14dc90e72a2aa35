/* SPDX-License-Identifier: MIT
 *
 * neap's C interface: asyncio for Lua 5.4, for C and C++ programs that have a Lua state, and for C
 * modules whose functions Lua code awaits.
 *
 * Nothing is linked. The functions below are inline and find the library through a table in the Lua
 * registry, which is there once `neap` was required (neap_open does that). So a host needs Lua alone, a
 * module needs this header alone, and both work with a neap built as a module, as a library, or compiled
 * into the program. The table only ever grows: what is compiled against this header works with every
 * later 1.x, and NEAP_ABI says what it was compiled against.
 *
 *
 * HOW TO READ THIS
 *
 * [-n, +m] is what a function pops from and pushes on the Lua stack. Then who may call it:
 *
 *   host      outside neap's tasks, on any Lua thread of the state: from main(), a frame, a uv callback of
 *             the host's own. Errors are statuses, as lua_pcall's, with the error object at the top; nothing
 *             is raised. neap_run, neap_turn and neap_close run the loop: never in a callback of it.
 *   function  inside a C function that Lua calls. It may raise a Lua error (all of these may, for want of
 *             memory). So hold no malloc'd memory across it that no userdata owns.
 *   callback  anywhere on the loop's thread, without a Lua state, uv callbacks included. Nothing is raised.
 *   thread    on any thread, at any time, also after the state was closed. Nothing is raised.
 *
 * A Lua state belongs to one thread at a time, and the loop to the same one. Several states, each with its
 * loop, live in one process, on as many threads.
 *
 *
 * A HOST, WHOLE
 *
 *   lua_State *L = luaL_newstate();
 *   luaL_openlibs(L);
 *   if (neap_open(L, NULL) != LUA_OK) die(lua_tostring(L, -1));
 *   luaL_loadfile(L, "script.lua");
 *   if (neap_run(L, 0, 0) != LUA_OK) die(luaL_tolstring(L, -1, NULL));
 *   neap_close(L);
 *   lua_close(L);
 *
 * examples/embed has hosts of every kind, docs/embedding.md the guide. */
#ifndef NEAP_H
#define NEAP_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#define NEAP_ABI 1
#define NEAP_VERSION "0.1.0" /* the only place where it stands */

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* uv_loop_t */

typedef struct neap_api neap_api;
typedef struct neap_loop neap_loop;     /* a state's loop, as other threads know it */
typedef struct neap_future neap_future; /* a future that C completes */
typedef struct neap_stream neap_stream; /* a stream that a filter is on */
typedef struct neap_wait neap_wait;

/* Makes results of `data`: pushes them and returns their number, on the loop's thread. It may raise; then
 * the future fails with that error. Called exactly once, and the data is its own to release, before it
 * raises at the latest. L is NULL when nobody takes results any more (the future was cancelled, the state is
 * closed; then maybe on the thread that completes) or there is no memory for the call: then it only releases. */
typedef int (*neap_push)(lua_State *L, void *data);

/* ---------------------------------------------------------------------------------------------------
 * Opening and closing
 * --------------------------------------------------------------------------------------------------- */

/* neap_open: [-0, +1]  host, function (protected all the same)
 *
 * Requires `neap` on a loop and pushes the module; or an error, and returns a status that is not LUA_OK.
 *   loop  NULL: luv's own for this state, which goes with the state. Or the host's, initialised by the libuv
 *         that luv uses, which it runs, or lets neap run, and closes itself, after lua_close.
 * luv and neap must be found: in package.path and package.cpath, or in package.preload, where a program
 * that has neap compiled in puts it (neap_preload, in neap_static.h).
 * Fails when luv or neap cannot be loaded, when luv is on another loop already, when neap is older than this
 * header, when memory or descriptors are short. Opening again, with the same loop or NULL, gives the same;
 * after a failure another loop may be tried, unless luv was loaded meanwhile. */
static inline int neap_open(lua_State *L, struct uv_loop_s *loop);

/* neap_uv_loop: [-0, +0]  host, function
 *
 * The loop neap is on, for handles of one's own: made by the libuv that made the loop (the program's only
 * one), with `data` NULL or never set before luv is closed: luv takes handles with data for its own. */
static inline struct uv_loop_s *neap_uv_loop(lua_State *L);

/* neap_close: [-0, +0]  host
 *
 * Ends everything: cancels all tasks and waits for them (10 seconds; then cancellation is repeated), closes
 * streams, servers and all of luv's handles, and turns the loop until they are gone. Work that has begun is
 * waited for, and so are the loop's requests, luv's and the host's (10 seconds). What of the host's own is on
 * its loop stays, and its callbacks run meanwhile. Errors nobody retrieved are reported. Afterwards
 * neap does nothing on this state: its functions raise. To be followed by lua_close and, for a loop of the
 * host's, by uv_loop_close. Without neap_close, lua_close alone leaves closed handles on the host's loop, which
 * must run once more before it can be closed, and luv's requests that come back to a state that is gone.
 * Does nothing if neap was not opened or was closed, and inside a task. */
static inline void neap_close(lua_State *L);

/* neap_after_fork: [-0, +0]  host; in the child only
 *
 * After fork() the child shares the parent's kernel queue: to go on with neap it must call this first, else
 * run, turn and top-level await fail with an error that says so. (Lua code: neap.after_fork().) Tasks and timers
 * go on in both. Returns 0 or a negative uv error. Threads of the parent are not in the child: what they
 * would have completed never is, and their requests keep uv_loop_close from succeeding. A child that does not go
 * on with neap calls neap_close, which in it ends no tasks, or leaves the state alone: lua_close would close
 * descriptors, which takes them out of the parent's queue too. */
static inline int neap_after_fork(lua_State *L);

/* ---------------------------------------------------------------------------------------------------
 * Running
 * --------------------------------------------------------------------------------------------------- */

/* neap_run: [-(nargs + 1), +(nresults | 1)]  host
 *
 * As lua_pcall, but what is called runs as a task, under neap.run: until it has ended and all tasks it left
 * have been cancelled and have ended. The loop runs meanwhile. The error is what the task raised, with its
 * traceback in `.traceback` when it is an object of neap; a deadlock and Ctrl-C (SIGINT, on the main
 * thread, unless the host has a handler) are errors too. Fails when the loop is running already. */
static inline int neap_run(lua_State *L, int nargs, int nresults);

/* neap_spawn: [-(nargs + 1), +1]  host, function (protected all the same)
 *
 * Pushes a task that calls the function with the arguments; it starts in the loop's next turn. Keep it
 * (luaL_ref) to cancel it and to learn its result; the loop keeps it until it is done anyway. An error that
 * nobody retrieves is reported (neap.set_exception_handler). name: of the task, in reports; or NULL. */
static inline int neap_spawn(lua_State *L, const char *name, int nargs);

/* neap_cancel: [-0, +0]  host, function
 *
 * Asks the future or task at `index` to be cancelled, as its method cancel: true if it was not done. */
static inline bool neap_cancel(lua_State *L, int index);

/* neap_result: [-0, +(nresults | 1 | 0)]  host, function
 *
 * What became of the future or task at `index`: LUA_YIELD, it is not done, nothing is pushed. LUA_OK, and its
 * results, adjusted to nresults. Another status, and its error, a CancelledError if it was cancelled. */
static inline int neap_result(lua_State *L, int index, int nresults);

/* neap_turn: [-0, +0]  host
 *
 * For programs that have a loop of their own and give neap a slice of it. Polls without waiting, runs the
 * callbacks of what has happened and the tasks that are ready, and goes on so until nothing is ready or
 * `seconds` have passed. The time is looked at after every step of a task; a single step is not interrupted. 0:
 * one round, of at most 128 steps. Returns true if something is ready still. Errors in tasks stay in the tasks.
 * Returns false and does nothing if neap runs already, is closed, or was forked (neap_after_fork). */
static inline bool neap_turn(lua_State *L, double seconds);

/* neap_timeout: [-0, +0]  host
 *
 * Milliseconds until neap_turn has something to do though no descriptor is ready: 0 is now, -1 is never. A poll loop
 * waits so long at most for neap_backend_fd, which is readable when neap_turn has I/O to do; -1 where there is
 * no such descriptor (Windows). To be asked right before the wait. Unlike uv_backend_timeout it is -1 when nothing is
 * waited for, and 0 as long as libuv has not told the kernel of all descriptors, so that none is missed. */
static inline int neap_timeout(lua_State *L);
static inline int neap_backend_fd(lua_State *L);

/* ---------------------------------------------------------------------------------------------------
 * Futures that C completes
 * --------------------------------------------------------------------------------------------------- */

/* neap_future_new: [-0, +1]  function, host with memory to spare (it raises when there is none)
 *
 * Pushes a neap.Future and returns C's side of it, which is to be completed exactly once, with one of the
 * functions below; it is gone after that. It holds the future and keeps the loop alive: one that C never
 * completes is never collected, and waiting for it is no deadlock. Tasks that await it wait; cancelling it (a task
 * that awaits it, wait_for), or completing it from Lua, leaves C's side valid, and the completion then only
 * releases its data. */
static inline neap_future *neap_future_new(lua_State *L);

/* neap_future_on_cancel: callback; before the future is handed to another thread
 *
 * Calls function(data) once, on the loop's thread, in the round after Lua cancels the future, or when the state is
 * closed: the work can be given up. It must not complete the future at once. It is not called after completion,
 * nor while or after the push is. */
static inline void neap_future_on_cancel(neap_future *future, void (*function)(void *data), void *data);

/* neap_future_cancelled: thread
 *
 * Has Lua cancelled the future, or was the state closed? Long work looks, now and then. */
static inline bool neap_future_cancelled(neap_future *future);

/* neap_complete: callback
 *
 * Completes the future with what push(L, data) makes, in the loop's next round of ready tasks. push NULL: with no
 * value. */
static inline void neap_complete(neap_future *future, neap_push push, void *data);

/* neap_complete_threadsafe: thread
 *
 * The same from any thread; it wakes the loop. Cheap: a lock, and a wake-up once a batch. Order is kept among
 * completions of one thread. */
static inline void neap_complete_threadsafe(neap_future *future, neap_push push, void *data);

/* neap_loop_of: [-0, +0]  function, host     neap_loop_release: thread     neap_post: thread
 *
 * neap_post calls function(L, data) on the loop's thread soon, protected: errors go to the exception handler.
 * What it returns is ignored. For events that come more than once: a thread that feeds a neap.Queue. False if the
 * state is closed or there is no memory: then function was not called, the data is the caller's. If it closes
 * later, function is called with L NULL. The handle may be kept and used as long as one likes, and keeps the loop
 * alive; release it once. */
static inline neap_loop *neap_loop_of(lua_State *L);
static inline void neap_loop_release(neap_loop *loop);
static inline bool neap_post(neap_loop *loop, neap_push function, void *data);

/* neap_work: [-0, +1]  function
 *
 * Runs work(data) on libuv's thread pool and pushes a future of what push(L, data) then makes, on the loop's
 * thread. A cancelled future takes work that has not begun out of the pool, lets what has begun end, and
 * then calls push with L NULL. If neap_work raises, neither is called and the data is the caller's. */
static inline void neap_work(lua_State *L, void (*work)(void *data), neap_push push, void *data);

/* ---------------------------------------------------------------------------------------------------
 * C functions that Lua awaits
 * --------------------------------------------------------------------------------------------------- */

/* A task that is parked in a C function. It stands in the caller's own structure, which must stay until the
 * continuation runs or the state is closed; the fields are neap's, but for `abort`. Zero it before its first use. */
struct neap_wait {
  void (*abort)(neap_wait *wait); /* callback: the task was cancelled; undo, so that nothing wakes it */
  void *private_[2];
};

/* neap_park: [-?, +0]  function; in a task
 *
 * Suspends the running task until neap_wake(wait). To be called as `return neap_park(...)`, like lua_yieldk: the
 * function does not return, k runs when the task goes on, on the same stack (everything on it stays).
 *
 *   int k(lua_State *L, int status, lua_KContext context) {
 *     Mine *mine = (Mine *)context;
 *     if (neap_cancelled(L)) { clean up; return neap_raise_cancelled(L); }
 *     push results; return their number;
 *   }
 *
 * abort, unless NULL, is called at once when the task is cancelled; then the task goes on, cancelled. With NULL
 * the cancellation waits for the wake-up. abort may also be called before neap_park suspends, when a cancellation
 * was pending. Where the coroutine cannot yield, neap_park sets the C stack aside, calls k itself and returns what that
 * returns: write `return neap_park(...)`. A k that parks again nests there; some thousand times, then it is an error.
 * A state that closes meanwhile cancels such a task; without an abort the wait is given up, and k not called.
 * Raises where nobody can be suspended: outside tasks, in callbacks; before anything has happened. */
static inline int neap_park(lua_State *L, neap_wait *wait, lua_KFunction k, lua_KContext context);

/* neap_wake: callback
 *
 * The parked task goes on in the next round. Waking twice, or one that was cancelled, does nothing, nor does waking
 * after neap_close; not after lua_close. */
static inline void neap_wake(neap_wait *wait);

/* neap_parked: callback. Is a task parked there, not yet woken nor cancelled? */
static inline bool neap_parked(const neap_wait *wait) { return wait->private_[1] != NULL; }

/* neap_cancelled: [-0, +0]  function; first thing in a continuation
 *
 * Is the task to be cancelled, rather than to go on? It can be so although it was woken: a cancellation may
 * come between the wake-up and the continuation. Then release what the wake-up brought, and raise. */
static inline bool neap_cancelled(lua_State *L);
static inline int neap_raise_cancelled(lua_State *L); /* [-0, +0] raises the CancelledError; `return` it */

/* neap_pushasync: [-nup, +1]  function
 *
 * Pushes what neap.async makes of a C function with nup upvalues: an async function. Called, it gives a coroutine
 * object; awaited, that calls the function, which may park. So it composes with gather, wait_for, create_task. */
static inline void neap_pushasync(lua_State *L, lua_CFunction function, int nup);

/* neap_wait_fd: [-?, +0]  function; in a task
 *
 * As neap_park, until the descriptor is ready: events is NEAP_READ, NEAP_WRITE or both. The continuation finds those
 * that are, as an integer, at the top; after a cancellation nil. With an error (a pipe that nobody reads any more)
 * it finds all that was asked for, and NEAP_ERROR. A hang-up is something to read. Any number of tasks may wait
 * for one descriptor, which becomes non-blocking. Raises EPERM for regular files, EBADF, EINVAL, and EEXIST when a
 * handle of the loop watches it already (a stream's).
 *
 * The descriptor must stay open while a task waits. One that is closed before the kernel was told of it, or whose
 * number is another file's meanwhile, is EBADF, raised in the place of k; else the task may wait for ever.
 * (Lua code: neap.wait_fd.) */
enum { NEAP_READ = 1, NEAP_WRITE = 2, NEAP_ERROR = 4 };
static inline int neap_wait_fd(lua_State *L, int fd, int events, lua_KFunction k, lua_KContext context);

/* ---------------------------------------------------------------------------------------------------
 * Filters: a protocol between a stream and its socket
 * --------------------------------------------------------------------------------------------------- */

/* What a filter does. All but `info` are callbacks, on the loop's thread. A negative uv error as result loses the
 * connection with that error, as neap_stream_fail. Of them received and write must be there, the others may be
 * NULL: then the peer's end is Lua's too. */
typedef struct {
  size_t size;                                                    /* sizeof(neap_filter) */
  int (*received)(void *self, const char *data, size_t size);     /* from the socket: feed what it means */
  int (*ended)(void *self);                                       /* the peer has sent everything: once */
  int (*write)(void *self, const char *data, size_t size);        /* Lua writes: send what it becomes */
  int (*write_eof)(void *self);                                   /* write_eof() or close(): send what ends it, once */
  void (*destroy)(void *self);                                    /* the last call; in lua_close at the latest */
  void (*over)(void *self, int status);                           /* closed, aborted (UV_ECONNABORTED) or lost: wake who waits */
  int (*info)(lua_State *L, void *self, const char *name);        /* function: get_extra_info(name): push and return 1; 0: unknown */
} neap_filter;

/* neap_filter_set: [-0, +0]  function
 *
 * Puts a filter on the open stream at `index`. What was received and not yet read goes through it in the next
 * round; nothing is called before neap_filter_set has returned. One filter a stream; it stays until the stream is
 * closed. self is the filter's from now on, destroy(self) its end; when neap_filter_set raises (no stream, closed or
 * at its end, a filter is there, a task reads) it is still the caller's. The result is valid until destroy. */
static inline neap_stream *neap_filter_set(lua_State *L, int index, const neap_filter *filter, void *self);

/* callback; 0 or a negative uv error. feed: bytes for Lua to read, copied; the stream's limits pause the socket.
 * feed_eof: nothing follows. send: bytes for the socket, copied when it does not take them at once; UV_EPIPE after
 * write_eof. fail: the connection is lost with this negative uv error; message, copied, says why, or NULL. What was
 * sent before still leaves, then the socket is closed. */
static inline int neap_stream_feed(neap_stream *stream, const char *data, size_t size);
static inline void neap_stream_feed_eof(neap_stream *stream);
static inline int neap_stream_send(neap_stream *stream, const char *data, size_t size);
static inline void neap_stream_fail(neap_stream *stream, int status, const char *message);

/* neap_stream_room: callback
 *
 * Where the next bytes to feed may be put, at least `least`: feeding from there copies nothing. How many there
 * is room for comes in *size. NULL without memory. Valid until anything else is done with the stream. */
static inline char *neap_stream_room(neap_stream *stream, size_t least, size_t *size);

/* neap_stream_linger: callback
 *
 * How long close() waits for the peer, 0 unless set: meanwhile the filter goes on receiving, what it feeds is dropped, and
 * the socket is closed after feed_eof, the peer's end or an error. After so many seconds it is closed in any case,
 * and wait_closed() raises TimeoutError. */
static inline void neap_stream_linger(neap_stream *stream, double seconds);

/* neap_stream_hold: callback. The filter holds back so many bytes that Lua wrote: they count as unsent. */
static inline void neap_stream_hold(neap_stream *stream, size_t size);

/* neap_stream_fail_with: callback
 *
 * As neap_stream_fail; everybody who is told of the loss gets an error object that push makes, in the place of an OSError.
 * The error is the stream's from now on, in the filter's own structure: destroy(error) is its end. */
typedef struct neap_error neap_error;
struct neap_error {
  void (*push)(lua_State *L, neap_error *error); /* function: [-0, +1] */
  void (*destroy)(neap_error *error);            /* callback */
};
static inline void neap_stream_fail_with(neap_stream *stream, int status, neap_error *error);

/* ---------------------------------------------------------------------------------------------------
 * The table behind it
 * --------------------------------------------------------------------------------------------------- */

#define NEAP_API_KEY "neap.api"   /* registry: the table, a light userdata */
#define NEAP_LOOP_KEY "neap.loop" /* registry: the loop that neap is to be opened on */

struct neap_api {
  int abi;     /* of the library; what is compiled against a smaller one works */
  size_t size; /* of this structure */
  struct uv_loop_s *(*uv_loop)(lua_State *L);
  void (*close)(lua_State *L);
  int (*after_fork)(lua_State *L);
  int (*run)(lua_State *L, int nargs, int nresults);
  int (*spawn)(lua_State *L, const char *name, int nargs);
  bool (*cancel)(lua_State *L, int index);
  int (*result)(lua_State *L, int index, int nresults);
  bool (*turn)(lua_State *L, double seconds);
  int (*timeout)(lua_State *L);
  int (*backend_fd)(lua_State *L);
  neap_future *(*future_new)(lua_State *L);
  void (*future_on_cancel)(neap_future *future, void (*function)(void *data), void *data);
  bool (*future_cancelled)(neap_future *future);
  void (*complete)(neap_future *future, neap_push push, void *data);
  void (*complete_threadsafe)(neap_future *future, neap_push push, void *data);
  neap_loop *(*loop_of)(lua_State *L);
  void (*loop_release)(neap_loop *loop);
  bool (*post)(neap_loop *loop, neap_push function, void *data);
  void (*work)(lua_State *L, void (*work)(void *data), neap_push push, void *data);
  int (*park)(lua_State *L, neap_wait *wait, lua_KFunction k, lua_KContext context);
  void (*wake)(neap_wait *wait);
  bool (*cancelled)(lua_State *L);
  int (*raise_cancelled)(lua_State *L);
  void (*pushasync)(lua_State *L, lua_CFunction function, int nup);
  int (*wait_fd)(lua_State *L, int fd, int events, lua_KFunction k, lua_KContext context);
  neap_stream *(*filter_set)(lua_State *L, int index, const neap_filter *filter, void *self);
  int (*stream_feed)(neap_stream *stream, const char *data, size_t size);
  void (*stream_feed_eof)(neap_stream *stream);
  int (*stream_send)(neap_stream *stream, const char *data, size_t size);
  void (*stream_fail)(neap_stream *stream, int status, const char *message);
  char *(*stream_room)(neap_stream *stream, size_t least, size_t *size);
  void (*stream_linger)(neap_stream *stream, double seconds);
  void (*stream_hold)(neap_stream *stream, size_t size);
  void (*stream_fail_with)(neap_stream *stream, int status, neap_error *error);
};

/* The table of a state; NULL: neap was not required, or is older than this header. */
static inline const neap_api *neap_api_find(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, NEAP_API_KEY);
  const neap_api *api = (const neap_api *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return api && api->abi >= NEAP_ABI ? api : NULL;
}

/* The table, or a Lua error. */
static inline const neap_api *neap_api_of(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  if (!api) luaL_error(L, "neap is not open in this Lua state, or older than this program: require \"neap\" 1.x first");
  return api;
}

/* Objects that other threads have begin with a pointer to the table. */
#define NEAP_API_IN(object) (*(const neap_api *const *)(const void *)(object))

static inline int neap_open_protected_(lua_State *L) {
  void *loop = lua_touserdata(L, 1);
  if (loop) {
    lua_pushlightuserdata(L, loop);
    lua_setfield(L, LUA_REGISTRYINDEX, NEAP_LOOP_KEY);
  }
  lua_getglobal(L, "require");
  lua_pushstring(L, "neap");
  int status = lua_pcall(L, 1, 1, 0);
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAP_LOOP_KEY);
  if (status != LUA_OK) return lua_error(L);
  if (loop && neap_api_of(L)->uv_loop(L) != (struct uv_loop_s *)loop)
    return luaL_error(L, "neap is open already in this Lua state, on another loop");
  neap_api_of(L);
  return 1;
}

static inline int neap_open(lua_State *L, struct uv_loop_s *loop) {
  lua_pushcfunction(L, neap_open_protected_);
  lua_pushlightuserdata(L, loop);
  return lua_pcall(L, 1, 1, 0);
}

static inline int neap_not_open_(lua_State *L, int pop) {
  lua_settop(L, -pop - 1);
  lua_pushstring(L, "neap is not open in this Lua state");
  return LUA_ERRRUN;
}

static inline void neap_close(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  if (api) api->close(L);
}
static inline int neap_after_fork(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  return api ? api->after_fork(L) : 0;
}
static inline struct uv_loop_s *neap_uv_loop(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  return api ? api->uv_loop(L) : NULL;
}
static inline int neap_run(lua_State *L, int nargs, int nresults) {
  const neap_api *api = neap_api_find(L);
  return api ? api->run(L, nargs, nresults) : neap_not_open_(L, nargs + 1);
}
static inline int neap_spawn(lua_State *L, const char *name, int nargs) {
  const neap_api *api = neap_api_find(L);
  return api ? api->spawn(L, name, nargs) : neap_not_open_(L, nargs + 1);
}
static inline bool neap_cancel(lua_State *L, int index) {
  const neap_api *api = neap_api_find(L);
  return api && api->cancel(L, index);
}
static inline int neap_result(lua_State *L, int index, int nresults) {
  const neap_api *api = neap_api_find(L);
  return api ? api->result(L, index, nresults) : neap_not_open_(L, 0);
}
static inline bool neap_turn(lua_State *L, double seconds) {
  const neap_api *api = neap_api_find(L);
  return api && api->turn(L, seconds);
}
static inline int neap_timeout(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  return api ? api->timeout(L) : -1;
}
static inline int neap_backend_fd(lua_State *L) {
  const neap_api *api = neap_api_find(L);
  return api ? api->backend_fd(L) : -1;
}
static inline neap_future *neap_future_new(lua_State *L) { return neap_api_of(L)->future_new(L); }
static inline void neap_future_on_cancel(neap_future *future, void (*function)(void *data), void *data) {
  NEAP_API_IN(future)->future_on_cancel(future, function, data);
}
static inline bool neap_future_cancelled(neap_future *future) { return NEAP_API_IN(future)->future_cancelled(future); }
static inline void neap_complete(neap_future *future, neap_push push, void *data) {
  NEAP_API_IN(future)->complete(future, push, data);
}
static inline void neap_complete_threadsafe(neap_future *future, neap_push push, void *data) {
  NEAP_API_IN(future)->complete_threadsafe(future, push, data);
}
static inline neap_loop *neap_loop_of(lua_State *L) { return neap_api_of(L)->loop_of(L); }
static inline void neap_loop_release(neap_loop *loop) { NEAP_API_IN(loop)->loop_release(loop); }
static inline bool neap_post(neap_loop *loop, neap_push function, void *data) {
  return NEAP_API_IN(loop)->post(loop, function, data);
}
static inline void neap_work(lua_State *L, void (*work)(void *data), neap_push push, void *data) {
  neap_api_of(L)->work(L, work, push, data);
}
static inline int neap_park(lua_State *L, neap_wait *wait, lua_KFunction k, lua_KContext context) {
  return neap_api_of(L)->park(L, wait, k, context);
}
static inline void neap_wake(neap_wait *wait) {
  if (wait->private_[1]) NEAP_API_IN(wait->private_[0])->wake(wait);
}
static inline bool neap_cancelled(lua_State *L) { return neap_api_of(L)->cancelled(L); }
static inline int neap_raise_cancelled(lua_State *L) { return neap_api_of(L)->raise_cancelled(L); }
static inline void neap_pushasync(lua_State *L, lua_CFunction function, int nup) {
  neap_api_of(L)->pushasync(L, function, nup);
}
static inline int neap_wait_fd(lua_State *L, int fd, int events, lua_KFunction k, lua_KContext context) {
  return neap_api_of(L)->wait_fd(L, fd, events, k, context);
}
static inline neap_stream *neap_filter_set(lua_State *L, int index, const neap_filter *filter, void *self) {
  return neap_api_of(L)->filter_set(L, index, filter, self);
}
static inline int neap_stream_feed(neap_stream *stream, const char *data, size_t size) {
  return NEAP_API_IN(stream)->stream_feed(stream, data, size);
}
static inline void neap_stream_feed_eof(neap_stream *stream) { NEAP_API_IN(stream)->stream_feed_eof(stream); }
static inline int neap_stream_send(neap_stream *stream, const char *data, size_t size) {
  return NEAP_API_IN(stream)->stream_send(stream, data, size);
}
static inline void neap_stream_fail(neap_stream *stream, int status, const char *message) {
  NEAP_API_IN(stream)->stream_fail(stream, status, message);
}
static inline char *neap_stream_room(neap_stream *stream, size_t least, size_t *size) {
  return NEAP_API_IN(stream)->stream_room(stream, least, size);
}
static inline void neap_stream_linger(neap_stream *stream, double seconds) {
  NEAP_API_IN(stream)->stream_linger(stream, seconds);
}
static inline void neap_stream_hold(neap_stream *stream, size_t size) { NEAP_API_IN(stream)->stream_hold(stream, size); }
static inline void neap_stream_fail_with(neap_stream *stream, int status, neap_error *error) {
  NEAP_API_IN(stream)->stream_fail_with(stream, status, error);
}

#ifdef __cplusplus
}
#endif

#endif
