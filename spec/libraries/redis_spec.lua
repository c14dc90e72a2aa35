-- SPDX-License-Identifier: MIT
-- redis-lua, unchanged, in tasks: its subscriptions and transactions are coroutines of its own.
local neap = require "neap"
local library = require "spec.support.library"
local loop = require "spec.support.loop"
local resp = require "spec.support.resp"
local await = neap.await

local missing = library.missing("lua-redis", { "redis" })

-- What redis-lua calls of LuaSocket's socket, on a stream.
local Socket = {}
Socket.__index = Socket

function Socket:send(data)
  await(self.stream:write(data))
  return #data
end

function Socket:receive(what)
  if what ~= "*l" then return await(self.stream:readexactly(what)) end
  local line = await(self.stream:read "L")
  if not line then return nil, "closed" end
  return (line:gsub("\r?\n$", ""))
end

function Socket:shutdown() self.stream:close() end

-- body(connect, store): connect() gives one more client
local function it_talks(sentence, body)
  if missing then return pending(sentence .. ": " .. missing) end
  it(sentence, function()
    loop.run(function()
      local redis = library.load { "redis" }
      local server <close>, store = resp.serve()
      local streams = {}
      local function connect()
        local stream = await(neap.open_connection("127.0.0.1", server:getsockname().port))
        streams[#streams + 1] = stream
        return redis.connect { socket = setmetatable({ stream = stream }, Socket) }
      end
      neap.timeout(60, function() body(connect, store) end)
      for _, stream in ipairs(streams) do stream:close() end
    end, { clock = "real" })
  end)
end

local function until_(condition) while not condition() do await(neap.sleep(0.001)) end end

describe("redis-lua", function()
  it_talks("asks for several tasks at once", function(connect, store)
    assert.is_true(connect():ping())
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = neap.create_task(function()
        local client = connect()
        for _ = 1, 20 do client:incr "n" end
        client:set("key" .. i, "value" .. i)
        return client:get("key" .. i)
      end)
    end
    assert.same({ "value1", "value2", "value3", "value4", "value5", n = 5 }, await(neap.gather(table.unpack(tasks))))
    assert.equal("100", store.data.n)
  end)

  it_talks("gives what is published by a generator, as others go on", function(connect)
    local seen, listening = {}, 0
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.create_task(function()
        local client = connect()
        for message, abort in client:pubsub { subscribe = "news" } do
          if message.kind == "subscribe" then listening = listening + 1 end
          if message.kind == "message" then
            seen[#seen + 1] = message.payload
            if message.payload == "end" then abort() end
          end
        end
      end)
    end
    until_(function() return listening == 3 end)
    local client = connect()
    assert.equal(3, client:publish("news", "one"))
    assert.equal(3, client:publish("news", "end"))
    await(neap.gather(table.unpack(tasks)))
    table.sort(seen)
    assert.same({ "end", "end", "end", "one", "one", "one" }, seen)
  end)

  it_talks("gives what comes in to a generator of ours around its own", function(connect)
    local client, other = connect(), connect()
    local payloads = coroutine.wrap(function()
      for message in client:pubsub { subscribe = "news" } do
        if message.kind == "subscribe" then other:publish("news", "a") end
        if message.kind == "message" then
          coroutine.yield(message.payload)
          other:publish("news", message.payload .. "b")
        end
      end
    end)
    assert.same({ "a", "ab", "abb" }, { payloads(), payloads(), payloads() })
  end)

  it_talks("repeats a transaction that another task has spoilt", function(connect, store)
    local tries, tasks = 0, {}
    connect():set("n", "0")
    for i = 1, 4 do
      tasks[i] = neap.create_task(function()
        local client = connect()
        local replies = client:transaction({ watch = "n", cas = true, retry = 100 }, function(t)
          tries = tries + 1
          local n = t:get "n"
          await(neap.sleep(0.001 * i)) -- the others get a chance
          t:multi()
          t:set("n", tostring(n + 1))
          t:get "n"
        end)
        return replies[2]
      end)
    end
    local results = await(neap.gather(table.unpack(tasks)))
    table.sort(results)
    assert.same({ "1", "2", "3", "4" }, { table.unpack(results, 1, 4) })
    assert.equal("4", store.data.n)
    assert.is_true(tries > 4)
  end)

  it_talks("raises the server's errors and the caller's", function(connect)
    local client = connect()
    assert.matches("unknown command", tostring(loop.failure(client.lpush, client, "x", "y")))
    assert.matches("oops", tostring(loop.failure(client.transaction, client, function() error "oops" end)))
    assert.is_true(client:ping())
  end)

  it_talks("is cancelled while it waits for an answer, and in a transaction", function(connect, store)
    local waiting = neap.create_task(function() return connect():blpop("list", 0) end)
    local message = neap.create_task(function()
      local client = connect()
      for got in client:pubsub { subscribe = "news" } do if got.kind == "message" then error "never" end end
    end)
    local entered
    local transaction = neap.create_task(function()
      connect():transaction(function(t)
        t:set("x", "1")
        entered = true
        await(neap.sleep(1000))
      end)
    end)
    until_(function() return store.waiting == 1 and next(store.subscribers) and entered end)
    for _, task in ipairs { waiting, message, transaction } do
      task:cancel "enough"
      assert.matches("enough", tostring(loop.failure(await, task)))
    end
    assert.is_nil(store.data.x) -- discarded
    store.list "list":put_nowait "left" -- the server's task goes on
    await(neap.sleep(0))
    assert.same({ "other", "1" }, (function()
      local client = connect()
      client:rpush("other", "1")
      return client:blpop("other", 0)
    end)())
  end)

  it_talks("obeys a limit of time", function(connect, store)
    local client = connect()
    loop.raises(neap.TimeoutError, neap.timeout, 0.01, function() client:blpop("list", 0) end)
    until_(function() return store.waiting == 1 end)
    store.list "list":put_nowait "late"
  end)
end)
