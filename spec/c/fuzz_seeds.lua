-- SPDX-License-Identifier: MIT
-- fuzz_seeds NAME MOST FOLDER: inputs to begin with, as libFuzzer is slow to find long ones itself.
local name, most, folder = arg[1], tonumber(arg[2]), arg[3]

local inputs, state = {}, 1

local function random(n)
  state = (state * 1103515245 + 12345) & 0x7fffffff
  return (state >> 12) % n
end

if name == "addresses" then
  for _, text in ipairs {
    "127.0.0.1", "::1", "::ffff:1.2.3.4", "fe80::1%lo", "fe80::1%1", "ff02::1:2%99999", "::1%nosuch", "1:2:3:4:5:6:7:8",
    "0.0.0.0\0x", ("1"):rep(39) .. "%lo", ("0000:"):rep(7) .. "00010%lo",
    ("\1\2\3\4"):rep(5), "\0abstract\0name", "/tmp/path", ("x"):rep(109),
  } do
    for what = 0, 7 do inputs[#inputs + 1] = string.char(what, 80, 0) .. text end
  end
else
  for i = 1, 32 do
    local bytes = { string.char(i * 8 % 256 + i // 4) }
    for j = 2, most // (i % 4 + 1) do bytes[j] = string.char(random(256)) end
    inputs[i] = table.concat(bytes)
  end
end

for i, input in ipairs(inputs) do
  local file = assert(io.open(("%sseed-%d"):format(folder, i), "wb"))
  file:write(input)
  file:close()
end
