ignore = { "211/held" } -- luacheck takes a <close> variable for unused
