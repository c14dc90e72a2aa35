# Builds the module into one folder; the Makefile says which, and with what flags.
#   BUILD    the folder: $(BUILD)/neap/core.so, $(BUILD)/neap/**.lua, objects in $(BUILD)/obj
#   CFLAGS   optimisation and instrumentation; what the sources need is added here

BUILD ?= build
CFLAGS ?= -O3 -g -fno-plt -fno-semantic-interposition
LIBFLAG ?= -shared
WARNINGS ?= -Wall -Wextra -Wshadow
LUA_INCDIR := $(or $(LUA_INCDIR),$(patsubst -I%,%,$(firstword $(shell pkg-config --cflags-only-I lua5.4 2>/dev/null))),/usr/include/lua5.4)
LIBUV_INCDIR := $(or $(LIBUV_INCDIR),$(patsubst -I%,%,$(firstword $(shell pkg-config --cflags-only-I libuv 2>/dev/null))))

flags := -std=gnu11 -fPIC -fvisibility=hidden $(WARNINGS) -Isrc -Iinclude -I$(LUA_INCDIR) \
  $(addprefix -I,$(LIBUV_INCDIR)) $(CPPFLAGS) $(CFLAGS)
libs := $(LDFLAGS) $(if $(filter Linux,$(shell uname -s)),-ldl -lpthread -lm)

sources := $(shell find src -name '*.c' | LC_ALL=C sort)
objects := $(sources:src/%.c=$(BUILD)/obj/%.o)
scripts := $(patsubst lua/%,$(BUILD)/%,$(shell find lua -name '*.lua' 2>/dev/null))
core := $(BUILD)/neap/core.so
record := $(BUILD)/obj/flags

# A script that left lua/ must leave the build too.
gone := $(filter-out $(scripts),$(shell find $(BUILD)/neap -name '*.lua' 2>/dev/null))
$(if $(gone),$(shell rm -f $(gone)))

all: $(core) $(scripts)

$(core): $(objects) $(record)
	@mkdir -p $(@D)
	$(CC) $(LIBFLAG) $(CFLAGS) -o $@ $(objects) $(libs)

$(BUILD)/obj/%.o: src/%.c $(record)
	@mkdir -p $(@D)
	$(CC) $(flags) -MMD -MP -c $< -o $@

$(BUILD)/%.lua: lua/%.lua
	@mkdir -p $(@D)
	cp $< $@

# Rewritten when the compiler, a flag or the list of sources changes: then all is built anew.
$(record): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(flags) $(LIBFLAG) $(libs) $(sources)' | cmp -s - $@ || \
	  echo '$(CC) $(flags) $(LIBFLAG) $(libs) $(sources)' >$@

FORCE:
.PHONY: all FORCE
.DELETE_ON_ERROR:
-include $(objects:.o=.d)
