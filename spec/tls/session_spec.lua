-- SPDX-License-Identifier: MIT
-- Sessions that a client takes up again.
local neap = require "neap"
local pair = dofile "spec/tls/pair.lua"
local await = neap.await
local with_tls = pair.with_tls
local describe_tls = pair.usable(describe, pending)

describe_tls("A session", function()
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it(("is taken up again (%s)"):format(version), function()
      local client = pair.client_context { maximum_version = version }
      pair.with_server(pair.echo, { tls = pair.server_context() }, function(port)
        local session
        for i = 1, 3 do
          local stream <close> = await(neap.open_connection("127.0.0.1", port,
            { tls = client, server_hostname = "localhost", tls_session = session }))
          stream:write "hello"
          assert.equal("hello", await(stream:readexactly(5)))
          assert.equal(i > 1, stream:get_extra_info "session_reused")
          session = stream:get_extra_info "tls_session"
          assert.matches("^neap.tls.Session", tostring(session))
          assert.equal("localhost", stream:get_extra_info("peercert").subject.CN)
        end
      end)
    end)
  end

  it("is not given without tickets", with_tls(function(a, b)
    b:write "x"
    await(a:read(1))
    assert.is_nil(a:get_extra_info "tls_session")
  end, { server = { num_tickets = 0 }, client = { minimum_version = "TLSv1.3" } }))

  it("of something else is refused at once", with_tls(function(a)
    local options = { tls = pair.client_context(), server_hostname = "localhost", tls_session = io.stdout }
    local ok, err = pcall(neap.open_connection, "127.0.0.1", a:get_extra_info("peername").port, options)
    assert.is_false(ok)
    assert.matches("field 'tls_session': a session expected", tostring(err))
  end))

  -- Else what vouched for nobody, or for somebody else, would be trusted: nothing is verified again.
  describe("was verified for one context and one host:", function()
    local function refused(first, then_, problem)
      return function()
        pair.with_server(pair.echo, { tls = pair.server_context() }, function(port)
          local stream <close> = await(neap.open_connection("127.0.0.1", port, first))
          stream:write "x"
          await(stream:readexactly(1))
          then_.tls = then_.tls or first.tls
          then_.tls_session = stream:get_extra_info "tls_session"
          local ok, err = pcall(neap.open_connection, "127.0.0.1", port, then_)
          assert.is_false(ok)
          assert.matches("bad argument #3 to 'open_connection' %(field 'tls_session': " .. problem, tostring(err))
        end)
      end
    end

    it("no other context takes it", refused({ tls = neap.tls.context { verify_mode = "none" } },
      { tls = pair.client_context(), server_hostname = "localhost" }, "a session of this context"))

    it("no other host takes it", refused({ tls = pair.client_context(), server_hostname = "localhost" },
      { server_hostname = "somebody.else" }, "a session of this host expected, this one is of localhost"))
  end)

  it("is of any host when none is checked", function()
    local context = neap.tls.context { verify_mode = "none" }
    pair.with_server(pair.echo, { tls = pair.server_context() }, function(port)
      local session
      for i, host in ipairs { "localhost", "somebody.else" } do
        local stream <close> = await(neap.open_connection("127.0.0.1", port,
          { tls = context, server_hostname = host, tls_session = session }))
        stream:write "x"
        await(stream:readexactly(1))
        assert.equal(i == 2, stream:get_extra_info "session_reused")
        session = stream:get_extra_info "tls_session"
      end
    end)
  end)
end)
