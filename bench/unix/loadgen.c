#define OVER_UNIX
#include "../echo/loadgen.c"
