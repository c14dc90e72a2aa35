# Builds the hosts, each from one file, into one folder.
#   BUILD    the build of the module they will run with; they go to $(BUILD)/embed
#   CFLAGS   optimisation and instrumentation

BUILD ?= build
CFLAGS ?= -O2 -g
STRICT := -Wall -Wextra -Wconversion -Wshadow -Werror

flags := $(STRICT) -Iinclude $(shell pkg-config --cflags lua5.4 libuv) $(CPPFLAGS) $(CFLAGS)
libs := $(LDFLAGS) $(shell pkg-config --libs lua5.4 libuv) -pthread
# Without it ThreadSanitizer loses count of the calls that Lua's errors and yields leave.
sources := $(if $(findstring -fsanitize=thread,$(CFLAGS)),tools/longjmp.c)

examples := $(wildcard examples/embed/*.c)
specs := $(shell grep -l '^/\* \$$ ' spec/c/*.c)
plusplus := $(wildcard examples/embed/*.cpp)
out := $(BUILD)/embed

record := $(out)/flags
given := include/neap.h $(sources) $(record)

all: $(examples:examples/embed/%.c=$(out)/%) $(specs:spec/c/%.c=$(out)/%) $(plusplus:examples/embed/%.cpp=$(out)/%)

$(examples:examples/embed/%.c=$(out)/%): $(out)/%: examples/embed/%.c $(given)
	$(CC) -std=gnu11 $(flags) $< $(sources) -o $@ $(libs)

$(specs:spec/c/%.c=$(out)/%): $(out)/%: spec/c/%.c $(given)
	$(CC) -std=gnu11 $(flags) $< $(sources) -o $@ $(libs)

# g++ takes a .c for C++, so what goes with it is compiled first.
$(plusplus:examples/embed/%.cpp=$(out)/%): $(out)/%: examples/embed/%.cpp $(given)
	$(if $(sources),$(CC) $(CFLAGS) -c $(sources) -o $@.o)
	$(CXX) -std=c++17 $(flags) $< $(if $(sources),$@.o) -o $@ $(libs)

# Rewritten when a compiler or a flag changes: then all is built anew.
$(record): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CXX) $(flags) $(libs)' | cmp -s - $@ || echo '$(CC) $(CXX) $(flags) $(libs)' >$@

FORCE:
.PHONY: all FORCE
.DELETE_ON_ERROR:
