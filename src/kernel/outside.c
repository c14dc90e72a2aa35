/* SPDX-License-Identifier: MIT
 * Each thing that may come from outside is one block with a Job in it, so that delivering it needs no
 * memory of ours and cannot be refused. */
#include "kernel/outside.h"

#include "base/memory.h"
#include "kernel/mailbox.h"
#include "kernel/report.h"
#include "kernel/trace.h"

struct neap_future {
  const neap_api *api; /* first: see NEAP_API_IN */
  Job job;             /* once completed: in the mailbox or the ready queue */
  Job watch;           /* in the Lua future's callbacks */
  Mailbox *mailbox;    /* held */
  Link all;            /* in core->outside, while the core is open */
  Core *core;          /* borrowed, for the loop's thread; NULL once closed */
  Future *future;      /* borrowed: the anchor's */
  uint32_t anchor;     /* 0: nobody wants the results */
  atomic_uint holders; /* the core and the side that completes */
  atomic_bool cancelled, completed;
  void (*on_cancel)(void *data);
  void *cancel_data;
  neap_push push;
  void *data;
};

typedef struct {
  Job job; /* first: told apart by its function */
  neap_push function;
  void *data;
} Post;

struct neap_loop {
  const neap_api *api; /* first */
  Mailbox *mailbox;    /* held */
  Job job;             /* the release */
};

/* ---- protected calls with a pointer ---- */

static int call(Core *core, lua_CFunction function, void *data) {
  lua_State *L = core->from;
  if (!lua_checkstack(L, LUA_MINSTACK)) return LUA_ERRMEM;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, data);
  lua_pushlightuserdata(L, core);
  int status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) lua_pop(L, 1);
  return status;
}

/* ---- futures ---- */

/* Nobody waits for results any more; C's side stays until it completes. */
static void let_go(neap_future *it) {
  if (!it->anchor) return;
  list_remove(&it->watch.link);
  anchor_delete(it->core, it->anchor);
  it->anchor = 0;
  core_expect(it->core, -1);
}

static void release(neap_future *it) {
  if (atomic_fetch_sub_explicit(&it->holders, 1, memory_order_acq_rel) != 1) return;
  mailbox_release(it->mailbox);
  memory_delete(it);
}

/* Completed: what the push has not taken is let go, and the block by the side that completed it. */
static void end(neap_future *it) {
  if (it->push) it->push(NULL, it->data);
  release(it);
}

static void cancelled(neap_future *it) {
  if (atomic_exchange_explicit(&it->cancelled, true, memory_order_acq_rel)) return;
  if (it->on_cancel && !atomic_load_explicit(&it->completed, memory_order_acquire)) it->on_cancel(it->cancel_data);
}

/* The Lua future is done, and not by us. */
static void on_done(Core *core, Job *job) {
  neap_future *it = container_of(job, neap_future, watch);
  UNUSED(core);
  let_go(it);
  cancelled(it);
}

/* neap_future: its push, once */
static int call_push(lua_State *L) {
  neap_future *it = lua_touserdata(L, 1);
  neap_push push = it->push;
  it->push = NULL;
  lua_settop(L, 0);
  return push ? push(L, it->data) : 0;
}

/* neap_future, core */
static int call_complete(lua_State *L) {
  neap_future *it = lua_touserdata(L, 1);
  Core *core = lua_touserdata(L, 2);
  anchor_push(core, L, it->anchor);
  lua_pushcfunction(L, call_push);
  lua_pushlightuserdata(L, it);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  if (future_done(it->future)) return 0; /* by Lua code that the push called */
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (status == LUA_OK)
    future_set_results(L, core, 3, it->future, lua_gettop(L) - 3);
  else
    future_set_error(L, core, 3, it->future);
  return 0;
}

static void on_complete(Core *core, Job *job) {
  neap_future *it = container_of(job, neap_future, job);
  if (it->anchor && !future_done(it->future)) {
    list_remove(&it->watch.link);
    if (call(core, call_complete, it) != LUA_OK && !future_done(it->future)) future_fail_poor(core, it->anchor);
  }
  let_go(it);
  list_remove(&it->all);
  release(it);
  end(it);
}

neap_future *outside_future(lua_State *L, Core *core) {
  if (core->closed) luaL_error(L, "neap is closed in this Lua state");
  Future *future = future_new(L, core, &future_type, sizeof *future);
  anchors_reserve(L, core, 1);
  neap_future *it = memory_new(sizeof *it);
  if (!it) luaL_error(L, "not enough memory");
  it->api = core->mailbox->api;
  it->mailbox = mailbox_hold(core->mailbox);
  it->core = core;
  it->future = future;
  it->anchor = anchor_new(L, core, -1); /* reserved: does not raise */
  it->watch.run = on_done;
  it->job.run = on_complete;
  atomic_init(&it->holders, 2);
  list_create(&it->job.link);
  list_create(&it->all);
  list_append(&core->outside, &it->all);
  list_append(&future->u.callbacks, &it->watch.link);
  core_expect(core, 1);
  return it;
}

void outside_on_cancel(neap_future *it, void (*function)(void *data), void *data) {
  it->on_cancel = function;
  it->cancel_data = data;
}

bool outside_cancelled(neap_future *it) { return atomic_load_explicit(&it->cancelled, memory_order_acquire); }

