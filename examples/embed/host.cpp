// SPDX-License-Identifier: MIT
// A host in C++. The state is an object whose destructor closes everything in order. Functions for Lua are
// plain C++ functions that may throw: a wrapper turns exceptions into Lua errors. Lua's own errors are
// longjmps in a Lua compiled as C, and skip destructors; so what may raise one is called where no object
// with a destructor is alive, or protected. lua.hpp comes before neap.h: it declares Lua as C.
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <lua.hpp>

#include "neap.h"

class State {
public:
  State() : L(luaL_newstate()) {
    if (!L) throw std::bad_alloc();
    luaL_openlibs(L);
    try {
      check(neap_open(L, nullptr));
      lua_pop(L, 1);
    } catch (...) {
      lua_close(L);
      throw;
    }
  }
  State(const State &) = delete;
  State &operator=(const State &) = delete;
  ~State() {
    neap_close(L);
    lua_close(L);
    for (auto &thread : threads) thread.join();
  }

  // Runs a script as a task, with all that it starts, and returns its result as text.
  std::string run(const std::string &script) {
    check(luaL_loadbuffer(L, script.data(), script.size(), "=script"));
    check(neap_run(L, 0, 1));
    return take();
  }

  template <int (*function)(lua_State *)> void define(const char *name) {
    lua_register(L, name, guarded<function>);
  }

  std::vector<std::thread> threads; // that complete futures

private:
  lua_State *L;

  std::string take() {
    std::string text = luaL_tolstring(L, -1, nullptr);
    lua_pop(L, 2);
    return text;
  }

  void check(int status) {
    if (status != LUA_OK) throw std::runtime_error(take());
  }

  // Exceptions stop here. The error is raised when the exception, and all that lived in the function, is gone.
  template <int (*function)(lua_State *)> static int guarded(lua_State *L) {
    char message[200];
    try {
      return function(L);
    } catch (const std::exception &e) {
      std::snprintf(message, sizeof message, "%s", e.what());
    }
    return luaL_error(L, "%s", message);
  }
};

// C++ at work on another thread, and what is made of its result on the loop's.
struct Job {
  neap_future *future;
  std::function<std::string()> work;
  std::string result, error;

  void run() {
    try {
      result = work();
    } catch (const std::exception &e) {
      error = e.what();
    }
    neap_complete_threadsafe(future, push, this); // the job is neap's from here on
  }

  static int push(lua_State *L, void *data) {
    bool failed;
    {
      std::unique_ptr<Job> job(static_cast<Job *>(data));
      if (!L) return 0; // nobody wants it any more
      failed = !job->error.empty();
      lua_pushcfunction(L, push_text); // protected: the job is alive
      lua_pushlightuserdata(L, failed ? &job->error : &job->result);
      if (lua_pcall(L, 1, 1, 0) != LUA_OK) failed = true;
    }
    return failed ? lua_error(L) : 1;
  }

  static int push_text(lua_State *L) {
    const auto *text = static_cast<const std::string *>(lua_touserdata(L, 1));
    lua_pushlstring(L, text->data(), text->size());
    return 1;
  }
};

static State *the_state;

// future = reverse(text)
static int reverse(lua_State *L) {
  const char *text = luaL_checkstring(L, 1); // raises before anything is alive
  neap_future *future = neap_future_new(L);
  try {
    auto job = std::make_unique<Job>();
    job->future = future;
    job->work = [text = std::string(text)]() {
      if (text.empty()) throw std::invalid_argument("nothing to reverse");
      return std::string(text.rbegin(), text.rend());
    };
    the_state->threads.emplace_back(&Job::run, job.get());
    job.release();
  } catch (...) {
    neap_complete(future, nullptr, nullptr); // whatever happens, a future has to be completed
    throw;
  }
  return 1;
}

// at(index): throws
static int at(lua_State *L) {
  static const std::vector<int> numbers{1, 2, 3};
  lua_pushinteger(L, numbers.at(static_cast<std::size_t>(luaL_checkinteger(L, 1))));
  return 1;
}

int main() {
  try {
    State state;
    the_state = &state;
    state.define<reverse>("reverse");
    state.define<at>("at");
    std::cout << state.run("local neap = require 'neap'\n"
                           "local words = neap.await(neap.gather(reverse 'paen', reverse 'ni', reverse '++C'))\n"
                           "print(table.concat(words, ' '))\n"
                           "print(pcall(neap.await, reverse ''))\n"
                           "print(pcall(at, 7))\n"
                           "return at(2)\n")
              << std::endl;
    state.run("error('the end', 0)");
  } catch (const std::exception &e) {
    std::string text = e.what();
    std::cout << text.substr(0, text.find('\n')) << std::endl;
  }
}

/* $ host
neap in C++
false	nothing to reverse
false	vector::_M_range_check: __n (which is 7) >= this->size() (which is 3)
3
the end
*/
