std = "lua54"
max_line_length = 120
self = false
unused_args = false
exclude_files = { "spec/verify/**", "bench/**/peers/**" }
files["spec/**/*.lua"] = { std = "lua54+busted" }
ignore = { "211/held" } -- luacheck takes a <close> variable for unused
