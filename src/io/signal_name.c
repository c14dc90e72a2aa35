/* SPDX-License-Identifier: MIT
 * Names and numbers of signals. */
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "io/signal.h"

static const struct {
  const char *name;
  int number;
} names[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},   {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"FPE", SIGFPE},
    {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE},     {"PROF", SIGPROF},
    {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"USR1", SIGUSR1},     {"USR2", SIGUSR2},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"IO", SIGIO},     {"WINCH", SIGWINCH}, {"VTALRM", SIGVTALRM},
#ifdef SIGPOLL
    {"POLL", SIGPOLL},
#endif
#ifdef SIGPWR
    {"PWR", SIGPWR},
#endif
#ifdef SIGSTKFLT
    {"STKFLT", SIGSTKFLT},
#endif
#ifdef SIGINFO
    {"INFO", SIGINFO},
#endif
};

static int number_of(const char *name) {
  if (strncasecmp(name, "SIG", 3) == 0) name += 3;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp(names[i].name, name) == 0) return names[i].number;
  return 0;
}

int check_signal(lua_State *L, int arg) {
  int number = 0, integral = 1;
  if (lua_type(L, arg) == LUA_TSTRING) {
    number = number_of(lua_tostring(L, arg));
    if (!number) luaL_argerror(L, arg, lua_pushfstring(L, "no signal is called '%s'", lua_tostring(L, arg)));
  } else if (lua_type(L, arg) == LUA_TNUMBER) {
    lua_Integer n = lua_tointegerx(L, arg, &integral);
    luaL_argcheck(L, integral && n > 0 && n < NSIG, arg, "there is no signal of this number");
    number = (int)n;
  } else {
    argument_error(L, arg, "signal, a name or a number,");
  }
  struct sigaction now; /* the C library keeps some for itself */
  if (number == SIGKILL || number == SIGSTOP || sigaction(number, NULL, &now) != 0)
    luaL_argerror(L, arg, lua_pushfstring(L, "signal %s cannot be caught", lua_tostring(L, arg)));
  return number;
}
