-- Options: a field that is misspelt is told, and with the line of who wrote it.
local neap = require "neap"

local function nothing() end

-- The options' place among the arguments, and a call with them.
local calls = {
  run = { 2, function(o) neap.run(nothing, o) end },
  Runner = { 1, function(o) neap.Runner(o) end },
  create_task = { 2, function(o) neap.create_task(nothing, o) end },
  Task = { 2, function(o) neap.Task(nothing, o) end },
  ContextVar = { 2, function(o) neap.ContextVar("name", o) end },
  cancel = { 2, function(o) neap.Future():cancel(nil, o) end },
  gather = { 1, function(o) neap.gather(o) end },
  wait = { 2, function(o) neap.wait({}, o) end },
  as_completed = { 2, function(o) neap.as_completed({}, o) end },
  open_connection = { 3, function(o) neap.open_connection("127.0.0.1", 1, o) end },
  start_server = { 4, function(o) neap.start_server(nothing, nil, 0, o) end },
  open_unix_connection = { 2, function(o) neap.open_unix_connection("path", o) end },
  start_unix_server = { 3, function(o) neap.start_unix_server(nothing, "path", o) end },
  open_datagram = { 1, function(o) neap.open_datagram(o) end },
  open_fd = { 2, function(o) neap.open_fd(0, o) end },
  pipe = { 1, function(o) neap.pipe(o) end },
  socketpair = { 1, function(o) neap.socketpair(o) end },
  stdin = { 1, function(o) neap.stdin(o) end },
  getaddrinfo = { 3, function(o) neap.getaddrinfo("127.0.0.1", 1, o) end },
  create_subprocess_exec = { 2, function(o) neap.create_subprocess_exec({ "true" }, o) end },
  create_subprocess_shell = { 2, function(o) neap.create_subprocess_shell("true", o) end },
  wrap = { 2, function(o) neap.wrap(nothing, o) end },
  open = { 3, function(o) neap.open("path", "r", o) end },
  copy = { 3, function(o) neap.fs.copy("path", "to", o) end },
  mkdir = { 2, function(o) neap.fs.mkdir("path", o) end },
  makedirs = { 2, function(o) neap.fs.makedirs("path", o) end },
  walk = { 2, function(o) neap.fs.walk("path", o) end },
  rmtree = { 2, function(o) neap.fs.rmtree("path", o) end },
  write_file = { 3, function(o) neap.fs.write_file("path", "", o) end },
  append_file = { 3, function(o) neap.fs.append_file("path", "", o) end },
  watch = { 2, function(o) neap.watch("path", o) end },
  temporary_file = { 1, function(o) neap.fs.temporary_file(o) end },
  temporary_directory = { 1, function(o) neap.fs.temporary_directory(o) end },
  context = { 1, function(o) neap.tls.context(o) end },
}

local function check(place, name, call, options, field)
  local ok, problem = pcall(call, options)
  assert.is_false(ok)
  local told = "options_spec%%.lua:%%d+: bad argument #%d to '[%%w_.]*%s' %%(field '%s' is unknown%%)"
  assert.matches(told:format(place, name, field), problem)
end

describe("a field that no option has", function()
  for name, it_is in pairs(calls) do
    it("is an error of " .. name, function() check(it_is[1], name, it_is[2], { tiemout = 1 }, "tiemout") end)
  end

  it("is one of a TaskGroup's tasks, and of get_stack", function()
    neap.run(function()
      local task = neap.current_task()
      neap.task_group(function(group)
        check(2, "create_task", function(o) group:create_task(nothing, o) end, { nmae = "x" }, "nmae")
      end)
      check(1, "get_stack", function(o) task:get_stack(o) end, { limits = 1 }, "limits")
    end)
  end)

  it("is one of set_write_buffer_limits", function()
    local one, other = neap.socketpair()
    check(1, "set_write_buffer_limits", function(o) one:set_write_buffer_limits(o) end, { hihg = 1 }, "hihg")
    one:close()
    other:close()
  end)

  it("may be no name, or hold more than one", function()
    check(1, "pipe", calls.pipe[2], { 1024 }, "1")
    check(1, "pipe", calls.pipe[2], { [""] = 1 }, "")
    check(2, "create_task", calls.create_task[2], { ["name context"] = 1 }, "name context")
    check(2, "create_task", calls.create_task[2], { ["name\0"] = 1 }, "name.-")
    check(2, "create_task", calls.create_task[2], { nam = 1 }, "nam")
    check(2, "create_task", calls.create_task[2], { ame = 1 }, "ame")
  end)

  it("leaves no task behind", function()
    neap.run(function()
      pcall(neap.create_task, nothing, { tiemout = 1 })
      assert.equal(1, neap.all_tasks().n)
    end)
  end)
end)

describe("a list that gather takes", function()
  it("may have `n`, and elements in any place", function()
    local list = { n = 2, return_exceptions = true }
    list[2] = neap.Future()
    list[1] = neap.Future()
    assert.is_truthy(neap.gather(list))
  end)

  it("has no other names", function()
    check(1, "gather", calls.gather[2], { neap.Future(), return_exception = true }, "return_exception")
    check(1, "gather", calls.gather[2], { return_exception = true }, "return_exception")
  end)
end)
