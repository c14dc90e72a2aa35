/* SPDX-License-Identifier: MIT
 * Loaded before the specs that run under a sanitizer or valgrind. Nothing is unloaded, so that a report
 * at exit finds the names of what was loaded; output leaves by the line, for such a report ends the
 * process before stdio flushes. */
#include <stdio.h>

int dlclose(void *handle);

int dlclose(void *handle) { return handle ? 0 : -1; }

__attribute__((constructor)) static void by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
