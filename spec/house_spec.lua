-- The house: layers, rules of the C sources, sizes of files, names in meta/.
local neap = require "neap"

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- The text with comments and strings blanked, of the same length and lines.
local function code_of(text)
  local function blank(part) return (part:gsub("[^\n]", " ")) end
  text = text:gsub("/%*.-%*/", blank):gsub("//[^\n]*", blank)
  return (text:gsub('"[^"\n]*"', function(part) return '"' .. (" "):rep(#part - 2) .. '"' end))
end

local function comments_of(text)
  local all = {}
  for comment in text:gmatch "/%*.-%*/" do all[#all + 1] = comment end
  return table.concat(all, "\n")
end

local sources = lines_of "find src -name '*.[ch]' | LC_ALL=C sort"
local scripts = lines_of "find lua -name '*.lua' | LC_ALL=C sort"
local text, code = {}, {}
for _, path in ipairs(sources) do
  text[path] = read(path)
  code[path] = code_of(text[path])
end

-- Every function defined in the code: name, parameters, body.
local function functions_of(path)
  local found = {}
  for name, parameters, at in code[path]:gmatch "\n[%a_][%w_ %*]-([%w_]+)(%b())%s*(){" do
    found[#found + 1] = { name = name, parameters = parameters, body = code[path]:match("^%b{}", at), path = path }
  end
  return found
end

-- Collects complaints, so that a failure shows all of them.
local function expect_none(complaints) assert.same({}, complaints) end

local function layer_of(path) return path:match "^src/([^/]+)/" end

describe("The layers", function()
  local allowed = { base = { base = true }, kernel = { base = true, kernel = true } }
  for _, layer in ipairs { "combine", "sync", "io", "thread" } do
    allowed[layer] = { base = true, kernel = true, [layer] = true }
  end

  it("include only what lies below", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      local layer = layer_of(path)
      for header in text[path]:gmatch '#include "([^"]+)"' do
        local of = header:match "^([^/]+)/"
        if layer and header ~= "neap.h" and not (of and allowed[layer] and allowed[layer][of]) then
          wrong[#wrong + 1] = path .. " includes " .. header
        end
      end
    end
    expect_none(wrong)
  end)

  it("at the base know neither Lua nor libuv", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      if layer_of(path) == "base" then
        for header in text[path]:gmatch "#include%s*[<\"]([^>\"]+)" do
          if header:find "lua" or header:find "^l.*lib%.h" or header:find "uv" then
            wrong[#wrong + 1] = path .. " includes " .. header
          end
        end
        if code[path]:find "%f[%w_]lua_" or code[path]:find "%f[%w_]uv_" then
          wrong[#wrong + 1] = path .. " names lua_ or uv_"
        end
      end
    end
    expect_none(wrong)
  end)
end)

describe("The C sources", function()
  it("call no Lua in callbacks of libuv", function()
    local wrong, seen = {}, 0
    for _, path in ipairs(sources) do
      for _, fn in ipairs(functions_of(path)) do
        if fn.name:find "^on_" and fn.parameters:find "%f[%w_]uv_" then
          seen = seen + 1
          local call = fn.body:match "%f[%w_]luaL?_[%w_]+"
          if call then wrong[#wrong + 1] = ("%s: %s calls %s"):format(path, fn.name, call) end
          if fn.parameters:find "lua_State" then
            wrong[#wrong + 1] = ("%s: %s takes a lua_State"):format(path, fn.name)
          end
        end
      end
    end
    assert.is_true(seen > 0)
    expect_none(wrong)
  end)

  it("resume in one place", function()
    local places = {}
    for _, path in ipairs(sources) do
      for _ in code[path]:gmatch "%f[%w_]lua_resume%s*%(" do places[#places + 1] = path end
    end
    assert.equal(1, #places, table.concat(places, " "))
  end)

  it("tell the Lua signature of every function that Lua calls", function()
    local wrong, seen, comments = {}, 0, {}
    for _, path in ipairs(sources) do
      local folder = path:match "^(.*)/"
      comments[folder] = (comments[folder] or "") .. comments_of(text[path])
    end
    for _, path in ipairs(sources) do
      for rows in text[path]:gmatch "luaL_Reg%s+[%w_]+%[%]%s*=%s*(%b{})" do
        for name in rows:gmatch '{%s*"([%w_]+)"%s*,%s*[%w_]+%s*}' do
          if not name:find "^__" then
            seen = seen + 1
            local told = comments[path:match "^(.*)/"]:find("%f[%w_]" .. name .. "%(")
            if not told then wrong[#wrong + 1] = path .. ": " .. name end
          end
        end
      end
    end
    assert.is_true(seen > 50)
    expect_none(wrong)
  end)

  it("have no left-over", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      for _, mark in ipairs { "TODO", "FIXME", "XXX", "#if 0" } do
        if text[path]:find(mark, 1, true) then wrong[#wrong + 1] = path .. ": " .. mark end
      end
    end
    for _, path in ipairs(scripts) do
      for _, mark in ipairs { "TODO", "FIXME" } do
        if read(path):find(mark, 1, true) then wrong[#wrong + 1] = path .. ": " .. mark end
      end
    end
    expect_none(wrong)
  end)

  it("carry the licence in one line", function()
    local wrong = {}
    for _, path in ipairs(sources) do
      if not text[path]:find "SPDX%-License%-Identifier: MIT" then wrong[#wrong + 1] = path end
    end
    expect_none(wrong)
  end)
end)

describe("The files", function()
  it("have at most 450 lines", function()
    local wrong = {}
    for _, list in ipairs { sources, scripts } do
      for _, path in ipairs(list) do
        local _, n = read(path):gsub("\n", "")
        if n > 450 then wrong[#wrong + 1] = ("%s has %d lines"):format(path, n) end
      end
    end
    expect_none(wrong)
  end)

  it("of Lua never share a module path with a shared object", function()
    for _, path in ipairs(scripts) do assert.not_equal("lua/neap/core.lua", path) end
  end)
end)

local meta = lines_of "find meta/neap -name '*.lua' 2>/dev/null | LC_ALL=C sort"
local it_meta = #meta > 0 and it or pending

describe("The types in meta/", function()
  local declared, wrong = {}, {}
  for _, path in ipairs(meta) do
    local source = read(path)
    for name in source:gmatch "\nfunction neap%.([%w_]+)%(" do declared[name] = path end
    for name in source:gmatch "\nneap%.([%w_]+)%s*=" do declared[name] = path end
    for class, method in source:gmatch "\nfunction neap%.([%w_]+)[:.]([%w_]+)%(" do
      local methods = neap[class]
      if type(methods) == "table" and methods[method] == nil then
        wrong[#wrong + 1] = ("%s: %s:%s does not exist"):format(path, class, method)
      end
    end
  end

  it_meta("name what exists", function()
    for name, path in pairs(declared) do
      if neap[name] == nil then wrong[#wrong + 1] = ("%s: %s does not exist"):format(path, name) end
    end
    table.sort(wrong)
    expect_none(wrong)
  end)

  it_meta("name all that is public", function()
    local missing = {}
    for name in pairs(neap) do
      if type(name) == "string" and not name:find "^_" and not declared[name] then missing[#missing + 1] = name end
    end
    table.sort(missing)
    expect_none(missing)
  end)

  it_meta("name every method of every class", function()
    local all = {}
    for _, path in ipairs(meta) do all[#all + 1] = read(path) end
    local source, missing = table.concat(all, "\n"), {}
    for name, class in pairs(neap) do
      local class_meta = type(class) == "table" and getmetatable(class)
      if type(class_meta) == "table" and class_meta.__neap then
        for method, value in pairs(class) do
          local known = source:find(("function [%%w_.]+[:.]%s%%("):format(method))
          if type(value) == "function" and not known then missing[#missing + 1] = name .. ":" .. method end
        end
      end
    end
    table.sort(missing)
    expect_none(missing)
  end)
end)
