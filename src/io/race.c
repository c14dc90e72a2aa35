/* SPDX-License-Identifier: MIT
 * Nothing raises between the first attempt and the end of the race: the sockets and the timer are in order
 * whatever memory there is. */
#include "io/race.h"

#include "kernel/fail.h"

enum { UNDER_WAY = 1 }; /* as a connect_status */

typedef struct {
  Address address;
  Stream *stream; /* held, while it is under way; else NULL */
  int status;     /* of one that failed */
} Attempt;

typedef struct {
  Head head;
  Core *core; /* borrowed */
  Io *io;     /* borrowed */
  Task *task; /* borrowed: it waits */
  const StreamOptions *stream; /* borrowed */
  const RaceOptions *options;  /* borrowed */
  Timer pause; /* until the next attempt */
  bool due;    /* the next one may begin */
  size_t next; /* how many have begun */
  size_t count;
  Attempt attempts[];
} Race;

/* ---- the attempts ---- */

static void on_connected(uv_connect_t *request, int status) {
  Stream *stream = container_of(request, Stream, request.connect);
  if (stream->shut) return;
  stream->connect_status = status;
  read_wake(stream); /* the one who connects waits where readers will */
}

static void on_race_pause(Core *core, Job *job) {
  Race *race = container_of(job, Race, pause.job);
  race->due = true;
  if (wait_pending(race->task)) wait_post(core, race->task);
}

static int attempt_connect(Attempt *attempt, const RaceOptions *options) {
  Stream *stream = attempt->stream;
  const Address *local = &options->local;
  int status = local->any.sa_family ? uv_tcp_bind(&stream->tcp, &local->any, 0) : 0;
  if (status < 0) return status;
  return uv_tcp_connect(&stream->request.connect, &stream->tcp, &attempt->address.any, on_connected);
}

static void attempt_end(Attempt *attempt, int status) {
  Stream *stream = attempt->stream;
  attempt->status = status;
  if (!stream) return;
  attempt->stream = NULL;
  stream->reader = NULL;
  stream_discard(stream);
}

static void attempt_begin(Race *race, Attempt *attempt) {
  int status;
  Stream *stream = stream_new(race->io, race->stream, &status);
  if (stream) {
    attempt->stream = stream;
    stream->held = true;
    stream->reader = race->task;
    stream->connect_status = UNDER_WAY;
    status = attempt_connect(attempt, race->options);
  }
  if (status < 0) attempt_end(attempt, status);
}

/* ---- how it goes ---- */

/* Closes whatever is under way. */
static void race_end(Race *race) {
  if (!race->core->closed) timer_disarm(race->core, &race->pause);
  for (size_t i = 0; i < race->next; i++) attempt_end(&race->attempts[i], race->attempts[i].status);
}

static bool abort_race(Core *core, Task *task, lua_State *L, int message) {
  bool pending = wait_pending(task), accepted = wait_abort(core, task, L, message);
  if (pending) race_end(task->wait.u.on);
  return accepted;
}

static int race_gc(lua_State *L) {
  race_end(lua_touserdata(L, 1));
  return 0;
}

/* Ends what has failed. The one that is connected, or NULL; *busy: how many are under way. */
static Attempt *race_look(Race *race, size_t *busy) {
  *busy = 0;
  for (size_t i = 0; i < race->next; i++) {
    Attempt *attempt = &race->attempts[i];
    if (!attempt->stream) continue;
    int status = attempt->stream->shut ? UV_ECONNABORTED : attempt->stream->connect_status;
    if (status == 0) return attempt;
    if (status == UNDER_WAY) {
      ++*busy;
      continue;
    }
    attempt_end(attempt, status);
    race->due = true;
  }
  return NULL;
}

/* Begins the next attempt; true: it is under way. Decides when the one after it is due. */
static bool race_try(Race *race) {
  Core *core = race->core;
  double delay = race->options->delay;
  Attempt *attempt = &race->attempts[race->next++];
  attempt_begin(race, attempt);
  timer_disarm(core, &race->pause);
  race->due = !attempt->stream || delay == 0;
  if (!race->due && delay > 0 && race->next < race->count) {
    if (heap_reserve(&core->timers))
      timer_arm(core, &race->pause, deadline_in(core, delay));
    else
      race->due = true; /* no memory to wait with */
  }
  return attempt->stream != NULL;
}

static int race_won(lua_State *L, Race *race, Attempt *attempt) {
  Stream *stream = attempt->stream;
  attempt->stream = NULL;
  stream->reader = NULL;
  stream_box_set(lua_touserdata(L, RACE_BOX), stream);
  race_end(race);
  stream_opened(stream, race->stream);
  lua_settop(L, RACE_BOX);
  return 1;
}

