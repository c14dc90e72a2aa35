-- A chat on a Unix socket: who joins is told to the others, and so is what they say. Each guest has a queue, so
-- that one who reads slowly holds nobody up, and is shown out when it is full.
local neap = require "neap"
local await = neap.await

local Chat = {}
Chat.__index = Chat

function Chat.new() return setmetatable({ guests = {} }, Chat) end

function Chat:tell(line, but)
  for guest in pairs(self.guests) do
    if guest ~= but and not pcall(guest.queue.put_nowait, guest.queue, line) then guest.stream:abort() end
  end
end

-- For a <close> variable: the guest leaves, however that comes.
function Chat:enter(guest, name)
  self.guests[guest] = true
  self:tell(name .. " is here", guest)
  return setmetatable({}, { __close = function()
    self.guests[guest] = nil
    self:tell(name .. " has left")
    guest.queue:shutdown()
  end })
end

function Chat:serve(stream)
  stream:write "your name?\n"
  local name = await(stream:read "l")
  if not name then return end
  local guest = { stream = stream, queue = neap.Queue(100) }
  neap.task_group(function(group)
    local held <close> = self:enter(guest, name)
    group:create_task(function()
      for line in guest.queue:iter() do await(stream:write(line, "\n")) end
    end)
    stream:write("hello, ", name, "\n")
    for line in stream:lines() do self:tell(name .. ": " .. line, guest) end
  end)
end

-- ---- two guests ----

local function join(path, name)
  local stream = await(neap.open_unix_connection(path))
  await(stream:read "l")
  await(stream:write(name, "\n"))
  print(name, await(stream:read "l"))
  return stream
end

neap.run(function()
  local chat, path = Chat.new(), os.tmpname()
  os.remove(path)
  local _ <close> = await(neap.start_unix_server(function(stream) chat:serve(stream) end, path))
  local ada <close> = join(path, "ada")
  local bob <close> = join(path, "bob")
  print("ada", await(ada:read "l"))
  await(bob:write "good morning\n")
  print("ada", await(ada:read "l"))
  await(ada:write "good morning, bob\n")
  print("bob", await(bob:read "l"))
  bob:write_eof()
  print("ada", await(ada:read "l"))
  print("bob", await(bob:read "l"))
end)

--[[ prints:
ada	hello, ada
bob	hello, bob
ada	bob is here
ada	bob: good morning
bob	ada: good morning, bob
ada	bob has left
bob	nil
]]
