-- Every example prints what it says; so does every snippet of README.md and docs/. A snippet in a
-- "lua" block is run by itself, after two lines that name neap, async and await, unless it requires
-- neap itself; when a "text" block comes next, that is its output. "lua no-run" blocks are only parsed.
-- What has nothing to do with the world outside runs on the virtual clock: a busy machine changes nothing.
local lua = os.getenv "LUA" or "lua5.4"

local function read_file(name)
  local file = assert(io.open(name))
  local text = file:read "a"
  file:close()
  return text
end

local function list(pattern)
  local names, pipe = {}, assert(io.popen("ls " .. pattern .. " 2>/dev/null"))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  return names
end

-- Ties stay in order, whatever the specs themselves are put through.
local function run(command, env)
  local full = ("env -u NEAP_STRESS -u NEAP_SEED -u NEAP_DEBUG %s%s %s 2>&1"):format(env or "", lua, command)
  local pipe = assert(io.popen(full))
  local output = pipe:read "a"
  local _, _, code = pipe:close()
  return output, code
end

local virtual = [[-e 'local neap = require "neap"
  local run = neap.run
  function neap.run(main, options)
    options = options or {}
    options.clock = options.clock or "virtual"
    return run(main, options)
  end' ]]

-- The shell and its commands have the sanitizer in them too, which now and then cannot look for leaks at
-- their end; their exit codes are part of what is printed.
local function leaks_unwatched()
  local options = os.getenv "ASAN_OPTIONS"
  return options and ("ASAN_OPTIONS=%s:detect_leaks=0 "):format(options) or ""
end

local function run_program(name)
  local text = read_file(name)
  local outside = text:find "open_connection" or text:find "start_server" or text:find "open_datagram"
    or text:find "luv" or text:find "neap%.uv" or text:find "subprocess" or text:find "unix_"
    or text:find "slice =" -- goes by the time that computing takes
    or text:find "neap%.fs" or text:find "neap%.open%f[^%w_]" or text:find "neap%.watch"
  return run((outside and "" or virtual) .. name, text:find "subprocess" and leaks_unwatched())
end

describe("the example", function()
  for _, name in ipairs(list "examples/*.lua") do
    local said = read_file(name):match "%-%-%[%[ prints:\n(.*)%]%]"
    if name:find "tls" and require "spec.support.certs".missing() then
      pending(name .. " wants TLS")
    elseif name ~= "examples/fetch.lua" then
      it(name .. " prints what it says", function()
        assert.is_string(said)
        local output, code = run_program(name)
        assert.equal(said, output)
        assert.equal(0, code)
      end)
    end
  end
end)

describe("the fetcher", function()
  local rows = {
    ["/"] = "200", ["/news.html"] = "200", ["/docs/"] = "200", ["/docs/index.html"] = "200",
    ["/docs/one.html"] = "200", ["/docs/two.html"] = "200", ["/docs/deep/three.html"] = "200",
    ["/chunked"] = "200", ["/flaky"] = "200", ["/new"] = "200", ["/moved"] = "301", ["/missing"] = "404",
    ["/early"] = "IncompleteReadError", ["/slow"] = "TimeoutError",
  }

  local function parse(output)
    local found, count = {}, 0
    for status, tries, path in output:gmatch "\n(%S+) +%d+ +[%d.]+ +(%d+)  http://127.0.0.1:%d+(%S+)" do
      found[path] = { status = status, tries = tries }
      count = count + 1
    end
    return found, count
  end

  it("crawls its own site", function()
    local output, code = run "examples/fetch.lua"
    assert.equal(0, code)
    local found, count = parse("\n" .. output)
    for path, status in pairs(rows) do
      assert.is_table(found[path], path)
      assert.equal(status, found[path].status)
    end
    assert.equal(14, count)
    assert.equal("3", found["/flaky"].tries)
    assert.equal("3", found["/slow"].tries)
    assert.matches("\n14 pages, 3 failed, 107633 bytes, ", output)
  end)

  it("says what it does", function()
    local output = run "examples/fetch.lua --verbose"
    assert.matches("worker%-%d +GET http://127.0.0.1:%d+/flaky, attempt 3\n", output)
    assert.matches("/slow TimeoutError\n", output)
  end)

  it("tells by its exit code that a page failed", function()
    local output, code = run "examples/fetch.lua --retries 0 http://127.0.0.1:1/"
    assert.matches("ECONNREFUSED +0 +[%d.]+ +1  http://127.0.0.1:1/\n1 page, 1 failed", output)
    assert.equal(1, code)
  end)

  it("refuses what it does not understand", function()
    for _, words in ipairs { "--bogus", "https://example.com", "--depth", "--depth x", "--file /no/such/file",
      "http://", "http://host:99999/" } do
      local output, code = run("examples/fetch.lua " .. words)
      assert.matches("^fetch: .-\nusage: ", output)
      assert.equal(2, code)
    end
  end)

  it("stops at Ctrl-C with the table of what it has", function()
    local neap = require "neap"
    local uv, await = neap.uv, neap.await
    neap.run(function()
      local out, chunks, exit, text = uv.new_pipe(), neap.Queue(), neap.Future(), ""
      local command = ("exec %s examples/fetch.lua --verbose 2>&1"):format(lua)
      local child = uv.spawn("/bin/sh", { args = { "-c", command }, stdio = { nil, out } },
        function(code) exit:set_result(code) end)
      out:read_start(function(_, data)
        if data then chunks:put_nowait(data) else chunks:shutdown() end
      end)
      local interrupted = false
      pcall(function() -- until the queue is shut down
        while true do
          text = text .. await(chunks:get())
          if not interrupted and text:find "/slow, attempt 2" then interrupted = child:kill "sigint" end
        end
      end)
      assert.equal(130, await(exit))
      assert.matches("\nSTATUS +BYTES ", text)
      assert.matches("\n%d+ pages, %d+ failed", text)
      await(neap.gather(uv.close(out), uv.close(child)))
    end)
  end)
end)

-- ---- pages ----

local preamble = [[local neap = require "neap"; local async, await = neap.async, neap.await ]]

-- {{line =, code =, run =, output =}, ...}
local function snippets(name)
  local found, current, fence, buffer, number = {}, nil, nil, nil, 0
  for line in io.lines(name) do
    number = number + 1
    local mark = line:match "^```(.*)$"
    if fence and mark then
      local text = table.concat(buffer, "\n") .. "\n"
      if fence:match "^lua" then
        current = { line = number - #buffer, code = text, run = fence ~= "lua no-run" }
        found[#found + 1] = current
      elseif fence == "text" and current then
        current.output, current = text, nil
      end
      fence = nil
    elseif mark then
      fence, buffer = mark, {}
      if not mark:match "^lua" and mark ~= "text" then current = nil end
    elseif fence then
      buffer[#buffer + 1] = line
    end
  end
  return found
end

local pages = list "docs/*.md"
table.insert(pages, 1, "README.md")

for _, name in ipairs(pages) do
  describe(name, function()
    for _, snippet in ipairs(snippets(name)) do
      it(("is right at line %d"):format(snippet.line), function()
        assert(load(snippet.code, "=snippet"))
        if not snippet.run then return end
        local file = os.tmpname()
        local out = assert(io.open(file, "w"))
        out:write(snippet.code:find('require "neap"', 1, true) and "" or preamble, snippet.code)
        out:close()
        local output, code = run_program(file)
        os.remove(file)
        output = output:gsub(file:gsub("%p", "%%%0"), "page.lua")
        if snippet.output then
          assert.equal(snippet.output, output)
        else
          assert.equal("", output)
        end
        assert.equal(0, code, output)
      end)
    end
  end)
end

describe("README.md", function()
  it("shows an example as it is, and its output", function()
    local text, example = read_file "README.md", read_file "examples/hello.lua"
    local code, output = example:match "^(.-)%-%-%[%[ prints:\n(.*)%]%]"
    assert.is_truthy(text:find("```lua\n" .. code .. "```\n", 1, true))
    assert.is_truthy(text:find("```text\n" .. output .. "```\n", 1, true))
  end)
end)
