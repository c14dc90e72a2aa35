-- SPDX-License-Identifier: MIT
-- luacheck: no max line length (most of it is snippets)
-- await in what other people's libraries call back: from C, from coroutines of theirs, from sorts and iterators.
local neap = require "neap"
local child = require "spec.support.child"
local library = require "spec.support.library"
local loop = require "spec.support.loop"
local await, run = neap.await, loop.run

local LPEG = { "lua-lpeg", { "lpeg", "re" } }
local EXPAT = { "lua-expat", { "lxp" } }
local PCRE = { "lua-rex-pcre2", { "rex_pcre2" } }

local function penlight(...) return { "lua-penlight", { ... } } end

-- library, what, the text of fn(act, modules...): act(...) may await and gives its arguments; what it returns.
local uses = {
  { LPEG, "a match-time capture of LPeg",
    'local lpeg = ... return lpeg.match(lpeg.Cs((lpeg.Cmt(lpeg.R "az", function(_, at, c) act() return at, c:upper() end) + 1) ^ 0), "a1b")', "A1B" },
  { LPEG, "a function capture of LPeg",
    'local lpeg = ... return table.concat(lpeg.match(lpeg.Ct((lpeg.C(lpeg.R "09" ^ 1) / function(n) return act(n * 2) end + 1) ^ 0), "1 20"), " ")', "2 40" },
  { LPEG, "a fold capture of LPeg",
    'local lpeg = ... local n = lpeg.R "09" ^ 1 / tonumber return lpeg.match(lpeg.Cf(n * ("+" * n) ^ 0, function(a, b) return act(a + b) end), "1+2+3")', 6 },
  { LPEG, "a grammar of re",
    'local _, re = ... return re.compile([=[ s <- ("(" s ")" / [a-z] => seen)+ ]=], { seen = function(_, at) act() return at end }):match "((a)b)"', 7 },
  { EXPAT, "a SAX handler of lua-expat", [[
    local lxp = ...
    local seen = {}
    local parser = lxp.new {
      StartElement = function(_, name, attributes) act() seen[#seen + 1] = name .. (attributes.id or "") end,
      CharacterData = function(_, text) act() seen[#seen + 1] = text end,
      EndElement = function(_, name) act() seen[#seen + 1] = "/" .. name end,
    }
    assert(parser:parse '<a id="1">x<b')
    assert(parser:parse '/></a>')
    assert(parser:parse())
    parser:close()
    return table.concat(seen, " ")]], "a1 x b /b /a" },
  { PCRE, "gsub of lrexlib", 'local rex = ... return (rex.gsub("a1 b2", "([a-z])(\\\\d)", function(c, d) act() return d .. c end))', "1a 2b" },
  { PCRE, "an iterator of lrexlib", [[
    local rex = ...
    local words = coroutine.wrap(function() for w in rex.gmatch("to be or", "\\w+") do act() coroutine.yield(w) end end)
    return words() .. words() .. words()]], "tobeor" },
  { penlight "pl.seq", "the sequences of Penlight", [[
    local seq = ...
    local function count() return coroutine.wrap(function() for i = 1, 6 do coroutine.yield(act(i)) end end) end
    local even = seq(count()):filter(function(n) return act(n % 2 == 0) end):map(function(n) return act(n * n) end):copy()
    return table.concat(even, " ")]], "4 16 36" },
  { penlight "pl.List", "a List of Penlight",
    'local List = ... return List { 3, 1, 2 }:map(function(n) return act(n + 1) end):sort(function(a, b) act() return a < b end):join ","', "2,3,4" },
  { penlight("pl.tablex", "pl.OrderedMap"), "the sorted iterators of Penlight", [[
    local tablex, OrderedMap = ...
    local keys = {}
    for k in tablex.sort({ b = 1, a = 2 }, function(x, y) act() return x < y end) do keys[#keys + 1] = act(k) end
    local map = OrderedMap():set("x", 2):set("w", 1)
    map:sort(function(x, y) act() return x < y end)
    for k, v in map:iter() do keys[#keys + 1] = act(k) .. v end
    return table.concat(keys)]], "abw1x2" },
  { penlight "pl.dir", "the generator of Penlight that walks a tree", [[
    local dir = ...
    local base = os.tmpname()
    os.remove(base)
    assert(dir.makepath(base .. "/sub"))
    local found = {}
    local ok, err = pcall(function()
      for path in dir.dirtree(base) do found[#found + 1] = act(path:sub(#base + 1)) end
    end)
    dir.rmtree(base)
    return ok and table.concat(found) or error(err, 0)]], "/sub" },
  { penlight "pl.template", "a template of Penlight", [[
    local template = ...
    local text, err = template.substitute("# for i = 1, 2 do\n$(name(i))\n# end\n", { name = function(i) return act("n" .. i) end })
    return text or error(err, 0)]], "n1\nn2\n" },
  { penlight "pl.class", "a class of Penlight", [[
    local class = ...
    local Named = class { _init = function(self, name) self.name = act(name) end, __tostring = function(self) return act(self.name) end }
    return tostring(class(Named) "made")]], "made" },
}

local function chunk(use) return assert(load("local act = (...) return (function(...) " .. use[3] .. "\nend)(select(2, ...))", "=" .. use[2])) end

local function it_needs(use, sentence, body)
  local why = library.missing(use[1][1], use[1][2])
  if why then return pending(sentence .. ": " .. why) end
  it(sentence, body)
end

describe("await below", function()
  for _, use in ipairs(uses) do
    local function call(act) return chunk(use)(act, library.load(use[1][2])) end

    describe(use[2], function()
      it_needs(use, "waits, in several tasks at once", function()
        run(function()
          local n, tasks, busy, most = 0, {}, 0, 0
          for i = 1, 5 do
            tasks[i] = neap.create_task(function()
              await(neap.sleep(i / 10))
              return call(function(...)
                n, busy = n + 1, busy + 1
                most = math.max(most, busy)
                await(neap.sleep(1 + i / 7))
                busy = busy - 1
                return ...
              end)
            end)
          end
          for _, result in ipairs(await(neap.gather(table.unpack(tasks)))) do assert.equal(use[4], result) end
          assert.equal(5, most)
          assert.is_true(n >= 5)
        end)
      end)

      it_needs(use, "raises what is raised, and the task goes on", function()
        run(function()
          local ok, err = pcall(call, function()
            await(neap.sleep(1))
            error "oops"
          end)
          assert.is_false(ok)
          assert.matches("oops", tostring(err))
          assert.equal(use[4], call(function(...) return await(neap.sleep(1, ...)) end))
        end)
      end)

      it_needs(use, "is cancelled", function()
        run(function()
          local task = neap.create_task(function() call(function() await(neap.sleep(1000)) end) end)
          await(neap.sleep(1))
          task:cancel "enough"
          assert.matches("enough", tostring(loop.failure(await, task)))
        end)
      end)

      it_needs(use, "comes to its end when the state closes", function()
        assert.equal("ended\n", child.output(([[
          local neap, library = require "neap", require "spec.support.library"
          local await = neap.await
          local names = { %s }
          local modules = table.pack(library.load(names))
          neap.create_task(function()
            local _ <close> = setmetatable({}, { __close = function(_, err)
              print(tostring(err):find("the state is closing", 1, true) and "ended" or err)
            end })
            local act = function() await(neap.sleep(1000)) end
            string.gsub("x", "x", function() -- so that all are parked
              (function(...) %s end)(table.unpack(modules))
            end)
          end)
          await(neap.sleep(0.01))
        ]]):format('"' .. table.concat(use[1][2], '", "') .. '"', use[3])))
      end)
    end)
  end
end)
