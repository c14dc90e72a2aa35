-- SPDX-License-Identifier: MIT
local neap = require "neap"
local loop = require "spec.support.loop"
local pair = dofile "spec/io/pair.lua"
local await, run = neap.await, neap.subprocess.run
local fails, raises, started = pair.fails, pair.raises, pair.started

local function real(fn)
  return function()
    loop.run(function()
      fn()
      pair.turn(3) -- handles that were closed are gone
    end, { clock = "real" })
  end
end

describe("subprocess.run", function()
  it("gives what a command says and how it ends", real(function()
    local result = await(run { "sh", "-c", "echo out; echo err >&2; exit 3", capture_output = true })
    local command = "sh -c echo out; echo err >&2; exit 3"
    assert.same({ command = command, returncode = 3, stdout = "out\n", stderr = "err\n" }, result)
    result = await(run { shell = "kill -9 $$" })
    assert.same({ command = "kill -9 $$", returncode = -9 }, result)
  end))

  it("feeds an input", real(function()
    local result = await(run { "tr", "a-z", "A-Z", input = "hello", stdout = "pipe" })
    assert.equal("HELLO", result.stdout)
  end))

  it("passes options on", real(function()
    local result = await(run {
      shell = "pwd; echo $X; echo err >&2", stdout = "pipe", stderr = "stdout", cwd = "/usr", env = { X = "1" },
    })
    assert.equal("/usr\n1\nerr\n", result.stdout)
  end))

  it("raises for a failure, if it is to check", real(function()
    local class = neap.subprocess.CalledProcessError
    local err = raises(class, run { shell = "echo out; exit 3", stdout = "pipe", check = true })
    assert.equal("echo out; exit 3 ended with 3", err.message)
    assert.equal(3, err.returncode)
    assert.equal("out\n", err.stdout)
    err = raises(class, run { shell = "kill -9 $$", check = true })
    assert.equal("kill -9 $$ was ended by SIGKILL", err.message)
    assert.equal(0, await(run { "true", check = true }).returncode)
  end))

  it("ends a command that takes too long", real(function()
    local command = { "sh", "-c", "echo early; exec sleep 1000", timeout = 0.3, stdout = "pipe" }
    local err = raises(neap.TimeoutError, run(command))
    assert.matches("sleep 1000 did not end within 0.3 s", err.message)
    assert.equal("early\n", err.stdout)
    assert.is_nil(err.stderr)
    assert.equal(0.3, err.timeout)
    assert.equal(0, await(run { "true", timeout = 100 }).returncode)
  end))

  it("does not wait for what a killed command left behind", real(function()
    local r, w = neap.pipe()
    local command = { shell = "exec 3<&0; cat <&3 & wait", stdin = r, stdout = "pipe", timeout = 0.1 }
    local err = raises(neap.TimeoutError, run(command))
    assert.equal("", err.stdout)
    w:close() -- ends the grandchild
    r:close()
  end))

  it("ends the command when it is cancelled", real(function()
    local task = started(function() await(run { "sleep", "1000", capture_output = true }) end)
    task:cancel()
    assert.is_true(neap.is(fails(task), neap.CancelledError))
  end))

  it("tells what cannot be started", real(function()
    raises(neap.OSError, run { "/nonexistent" }, "ENOENT")
  end))

  it("checks its arguments at once", function()
    local function problem(...) return tostring(select(2, pcall(run, ...))) end
    assert.matches("bad argument #1 .*table expected", problem())
    assert.matches("field 'shell': string expected", problem { shell = true })
    assert.matches("exclude each other", problem { "ls", shell = "ls" })
    assert.matches("'input' and 'stdin' exclude", problem { "ls", input = "", stdin = "pipe" })
    assert.matches("'capture_output' excludes", problem { "ls", capture_output = true, stdout = "pipe" })
    assert.matches("field 'timeout'", problem { "ls", timeout = -1 })
    assert.matches("field 'timeout'", problem { "ls", timeout = 0 / 0 })
    assert.matches("field 'nonsense' is unknown", problem { "ls", nonsense = 1 })
    assert.matches("element 1: string expected", problem {})
    for _, spec in ipairs { {}, { "" }, { "ls", cwd = 1 }, { "ls", uid = -1 }, { shell = 1 }, { shell = "\0" } } do
      local text = tostring(select(2, pcall(function() run(spec) end)))
      assert.matches("^[^:]*subprocess_spec.lua:%d+: bad argument #1 to 'neap.subprocess.run'", text)
    end
  end)
end)