static void push_failure(lua_State *L, const Attempt *attempt) {
  char text[ADDRESS_TEXT];
  fail_push_uv(L, attempt->status, lua_pushfstring(L, "connect to %s", address_text(&attempt->address, text)));
  lua_remove(L, -2);
}

/* Raises the only error, or one that tells and has them all. */
static int race_lost(lua_State *L, const Race *race) {
  const Attempt *first = race->attempts;
  if (race->count == 0) return fail_raise_uv(L, UV_EAI_ADDRFAMILY, "connect");
  bool alike = true;
  lua_settop(L, RACE_STATE);
  lua_createtable(L, (int)race->count, 0);          /* 4 */
  lua_pushliteral(L, "Multiple exceptions: ");      /* 5 */
  for (size_t i = 0; i < race->count; i++) {
    push_failure(L, &first[i]);
    if (race->count == 1) return lua_error(L);
    lua_pushstring(L, i > 0 ? ", " : "");
    lua_getfield(L, -2, "message");
    lua_concat(L, 2);
    lua_insert(L, 6);
    lua_seti(L, 4, (lua_Integer)i + 1);
    lua_concat(L, 2);
    alike = alike && first[i].status == first->status;
  }
  fail_push(L, FAIL_OS, lua_tostring(L, 5));
  lua_geti(L, 4, 1);
  if (alike) {
    lua_getmetatable(L, -1);
    lua_setmetatable(L, 6);
  }
  lua_getfield(L, 7, "code");
  lua_setfield(L, 6, "code");
  lua_pushvalue(L, 4);
  lua_setfield(L, 6, "attempts");
  lua_settop(L, 6);
  return lua_error(L);
}

static int k_race(lua_State *L, int status, lua_KContext context);

static int race_go_on(lua_State *L, Core *core, Race *race) {
  size_t busy;
  Attempt *winner = race_look(race, &busy);
  if (winner) return race_won(L, race, winner);
  while (race->due && race->next < race->count) busy += race_try(race);
  if (busy == 0) return race_lost(L, race);
  race->task->wait.u.on = race;
  return wait_park(L, core, race->task, abort_race, k_race, (lua_KContext)core);
}

static int k_race(lua_State *L, int status, lua_KContext context) {
  UNUSED(status);
  Core *core = (Core *)context;
  WAIT_MINE(L, core, k_race, context);
  Race *race = lua_touserdata(L, RACE_STATE);
  if (UNLIKELY(wait_cancelled(core->current))) {
    race_end(race);
    return wait_raise(L, core, core->current);
  }
  return race_go_on(L, core, race);
}

/* ---- the order ---- */

/* The next address from *at on of the first one's family, or of the others; NULL: there is none. */
static const Address *next_of(const Address *list, size_t count, size_t *at, bool first) {
  while (*at < count) {
    const Address *address = &list[(*at)++];
    if ((address->any.sa_family == list->any.sa_family) == first) return address;
  }
  return NULL;
}

/* As asyncio: lead - 1 of the first family, then one of each in turn; with 0 as they are. */
static void interleave(Attempt *attempts, const Address *list, size_t count, size_t lead) {
  size_t n = 0, same = 0, other = 0;
  const Address *address;
  if (lead == 0)
    for (; n < count; n++) attempts[n].address = list[n];
  while (n + 1 < lead && (address = next_of(list, count, &same, true)) != NULL) attempts[n++].address = *address;
  while (n < count) {
    if ((address = next_of(list, count, &same, true)) != NULL) attempts[n++].address = *address;
    if ((address = next_of(list, count, &other, false)) != NULL) attempts[n++].address = *address;
  }
}

static Race *race_new(lua_State *L, Core *core, size_t count) {
  Io *io = io_of(L);
  timer_reserve(L, core);
  Race *race = object_new(L, &race_type, sizeof *race + count * sizeof *race->attempts, 0);
  timer_setup(&race->pause, on_race_pause);
  race->core = core;
  race->io = io;
  race->count = count;
  race->due = true;
  return race;
}

int race_begin(lua_State *L, Core *core, Task *task, const StreamOptions *stream, const RaceOptions *options,
               const Address *list, size_t count) {
  Race *race = race_new(L, core, count);
  race->task = task;
  race->stream = stream;
  race->options = options;
  interleave(race->attempts, list, count, options->lead);
  lua_insert(L, RACE_STATE);
  lua_settop(L, RACE_STATE);
  return race_go_on(L, core, race);
}

static const luaL_Reg race_metamethods[] = {{"__gc", race_gc}, {NULL, NULL}};
const Type race_type = {.name = "neap.Race", .metamethods = race_metamethods};
