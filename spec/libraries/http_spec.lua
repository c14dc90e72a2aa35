-- SPDX-License-Identifier: MIT
-- lua-http's HTTP/1.1, unchanged, in tasks, both ends of it; on streams in the place of cqueues' sockets.
local neap = require "neap"
local library = require "spec.support.library"
local loop = require "spec.support.loop"
local await = neap.await

local names = { "http.h1_connection", "http.headers" }
local missing = library.missing("lua-http", names)

-- What lua-http calls of a socket. Limits of time are the caller's: neap.timeout.
local Socket = {}
Socket.__index = Socket

local function new_socket(stream) return setmetatable({ stream = stream, input = "", output = {} }, Socket) end

for _, name in ipairs { "setvbuf", "setmode", "onerror", "setmaxline", "seterror", "clearerr", "error", "checktls" } do
  Socket[name] = function() end
end

function Socket:pending() return #self.input end
function Socket:eof() return self.stream:is_closing() end

function Socket:unget(data)
  self.input = data .. self.input
  return true
end

-- true, or false at the end: so many bytes are there
function Socket:fill(size)
  while #self.input < size do
    local more = await(self.stream:read(size - #self.input))
    if not more then return nil end
    self.input = self.input .. more
  end
  return true
end

function Socket:take(size)
  local data = self.input:sub(1, size)
  self.input = self.input:sub(size + 1)
  return data
end

function Socket:line()
  if not self.input:find "\n" then self.input = self.input .. (await(self.stream:read "L") or "") end
  local size = self.input:find "\n"
  return size and self:take(size)
end

function Socket:xread(what)
  if what == "*L" then return self:line() end
  if what == "*a" then return self:take(#self.input) .. await(self.stream:read "a") end
  if what == "*h" then
    local line = self:line()
    if line and line:find "^[^%s:]+:" then return (line:gsub("\r?\n$", "")) end
    if line then self:unget(line) end
    return nil
  end
  if what < 0 then
    if #self.input == 0 and not self:fill(1) then return nil end
    return self:take(-what)
  end
  return self:fill(what) and self:take(what) or nil
end

function Socket:xwrite(data, mode)
  self.output[#self.output + 1] = data
  if mode == "n" then self:flush() end
  return true
end

function Socket:flush()
  local data = table.concat(self.output)
  self.output = {}
  await(self.stream:write(data))
  return true
end

function Socket:shutdown()
  self.stream:close()
  return true
end

-- A server that answers with chunks a generator gives, which awaits; "/oops" raises half way, "/hang" stays there.
local function serve(connection, new_headers)
  local function answer(request)
    local path = request:get_headers():get ":path"
    local headers = new_headers()
    headers:append(":status", "200")
    headers:append("x-path", path)
    request:write_headers(headers, false)
    for chunk in coroutine.wrap(function()
      for i = 1, 3 do
        await(neap.sleep(0.001))
        if path == "/oops" and i == 2 then error "oops" end
        if path == "/hang" and i == 2 then await(neap.sleep(1000)) end
        coroutine.yield(path .. i .. " ")
      end
    end) do request:write_chunk(chunk, false) end
    request:write_chunk("", true)
  end
  return await(neap.start_server(function(stream)
    local http = connection.new(new_socket(stream), "server", 1.1)
    local ok, err = neap.pcall(function()
      for request in http.get_next_incoming_stream, http do answer(request) end
    end)
    if ok then return end
    stream:abort()
    if not (neap.is(err, neap.OSError) or tostring(err):find "oops") then error(err, 0) end -- else the client has gone
  end, "127.0.0.1", 0))
end

-- body(get): get(path, on_chunk) is a GET on a connection of its own
local function it_talks(sentence, body)
  if missing then return pending(sentence .. ": " .. missing) end
  it(sentence, function()
    loop.run(function()
      local connection, headers = library.load(names)
      local server <close> = serve(connection, headers.new)
      local function get(path, on_chunk)
        local stream <close> = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        local http = connection.new(new_socket(stream), "client", 1.1)
        local request, asked = http:new_stream(), headers.new()
        for name, value in pairs { [":method"] = "GET", [":path"] = path, [":authority"] = "localhost" } do
          asked:append(name, value)
        end
        assert(request:write_headers(asked, true))
        local answer = assert(request:get_headers())
        assert.equal("200", answer:get ":status")
        assert.equal(path, answer:get "x-path")
        for chunk in request:each_chunk() do on_chunk(chunk) end
      end
      neap.timeout(60, function() body(get) end)
      server:close()
    end, { clock = "real", shutdown_grace = 0 })
  end)
end

describe("lua-http", function()
  it_talks("asks and answers in several tasks at once", function(get)
    local tasks, barrier = {}, neap.Barrier(5)
    for i = 1, 5 do
      tasks[i] = neap.create_task(function()
        local chunks = {}
        get("/" .. i, function(chunk)
          await(barrier:wait())
          chunks[#chunks + 1] = chunk
        end)
        return table.concat(chunks)
      end)
    end
    local results = await(neap.gather(table.unpack(tasks)))
    for i = 1, 5 do assert.equal(("/%d1 /%d2 /%d3 "):format(i, i, i), results[i]) end
  end)

  it_talks("is the source of a generator", function(get)
    local chunks = coroutine.wrap(function() get("/g", coroutine.yield) end)
    assert.same({ "/g1 ", "/g2 ", "/g3 " }, { chunks(), chunks(), chunks() })
    chunks()
  end)

  it_talks("raises what is raised at either end", function(get)
    assert.matches("mine", tostring(loop.failure(get, "/e", function()
      await(neap.sleep(0.001))
      error "mine"
    end)))
    local seen = {}
    pcall(get, "/oops", function(chunk) seen[#seen + 1] = chunk end)
    assert.same({ "/oops1 " }, seen)
  end)

  it_talks("is cancelled while a chunk is awaited, and within a generator", function(get)
    for _, how in ipairs { function(fn) fn() end, function(fn) coroutine.wrap(fn)() end } do
      local got = neap.Event()
      local task = neap.create_task(function() how(function() get("/hang", function() got:set() end) end) end)
      await(got:wait())
      task:cancel "enough"
      assert.matches("enough", tostring(loop.failure(await, task)))
    end
  end)
end)
