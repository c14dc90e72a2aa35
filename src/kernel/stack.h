/* SPDX-License-Identifier: MIT
 * C stacks and the switch between them: x86-64 and AArch64 in a few lines of assembler, else the ucontext of libc,
 * else none (STACKS is 0 then). A stack is a mapping with a guard page below; only what is touched is resident.
 * Nothing here knows of Lua. The sanitizers are told of every switch. */
#ifndef NEAP_KERNEL_STACK_H
#define NEAP_KERNEL_STACK_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__)) && !defined(__ILP32__) && !defined(NEAP_UCONTEXT)
#define STACKS 1
#define STACK_ASSEMBLER 1
#elif defined(__GLIBC__) || defined(NEAP_UCONTEXT)
#define STACKS 1
#define STACK_ASSEMBLER 0
#  include <ucontext.h>
#else
#define STACKS 0
#endif

typedef void (*StackFn)(void *arg);

typedef struct {
  void *memory; /* the mapping, its guard page first; NULL: the thread's own stack */
  size_t size;  /* of the mapping */
  StackFn entry;
  void *arg;    /* borrowed */
#if STACKS && STACK_ASSEMBLER
  void *pointer; /* the stack pointer, while another stack runs */
#elif STACKS
  ucontext_t context;
#endif
  void *fake;         /* AddressSanitizer's */
  const void *bottom; /* of what is usable, as it wants to know */
  size_t usable;
  void *fiber; /* ThreadSanitizer's */
} Stack;

enum { STACK_LEAST = 64 << 10, STACK_USUAL = 1 << 20 }; /* bytes */

/* The stack that runs, to switch from and back to. */
void stack_adopt(Stack *stack);

/* A stack that runs entry(arg) when it is first switched to; entry never returns. False: no memory. */
bool stack_create(Stack *stack, size_t size, StackFn entry, void *arg);
void stack_destroy(Stack *stack); /* not the one that runs */

/* Bytes left on `stack`, the one that runs. */
static inline size_t stack_room(const Stack *stack) {
  return (size_t)((const char *)__builtin_frame_address(0) - (const char *)stack->bottom);
}

/* Leaves `from`, the stack that runs, for `to`; returns when somebody switches to `from`. */
void stack_switch(Stack *from, Stack *to);

#endif
