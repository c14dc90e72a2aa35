# Builds the module into one folder; the Makefile says which, and with what flags.
#   BUILD    the folder: $(BUILD)/neap/core.so, $(BUILD)/neap/**.lua, objects in $(BUILD)/obj
#   CFLAGS   optimisation and instrumentation; what the sources need is added here
# The goal `lib` builds for embedding, with libuv linked and the scripts within: $(BUILD)/lib/libneap.*,
# of which only luaopen_neap_core and neap_preload can be seen. The goal `amalgamation` puts the same into one
# file: $(BUILD)/amalgamation.

BUILD ?= build
CFLAGS ?= -O3 -g -fno-plt -fno-semantic-interposition
LIBFLAG ?= -shared
WARNINGS ?= -Wall -Wextra -Wshadow
LUA_INCDIR := $(or $(LUA_INCDIR),$(patsubst -I%,%,$(firstword $(shell pkg-config --cflags-only-I lua5.4 2>/dev/null))),/usr/include/lua5.4)
LIBUV_INCDIR := $(or $(LIBUV_INCDIR),$(patsubst -I%,%,$(firstword $(shell pkg-config --cflags-only-I libuv 2>/dev/null))))

flags := -std=gnu11 -fPIC -fvisibility=hidden $(WARNINGS) -Isrc -Iinclude -I$(LUA_INCDIR) \
  $(addprefix -I,$(LIBUV_INCDIR)) $(CPPFLAGS) $(CFLAGS)
libs := $(LDFLAGS) $(if $(filter Linux,$(shell uname -s)),-ldl -lpthread -lm)

all_sources := $(shell find src -name '*.c' | LC_ALL=C sort)
sources := $(filter-out src/preload.c,$(all_sources))
objects := $(sources:src/%.c=$(BUILD)/obj/%.o)
scripts := $(patsubst lua/%,$(BUILD)/%,$(shell find lua -name '*.lua' 2>/dev/null))
core := $(BUILD)/neap/core.so
record := $(BUILD)/obj/flags

# Optional modules, on include/neap.h alone.
tls_sources := $(wildcard modules/tls/*.c)
tls_objects := $(tls_sources:%.c=$(BUILD)/obj/%.o)
OPENSSL_CFLAGS ?= $(shell pkg-config --cflags openssl 2>/dev/null)
OPENSSL_LIBS ?= $(shell pkg-config --libs openssl 2>/dev/null || echo -lssl -lcrypto)

# A script that left lua/ must leave the build too.
gone := $(filter-out $(scripts),$(shell find $(BUILD)/neap -name '*.lua' 2>/dev/null))
$(if $(gone),$(shell rm -f $(gone)))

# Optional: what is not there is left out.
OPENSSL ?= $(shell pkg-config --exists openssl 2>/dev/null && echo openssl)
tls := $(BUILD)/neap/tls/core.so

all: $(core) $(scripts) $(if $(OPENSSL),$(tls))

$(core): $(objects) $(record)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(CFLAGS) -o $@ $(objects) $(libs)

$(BUILD)/obj/%.o: src/%.c $(record)
	@mkdir -p $(@D)
	$(CC) $(flags) -MMD -MP -c $< -o $@

tls: $(tls)

$(tls): $(tls_objects) $(record)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(CFLAGS) -o $@ $(tls_objects) $(LDFLAGS) $(OPENSSL_LIBS)

$(BUILD)/obj/modules/%.o: modules/%.c include/neap.h $(record)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -fPIC -fvisibility=hidden $(WARNINGS) -Iinclude -I$(LUA_INCDIR) $(OPENSSL_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.lua: lua/%.lua
	@mkdir -p $(@D)
	cp $< $@

# Rewritten when the compiler, a flag or the list of sources changes: then all is built anew.
$(record): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(flags) $(LIBFLAG) $(libs) $(all_sources) $(tls_sources)' | cmp -s - $@ || \
	  echo '$(CC) $(flags) $(LIBFLAG) $(libs) $(all_sources) $(tls_sources)' >$@

# ---- the library ----

lua_files := $(shell find lua -name '*.lua' 2>/dev/null | LC_ALL=C sort)
lib := $(BUILD)/lib
lib_objects := $(all_sources:src/%.c=$(lib)/obj/%.o) $(lib)/obj/scripts.o
LUA ?= lua5.4
LIBUV_LIBS ?= $(shell pkg-config --libs libuv 2>/dev/null || echo -luv)
OBJCOPY ?= $(shell command -v objcopy 2>/dev/null)

lib: $(lib)/libneap.a $(lib)/libneap.so

$(lib)/obj/scripts.c: tools/embed $(lua_files)
	@mkdir -p $(@D)
	$(LUA) tools/embed $(lua_files) >$@

$(lib)/obj/scripts.o: $(lib)/obj/scripts.c $(record)
	$(CC) $(flags) -DNEAP_LINK_UV -MMD -MP -c $< -o $@

$(lib)/obj/%.o: src/%.c $(record)
	@mkdir -p $(@D)
	$(CC) $(flags) -DNEAP_LINK_UV -MMD -MP -c $< -o $@

# One object, in which what is hidden is local: no name of ours meets one of the program's.
$(lib)/neap.o: $(lib_objects)
	$(CC) -r -nostdlib -o $@ $(lib_objects)
	$(if $(OBJCOPY),$(OBJCOPY) --localize-hidden $@)

$(lib)/libneap.a: $(lib)/neap.o
	rm -f $@
	$(AR) rcs $@ $<

$(lib)/libneap.so.1: $(lib_objects)
	$(CC) -shared $(CFLAGS) -Wl,-soname,libneap.so.1 -o $@ $(lib_objects) $(LDFLAGS) $(LIBUV_LIBS) -ldl -lpthread -lm

$(lib)/libneap.so: $(lib)/libneap.so.1
	ln -sf $(<F) $@

# ---- all in one file ----

one := $(BUILD)/amalgamation
amalgamation: $(one)/neap.c

$(one)/neap.c: tools/amalgamate $(lib_objects) $(wildcard include/*.h)
	@mkdir -p $(@D)
	nm -g --defined-only $(lib_objects) | awk 'NF == 3 { print $$3 }' >$(one)/names
	$(LUA) tools/amalgamate $(one)/names $(all_sources) $(lib)/obj/scripts.c >$@
	cp include/neap.h include/neap_static.h $(one)
	rm $(one)/names

FORCE:
.PHONY: all tls lib amalgamation FORCE
.DELETE_ON_ERROR:
-include $(objects:.o=.d) $(tls_objects:.o=.d) $(lib_objects:.o=.d)
