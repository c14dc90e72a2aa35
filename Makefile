# What can be done here; mk/build.mk knows how the module is built.

BUILD ?= build
LUA ?= lua5.4
BUSTED ?= $(LUA) $(shell command -v busted) --ignore-lua
PREFIX ?= /usr/local
LUA_CMOD ?= $(PREFIX)/lib/lua/5.4
LUA_LMOD ?= $(PREFIX)/share/lua/5.4
INCDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
METADIR ?= $(PREFIX)/share/neap/meta
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SPEC ?=
ARGS ?=

asan := build/asan
cov := build/cov
seeds ?= 1 2 3

.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

compile = $(MAKE) $(if $(V),,-s) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) -f mk/build.mk
# What the specs of the C interface use: build/spec/probe.so and build/spec/host.
compile_spec = $(subst build.mk,spec.mk,$(compile))
paths = LUA_PATH='$(abspath $1)/?.lua;$(abspath $1)/?/init.lua;;' LUA_CPATH='$(abspath $1)/?.so;;'
with = env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_INIT $(call paths,$1) NEAP_BUILD='$(abspath $1)'
specs := $(shell find spec -name '*_spec.lua' 2>/dev/null)
# A step whose files are not there says so and passes; .ci/run looks for "skip:".
given = @$(if $(strip $1),$2,echo 'skip: $3')

all: ## build into build/
	@$(compile) BUILD=$(BUILD)

lib: ## the library for embedding: build/lib/libneap.a, libneap.so
	@$(compile) BUILD=$(BUILD) lib

amalgamation: ## the library as one file: build/amalgamation/neap.c, and its two headers
	@$(compile) BUILD=$(BUILD) amalgamation

lib-check: setup all lib amalgamation ## hosts that link the library, statically, shared and as one file; the names it exports
	@CC='$(CC)' sh tools/lib_check $(BUILD)

env: ## print the exports that make any script find the build: eval "$(make -s env)"
	@printf 'export %s\n' $(foreach p,$(call paths,$(BUILD)),"$(p)")

setup: ## install what is missing (Debian: with apt-get)
	@sh tools/setup

demo: setup all ## crawl a small site with the example fetcher
	$(call given,$(wildcard examples/fetch.lua),$(call with,$(BUILD)) $(LUA) examples/fetch.lua $(ARGS),no examples/fetch.lua)

test: setup all spec ## run the specs; SPEC=file for some of them

spec:
	@$(compile_spec) BUILD=$(BUILD)
	$(call given,$(specs),$(call with,$(BUILD)) $(BUSTED) $(ARGS) $(SPEC),no specs)

lint: ## luacheck, the strict warnings of gcc and clang, the length of files
	@sh tools/lint

check: setup lint all spec asan ## lint, specs, specs under sanitizers

preload := build/obj/preload.so
$(preload): tools/preload.c
	@mkdir -p $(@D)
	@$(CC) -shared -fPIC -o $@ $<

sanitize := BUILD=$(asan) CC=gcc LDFLAGS=-Wl,-z,nodelete \
  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined'
asan: $(preload) ## specs under AddressSanitizer, UBSan and LeakSanitizer
	@$(compile) $(sanitize)
	@$(compile_spec) $(sanitize)
	$(call given,$(specs),$(call with,$(asan)) NEAP_SLOW=1 sh tools/sanitized $(preload) $(BUSTED) $(ARGS) $(SPEC),no specs)

