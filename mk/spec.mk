# Builds what the specs of the C interface need into $(BUILD)/spec: a C module, a host
# program, and what is preloaded into children.
#   BUILD, CC, CFLAGS, LDFLAGS   as for mk/build.mk

BUILD ?= build
CFLAGS ?= -O1 -g

flags := -std=gnu11 -Wall -Wextra -Wshadow -Iinclude $(shell pkg-config --cflags lua5.4 libuv) $(CFLAGS)
probes := $(wildcard spec/c/probe*.c)
hosts := $(wildcard spec/c/host*.c)
preloads := $(wildcard spec/c/preload_*.c)
record := $(BUILD)/spec/flags

all: $(if $(probes),$(BUILD)/spec/probe.so) $(if $(hosts),$(BUILD)/spec/host) $(preloads:spec/c/%.c=$(BUILD)/spec/%.so)

# To be preloaded; so it is not instrumented.
$(BUILD)/spec/preload_%.so: spec/c/preload_%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -O1 -g -fPIC -shared -o $@ $< -ldl

$(BUILD)/spec/probe.so: $(probes) $(wildcard spec/c/*.h) include/neap.h $(record)
	$(CC) $(flags) -fPIC -shared $(LDFLAGS) -o $@ $(probes) -lpthread

$(BUILD)/spec/host: $(hosts) $(wildcard spec/c/*.h) include/neap.h $(record)
	$(CC) $(flags) -rdynamic $(LDFLAGS) -o $@ $(hosts) $(shell pkg-config --libs lua5.4 libuv) -lpthread -ldl -lm

$(record): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(flags) $(LDFLAGS) $(probes) $(hosts)' | cmp -s - $@ || echo '$(CC) $(flags) $(LDFLAGS) $(probes) $(hosts)' >$@

FORCE:
.PHONY: all FORCE