void outside_complete(neap_future *it, neap_push push, void *data) {
  it->push = push;
  it->data = data;
  atomic_store_explicit(&it->completed, true, memory_order_release);
  if (it->core)
    job_post(it->core, &it->job);
  else
    end(it);
}

void outside_complete_threadsafe(neap_future *it, neap_push push, void *data) {
  it->push = push;
  it->data = data;
  atomic_store_explicit(&it->completed, true, memory_order_release);
  if (!mailbox_post(it->mailbox, &it->job)) end(it);
}

/* ---- posts ---- */

/* function(L, data) */
static int call_post(lua_State *L) {
  Post *post = lua_touserdata(L, 1);
  neap_push function = post->function;
  post->function = NULL;
  lua_settop(L, 0);
  return function(L, post->data);
}

/* post, core */
static int run_post(lua_State *L) {
  Core *core = lua_touserdata(L, 2);
  lua_pushcfunction(L, trace_on_callback_error);
  lua_pushcfunction(L, call_post);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 3) == LUA_OK) return 0;
  if (lua_type(L, -1) != LUA_TTABLE) {
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "exception");
  }
  lua_pushliteral(L, "error in a function posted by another thread");
  lua_setfield(L, -2, "message");
  report(L, core);
  return 0;
}

static void end_post(Post *post) {
  if (post->function) post->function(NULL, post->data);
  memory_delete(post);
}

static void on_post(Core *core, Job *job) {
  Post *post = container_of(job, Post, job);
  call(core, run_post, post);
  end_post(post);
}

bool outside_post(neap_loop *loop, neap_push function, void *data) {
  Post *post = memory_new(sizeof *post);
  if (!post) return false;
  post->job.run = on_post;
  post->function = function;
  post->data = data;
  if (mailbox_post(loop->mailbox, &post->job)) return true;
  memory_delete(post);
  return false;
}

static void on_release(Core *core, Job *job) {
  neap_loop *loop = container_of(job, neap_loop, job);
  if (core) core_expect(core, -1);
  mailbox_release(loop->mailbox);
  memory_delete(loop);
}

neap_loop *outside_loop(lua_State *L, Core *core) {
  if (core->closed) luaL_error(L, "neap is closed in this Lua state");
  neap_loop *loop = memory_new(sizeof *loop);
  if (!loop) luaL_error(L, "not enough memory");
  loop->api = core->mailbox->api;
  loop->mailbox = mailbox_hold(core->mailbox);
  loop->job.run = on_release;
  core_expect(core, 1);
  return loop;
}

void outside_release(neap_loop *loop) {
  if (!mailbox_post(loop->mailbox, &loop->job)) on_release(NULL, &loop->job);
}

/* ---- work on the thread pool ---- */

typedef struct {
  uv_work_t request;
  Handles *handles; /* held */
  neap_future *future;
  void (*work)(void *data);
  neap_push push;
  void *data;
} Work;

static void on_work(uv_work_t *request) {
  Work *it = container_of(request, Work, request);
  it->work(it->data);
}

static void on_worked(uv_work_t *request, int status) {
  Work *it = container_of(request, Work, request);
  UNUSED(status); /* UV_ECANCELED: the future was cancelled, so the push only releases */
  outside_complete(it->future, it->push, it->data);
  handles_release(it->handles);
  memory_delete(it);
}

static void on_unwanted(void *data) { uv_cancel((uv_req_t *)&((Work *)data)->request); }

void outside_work(lua_State *L, Core *core, void (*work)(void *data), neap_push push, void *data) {
  neap_future *future = outside_future(L, core);
  Work *it = memory_new(sizeof *it);
  int status = UV_ENOMEM;
  if (it) {
    *it = (Work){.handles = core->handles, .future = future, .work = work, .push = push, .data = data};
    status = uv_queue_work(core->loop, &it->request, on_work, on_worked); /* from here on threads have it */
  }
  if (status < 0) {
    memory_delete(it);
    let_go(future);
    list_remove(&future->all);
    release(future);
    release(future);
    luaL_error(L, "neap_work: %s", uv_strerror(status));
  }
  handles_hold(core->handles);
  outside_on_cancel(future, on_unwanted, it);
}

/* ---- the end ---- */

static void orphan(Job *job) {
  if (job->run == on_post) {
    end_post(container_of(job, Post, job));
  } else if (job->run == on_release) {
    on_release(NULL, job);
  } else {
    neap_future *it = container_of(job, neap_future, job);
    list_remove(&it->watch.link);
    list_remove(&it->all);
    release(it);
    end(it);
  }
}

void outside_close(Core *core) {
  /* First, while what a thread completes comes here: so no push is called during on_cancel. */
  list_each(link, &core->outside) cancelled(container_of(link, neap_future, all));
  mailbox_close(core, orphan); /* nothing arrives any more */
  Link jobs;
  list_create(&jobs);
  list_splice(&jobs, &core->ready);
  while (!list_empty(&jobs)) { /* one may take others out */
    Job *job = container_of(list_shift(&jobs), Job, link);
    if (job->run == on_post || job->run == on_release || job->run == on_complete)
      orphan(job);
    else
      list_append(&core->ready, &job->link);
  }
  while (!list_empty(&core->outside)) { /* not completed yet */
    neap_future *it = container_of(list_shift(&core->outside), neap_future, all);
    list_remove(&it->watch.link);
    it->core = NULL;
    it->anchor = 0;
    release(it);
  }
}
