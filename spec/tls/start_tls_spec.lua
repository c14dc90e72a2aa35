-- SPDX-License-Identifier: MIT
-- Stream:start_tls, on streams that have been plain.
local neap = require "neap"
local pair = dofile "spec/tls/pair.lua"
local describe_tls = pair.usable(describe, pending)
local await, with_pair, fails, started = neap.await, pair.with_pair, pair.fails, pair.started

local server_side = { server_side = true }
local client_side = { server_hostname = "localhost" }

local function secure(a, b)
  await(neap.gather(a:start_tls(pair.client_context(), client_side), b:start_tls(pair.server_context(), server_side)))
end

describe_tls("start_tls", function()
  it("makes a live stream secure, on both ends", with_pair(function(a, b)
    a:write "STARTTLS\n"
    assert.equal("STARTTLS", await(b:read "l"))
    b:write "go ahead\n"
    assert.equal("go ahead", await(a:read "l"))
    assert.is_nil(a:get_extra_info "version")
    secure(a, b)
    assert.equal("TLSv1.3", a:get_extra_info "version")
    a:write "secret"
    assert.equal("secret", await(b:readexactly(6)))
    b:write "answer"
    b:close()
    assert.equal("answer", await(a:read "a"))
  end))

  it("has the ends of the pair either way", with_pair(function(a, b)
    await(neap.gather(b:start_tls(pair.client_context(), client_side), a:start_tls(pair.server_context(), server_side)))
    a:write "x"
    assert.equal("x", await(b:read(1)))
  end))

  it("takes what has come for the handshake's, not for plain text", with_pair(function(a, b)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    pcall(await, neap.wait_for(b:readexactly(100000), 0.02)) -- the hello has come, and stays
    b:write ""
    await(b:start_tls(pair.server_context(), server_side))
    await(client)
    a:write "x"
    assert.equal("x", await(b:read(1)))
  end))

  it("takes no plain text that was sent before for secret", with_pair(function(a, b)
    a:write "STARTTLS\nINJECTED\n"
    assert.equal("STARTTLS", await(b:read "l"))
    local server = started(function() await(b:start_tls(pair.server_context(), server_side)) end)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    local err = fails(server)
    pair.is_a(neap.TLSError, err)
    fails(client)
    fails(b:read(1))
  end))

  it("sends first what was written before it", with_pair(function(a, b)
    local plain = ("p"):rep(3000000)
    a:write(plain)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    assert.equal(plain, await(b:readexactly(#plain)))
    await(b:start_tls(pair.server_context(), server_side))
    await(client)
    a:write "x"
    assert.equal("x", await(b:read(1)))
  end))

  it("keeps for later what is written meanwhile", with_pair(function(a, b)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    local text = ("w"):rep(100000)
    local writer = started(function() await(a:write(text)) end)
    a:write "end"
    assert.equal(100003, a:get_write_buffer_size())
    assert.is_false(writer:done())
    await(b:start_tls(pair.server_context(), server_side))
    assert.equal(text .. "end", await(b:readexactly(100003)))
    await(writer)
    await(client)
    assert.equal(0, a:get_write_buffer_size())
  end))

  it("lets a task read that began meanwhile", with_pair(function(a, b)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    local reader = started(function() return await(a:readexactly(5)) end)
    await(b:start_tls(pair.server_context(), server_side))
    b:write "hello"
    assert.equal("hello", await(reader))
    await(client)
  end))

  it("fails with the reason, on both ends", with_pair(function(a, b)
    local server = started(function() await(b:start_tls(pair.server_context(), server_side)) end)
    pair.is_a(neap.CertificateError, fails(a:start_tls(pair.client_context(), { server_hostname = "example.org" })))
    assert.equal("SSLV3_ALERT_BAD_CERTIFICATE", fails(server).reason)
    pair.is_a(neap.CertificateError, fails(a:read(1)))
  end))

  it("in time, or not at all", with_pair(function(a)
    local err = fails(a:start_tls(pair.client_context(), { server_hostname = "x", tls_handshake_timeout = 0.01 }))
    pair.is_a(neap.ConnectionAbortedError, err)
    assert.is_true(a:is_closing())
  end))

  it("can be cancelled, which closes the stream", with_pair(function(a, b)
    local task = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    task:cancel()
    pair.is_a(neap.CancelledError, fails(task))
    assert.is_true(a:is_closing())
    pcall(await, b:read "a")
  end))

  it("ends when the stream is closed, aborted or reset", function()
    for _, how in ipairs { "close", "abort", "reset", "eof" } do
      with_pair(function(a, b)
        local task = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
        if how == "reset" then b:abort() elseif how == "eof" then b:write_eof() else a[how](a) end
        local err = fails(task)
        pair.is_a(how == "reset" and neap.ConnectionResetError or how == "eof" and neap.TLSEOFError
          or neap.ConnectionAbortedError, err)
        pcall(await, b:read "a")
      end)()
    end
  end)

  it("ends when the end is written in the middle of it", with_pair(function(a, b)
    local server = started(function() await(b:start_tls(pair.server_context(), server_side)) end)
    local client = started(function() await(a:start_tls(pair.client_context(), client_side)) end)
    a:write_eof()
    fails(client)
    fails(server)
  end))

  it("wants a context, a name, and a stream that is open and nobody reads", with_pair(function(a, b)
    local function tell(...)
      local arguments = table.pack(...)
      return tostring(select(2, pcall(function()
        local made = a:start_tls(table.unpack(arguments, 1, arguments.n))
        return made
      end)))
    end
    assert.matches("start_tls_spec.-bad argument #1 to 'start_tls' %(context: true or a context", tell(5))
    assert.matches("bad argument #1 to 'start_tls'", tell())
    assert.matches("start_tls_spec.-bad argument #2 to 'start_tls' %(table expected", tell(true, 5))
    assert.matches("bad argument #2 to 'start_tls' %(field 'server_hostname' is missing", tell(true))
    for _, field in ipairs { "server_sied", "limit", "tls" } do
      assert.matches(("start_tls_spec.-bad argument #2 to 'start_tls' %%(field '%s' is unknown"):format(field),
        tell(true, { [field] = true }))
    end
    assert.matches("the context has no certificate", tell(pair.client_context(), server_side))
    local reader = started(function() return await(a:read(1)) end)
    assert.matches("a task is reading", tostring(fails(a:start_tls(pair.client_context(), client_side))))
    assert.is_false(a:is_closing())
    b:write "x"
    assert.equal("x", await(reader))
    secure(a, b)
    assert.matches("has a filter already", tostring(fails(a:start_tls(pair.client_context(), client_side))))
    a:close()
    pair.is_a(neap.ConnectionAbortedError, fails(a:start_tls(pair.client_context(), client_side)))
    assert.has_error(function() neap.Stream.start_tls(5, pair.client_context(), client_side) end)
  end))
end)