tsan := build/tsan
tsan_with = $(call with,$(tsan)) NEAP_SLOW=1 TSAN_OPTIONS='die_after_fork=0:allocator_may_return_null=1:suppressions=$(abspath tools/tsan.supp)'
# The shell does not bear the preload: specs of processes are left out, their hosts run from here.
tsan: ## the specs of the C interface under ThreadSanitizer
	@$(compile) BUILD=$(tsan) CC=gcc LDFLAGS=-Wl,-z,nodelete CFLAGS='-O1 -g -fsanitize=thread'
	@$(compile_spec) BUILD=$(tsan) CC=gcc CFLAGS='-O1 -g -fsanitize=thread'
	$(call given,$(wildcard spec/api),$(tsan_with) LD_PRELOAD=$$(gcc -print-file-name=libtsan.so) $(BUSTED) $(ARGS) \
	  $(or $(SPEC),$(filter-out %/host_spec.lua %/exit_spec.lua,$(wildcard spec/api/*_spec.lua))) && \
	  for name in $$($(tsan)/spec/host); do $(tsan_with) $(tsan)/spec/host $$name >$(tsan)/host.log 2>&1 || \
	  { cat $(tsan)/host.log; echo "host $$name failed"; exit 1; }; done,no spec/api)

stress: stress-gc stress-shuffle oom fuzz valgrind ## all five of them

# Folder by folder: a collection takes as long as there is, and busted keeps what has been.
stress-gc: all ## specs with a collection at every step
	@$(compile_spec) BUILD=$(BUILD)
	$(call given,$(specs),for part in $(or $(SPEC),$(sort $(filter-out spec/,$(dir $(specs))) $(wildcard spec/*_spec.lua))); do echo "$$part"; \
	  $(call with,$(BUILD)) NEAP_SLOW=1 NEAP_STRESS=gc $(BUSTED) $$part || exit 1; done,no specs)

stress-shuffle: all ## specs with ties in random order; seeds="1 2 3"
	@$(compile_spec) BUILD=$(BUILD)
	$(call given,$(specs),for seed in $(seeds); do echo "seed $$seed"; \
	  $(call with,$(BUILD)) NEAP_STRESS=shuffle NEAP_SEED=$$seed $(BUSTED) $(SPEC) || exit 1; done,no specs)

stress-park: all ## specs with every await on a parked C stack
	@$(compile_spec) BUILD=$(BUILD)
	$(call given,$(specs),$(call with,$(BUILD)) NEAP_STRESS=park $(BUSTED) $(SPEC),no specs)

# Every allocation fails once: spec/c/oom*.c are a host that runs its argument so, spec/c/oom.lua the script.
driver := $(wildcard spec/c/oom*.c)
script := $(wildcard spec/c/oom.lua)
oom: all ## every allocation fails once; NEAP_OOM_ONLY=pattern for some sections
ifneq ($(driver),)
	@$(compile_spec) BUILD=$(BUILD)
	@$(CC) -std=gnu11 -O1 -g -Wall -Wextra -Isrc -Iinclude $$(pkg-config --cflags lua5.4 libuv) -rdynamic \
	  $(driver) -o $(BUILD)/spec/oom $$(pkg-config --libs lua5.4) -ldl -lpthread -lm
	@$(call with,$(BUILD)) $(BUILD)/spec/oom $(script)
	@$(call with,$(BUILD)) $(BUILD)/spec/oom spec/c/oom_files.lua
	@$(if $(and $(tls),$(shell command -v openssl)),$(call with,$(BUILD)) $(BUILD)/spec/oom spec/c/oom_tls.lua,:)
else
	$(call given,$(script),$(call with,$(BUILD)) $(LUA) $(script),no spec/c/oom.c or spec/c/oom.lua)
endif

fuzz: all ## the stored random programs, compared with CPython 3.13; then with every await parked
	$(call given,$(wildcard spec/verify/fuzz/diff.py),for stress in '' park; do \
	  $(call with,$(BUILD)) NEAP_STRESS=$$stress sh tools/fuzz $(ARGS) || exit 1; done,no spec/verify/fuzz/diff.py)

# Inputs of clang's libFuzzer; what breaks stays in build/fuzz-bytes.
fuzz-bytes: amalgamation ## reads, TLS records and addresses against models, inputs made by libFuzzer; SECONDS=8 ONLY=tls
	$(call given,$(shell command -v clang),ONLY='$(ONLY)' LUA='$(LUA)' sh tools/fuzz_bytes $(BUILD) $(or $(SECONDS),8),no clang)

# A build of its own: it tells valgrind where the stacks of C are. In turns that are fair the watchdog's thread has some.
watched := build/valgrind
watch := BUILD=$(watched) CC=gcc CFLAGS='-O2 -g' CPPFLAGS=-DNEAP_VALGRIND
valgrind: $(preload) ## specs under valgrind
	$(call given,$(shell command -v valgrind),$(compile) $(watch) && $(compile_spec) $(watch),no valgrind)
	$(call given,$(and $(specs),$(shell command -v valgrind)),$(call with,$(watched)) NEAP_SLOW=1 LD_PRELOAD=$(abspath $(preload)) \
	  valgrind -q --fair-sched=yes --suppressions=tools/valgrind.supp --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite $(BUSTED) $(SPEC),no specs or no valgrind)

# The hosts of examples/embed and spec/c, natively, under the sanitizers, and under valgrind; and the module with hiredis.
kinds ?= native asan tsan valgrind module
hosts = $(MAKE) $(if $(V),,-s) -j$(JOBS) -f mk/embed.mk BUILD=$1
embed: $(addprefix embed-,$(kinds)) ## the C hosts print what they say; kinds="native asan tsan valgrind module"

embed-native: all
	@$(call hosts,$(BUILD))
	@$(LUA) tools/embed.lua native $(BUILD)

embed-asan: $(preload)
	@$(compile) $(sanitize)
	@$(call hosts,$(asan)) CC=gcc CXX=g++ CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined'
	@$(LUA) tools/embed.lua asan $(asan)

embed-tsan:
	@$(compile) BUILD=$(tsan) CC=gcc LDFLAGS=-Wl,-z,nodelete CFLAGS='-O1 -g -fsanitize=thread'
	@$(call hosts,$(tsan)) CC=gcc CXX=g++ CFLAGS='-O1 -g -fsanitize=thread'
	@$(LUA) tools/embed.lua tsan $(tsan)

embed-valgrind:
	$(call given,$(shell command -v valgrind),$(compile) $(watch) && $(call hosts,$(watched)) && \
	  $(LUA) tools/embed.lua valgrind $(watched),no valgrind)

embed-module: all $(preload)
	@$(compile) $(sanitize)
	@sh tools/embed-module $(BUILD) $(asan)

coverage: ## lines and branches of src/, and of modules/, that the specs and the sweep reach; fails under 95 and 85 of src/
	@$(compile) BUILD=$(cov) CC=gcc CFLAGS='-O0 -g --coverage -DNDEBUG'
	@$(compile_spec) BUILD=$(cov) CC=gcc CFLAGS='-O0 -g'
	@find $(cov) -name '*.gcda' -delete
	$(call given,$(specs),$(call with,$(cov)) $(BUSTED) -o TAP $(SPEC) >$(cov)/specs.tap || { grep -v '^ok' $(cov)/specs.tap; exit 1; },no specs)
	@$(if $(driver)$(script),$(MAKE) -s oom BUILD=$(cov) CC=gcc CFLAGS='-O0 -g --coverage -DNDEBUG')
	$(call given,$(specs),$(LUA) tools/coverage.lua $(cov) 95 85,no specs)

bench: all ## what things cost, beside whichever peers are installed
	$(call given,$(wildcard bench/run.lua bench/run.py),$(call with,$(BUILD)) \
	  $(if $(wildcard bench/run.lua),$(LUA) bench/run.lua,python3 bench/run.py) $(ARGS),no bench/run.lua or bench/run.py)

bench-embed: all ## what neap costs a host: states, an empty turn, frames at 60 Hz; about a minute
	@mkdir -p build/bench
	@$(CC) -std=gnu11 -O2 -Iinclude bench/embed/cost.c $$(pkg-config --cflags --libs lua5.4) -o build/bench/embed_cost
	@strip -o build/bench/core.so $(BUILD)/neap/core.so
	@echo "the core, stripped: $$(wc -c <build/bench/core.so) bytes"
	@for with in 0 1 2; do $(call with,$(BUILD)) build/bench/embed_cost states $$with || exit 1; done
	@$(call with,$(BUILD)) build/bench/embed_cost frames 10000 30

# The optional modules that were built.
OPENSSL ?= $(shell pkg-config --exists openssl 2>/dev/null && echo openssl)
tls = $(if $(OPENSSL),neap/tls/core.so)

modules = $(patsubst lua/%,%,$(shell find lua -name '*.lua' 2>/dev/null))
metas = $(patsubst meta/%,%,$(shell find meta -name '*.lua' 2>/dev/null))
headers := neap.h neap_static.h
libraries := libneap.a libneap.so.1
version := $(shell sed -n 's/^\#define NEAP_VERSION "\(.*\)".*/\1/p' include/neap.h)
put = install -d "$(DESTDIR)$3" && for f in $1; do install -D -m $(or $4,644) "$2/$$f" "$(DESTDIR)$3/$$f" || exit 1; done
drop = rm -f $(addprefix $(DESTDIR)$2/,$1)

install: install-module install-lib ## into PREFIX (/usr/local), below DESTDIR: the module, its header, the library, the types

install-module: all ## the module only: what require "neap" needs
	@$(call put,neap/core.so $(tls),$(BUILD),$(LUA_CMOD),755)
	@$(call put,$(modules),lua,$(LUA_LMOD))

install-lib: lib ## the headers, the library for embedding, neap.pc, the types for editors
	@$(call put,$(headers),include,$(INCDIR))
	@$(call put,$(libraries),$(BUILD)/lib,$(LIBDIR))
	@ln -sf libneap.so.1 "$(DESTDIR)$(LIBDIR)/libneap.so"
	@sed -e 's|@PREFIX@|$(PREFIX)|; s|@INCDIR@|$(INCDIR)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(version)|' mk/neap.pc.in >$(BUILD)/lib/neap.pc
	@$(call put,neap.pc,$(BUILD)/lib,$(LIBDIR)/pkgconfig)
	@$(call put,$(metas),meta,$(METADIR))

uninstall: ## what install put there
	@$(call drop,neap/core.so neap/tls/core.so,$(LUA_CMOD))
	@$(call drop,$(modules),$(LUA_LMOD))
	@$(call drop,$(headers),$(INCDIR))
	@$(call drop,$(libraries) libneap.so pkgconfig/neap.pc,$(LIBDIR))
	@$(call drop,$(metas),$(METADIR))
	@for d in "$(LUA_CMOD)/neap" "$(LUA_LMOD)/neap" "$(METADIR)"; do \
	  [ ! -d "$(DESTDIR)$$d" ] || find "$(DESTDIR)$$d" -depth -type d -empty -delete; done

dist: amalgamation ## build/dist: neap-VERSION.tar.gz of what is committed, and the amalgamation
	@sh tools/dist $(version) $(BUILD)

rock: setup ## luarocks make, offline, into build/rock; then run the installed module
	@sh tools/rock

deb: ## the Debian packages lua-neap, lua-neap-tls and lua-neap-dev, into build/deb; lintian; then they are used
	@sh tools/setup build-essential debhelper dpkg-dev libssl-dev lintian git openssl
	@sh tools/deb $(ARGS)

luv-static: all ## the specs on a luv with its own libuv; LUV=, LIBUV=, COMPAT53= are its sources
	@sh tools/luv-static

clean:
	rm -rf build

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 16

.PHONY: all lib lib-check env setup demo test spec lint check asan stress stress-gc stress-shuffle oom fuzz fuzz-bytes valgrind coverage tsan \
  bench install install-module install-lib uninstall dist amalgamation rock deb luv-static clean help embed embed-native embed-asan embed-tsan embed-valgrind \
  embed-module bench-embed
