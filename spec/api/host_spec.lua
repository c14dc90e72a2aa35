-- SPDX-License-Identifier: MIT
-- neap.h: host programs, each a process of its own: spec/c/host_*.c.
local build = os.getenv "NEAP_BUILD" or "./build"

local function it_works(scenario, sentence)
  it(sentence, function()
    local pipe = assert(io.popen(("exec '%s/spec/host' %s 2>&1"):format(build, scenario)))
    local out = pipe:read "a"
    local ok, how, code = pipe:close()
    assert(ok, ("%s %s:\n%s"):format(how, code, out))
    assert.equal("done\n", out)
  end)
end

describe("neap_open", function()
  it_works("open_own", "is on the host's loop, and luv too")
  it_works("open_luvs", "is on luv's loop when there is none")
  it_works("open_twice", "gives the same again, and refuses another loop")
  it_works("open_after_luv", "refuses a loop when luv has one already; without it works")
  it_works("open_missing", "tells that neap is not there; nothing else does harm then")
end)

describe("neap_run", function()
  it_works("run_values", "passes arguments and results")
  it_works("run_errors", "gives errors as statuses, with their traceback")
end)

describe("neap_spawn", function() it_works("spawn_and_results", "gives tasks to cancel and to look at") end)

describe("neap_turn", function()
  it_works("turn_budget", "ends after the step in which its time is over")
  it_works("turn_round", "of no time is one round")
  it_works("turn_inside", "does nothing inside")
  it_works("turn_timeout", "is due when neap_timeout and neap_backend_fd say so")
  it_works("turn_wakes", "is due when a thread completes something")
end)

describe("neap_close", function()
  it_works("close_tasks", "cancels tasks and waits for them")
  it_works("close_io", "closes streams, filters, servers, descriptors and luv's handles, not the host's")
  it_works("close_work", "waits for work that has begun, and takes out the rest")
  it_works("close_requests", "waits for luv's requests")
  it_works("close_futures", "tells whoever completes, once")
  it_works("close_ready", "lets go of what is completed and not yet delivered")
  it_works("close_threads", "may come while threads complete and post")
  it_works("close_posts", "is followed by posts that are refused")
  it_works("close_use_after", "leaves functions that raise")
end)

describe("lua_close alone", function()
  it_works("lua_close_alone", "leaves handles that close when the host's loop runs")
  it_works("lua_close_threads", "may come while threads complete and post")
  it_works("lua_close_luvs", "ends what is on luv's own loop")
end)

describe("Several states", function() it_works("states", "live on several threads") end)

describe("A child of a fork", function()
  it_works("fork_refused", "cannot run before neap_after_fork")
  it_works("fork_and_go_on", "goes on after it, as the parent does")
  it_works("fork_in_task", "may be made in a task")
  it_works("fork_close", "may close all, and the parent does not notice")
  it_works("fork_work", "does not wait for what only the parent's threads end")
  it_works("fork_pending", "gets what threads had completed before, and the parent too")
  it_works("fork_parked", "wakes nobody once it is closed")
end)

describe("lua_close while C functions are parked in the middle of something", function()
  it_works("parked_lua_close", "brings each to its end, before what they use is finalized")
  it_works("parked_thread", "may come from another thread")
  it_works("parked_neap_close", "finds nothing to do after neap_close")
  it_works("parked_no_memory", "does so without memory")
  it_works("parked_fork", "leaves them to the parent of a fork, unless the child has called neap_after_fork")
end)
