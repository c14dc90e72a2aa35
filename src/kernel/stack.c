/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "kernel/stack.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define STACK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACK_ASAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define STACK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STACK_TSAN 1
#endif
#endif
#ifdef STACK_ASAN
#  include <sanitizer/asan_interface.h>
#endif
#ifdef STACK_TSAN
#  include <sanitizer/tsan_interface.h>
#endif
#ifdef NEAP_VALGRIND
#  include <valgrind/valgrind.h>
#endif

#if !STACKS
#pragma message("neap: there is no way to switch C stacks here: await across C functions will raise an error")
void stack_adopt(Stack *stack) { memset(stack, 0, sizeof *stack); }
bool stack_create(Stack *stack, size_t size, StackFn entry, void *arg) { return (void)stack, (void)size, (void)entry, (void)arg, false; }
void stack_destroy(Stack *stack) { (void)stack; }
void stack_switch(Stack *from, Stack *to) { (void)from, (void)to; }
#else

/* ---- the switch ---- */

#if STACK_ASSEMBLER
/* Saves what a function must preserve, leaves the stack pointer in *from and goes on where `to` was left. */
void neap_stack_swap(void **from, void *to) __attribute__((visibility("hidden")));
void neap_stack_start(void) __attribute__((visibility("hidden"))); /* the first frame: calls stack_entered(the Stack) */

#if defined(__x86_64__)
__asm__(
    ".pushsection .text\n"
    ".globl neap_stack_swap\n.hidden neap_stack_swap\n.type neap_stack_swap, @function\n.p2align 4\n"
    "neap_stack_swap:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  subq $8, %rsp\n  stmxcsr (%rsp)\n  fnstcw 4(%rsp)\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  ldmxcsr (%rsp)\n  fldcw 4(%rsp)\n  addq $8, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size neap_stack_swap, .-neap_stack_swap\n"
    ".globl neap_stack_start\n.hidden neap_stack_start\n.type neap_stack_start, @function\n.p2align 4\n"
    "neap_stack_start:\n"
    "  .cfi_startproc\n  .cfi_undefined rip\n"
    "  movq %r12, %rdi\n  call *%rbx\n  ud2\n"
    "  .cfi_endproc\n"
    ".size neap_stack_start, .-neap_stack_start\n"
    ".popsection\n");
enum { SAVED_CONTROL, SAVED_R15, SAVED_R14, SAVED_R13, SAVED_R12, SAVED_RBX, SAVED_RBP, SAVED_RETURN, SAVED_WORDS = 8 };

static void prepare(uint64_t *saved, void *function, void *arg) {
  uint32_t mxcsr;
  uint16_t control;
  __asm__ volatile("stmxcsr %0\n  fnstcw %1" : "=m"(mxcsr), "=m"(control));
  saved[SAVED_CONTROL] = mxcsr | (uint64_t)control << 32;
  saved[SAVED_R12] = (uintptr_t)arg;
  saved[SAVED_RBX] = (uintptr_t)function;
}
#else
__asm__(
    ".pushsection .text\n"
    ".globl neap_stack_swap\n.hidden neap_stack_swap\n.type neap_stack_swap, %function\n.p2align 4\n"
    "neap_stack_swap:\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp, #0]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
    "  ldp x19, x20, [sp, #0]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
    "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n"
    "  ret\n"
    ".size neap_stack_swap, .-neap_stack_swap\n"
    ".globl neap_stack_start\n.hidden neap_stack_start\n.type neap_stack_start, %function\n.p2align 4\n"
    "neap_stack_start:\n"
    "  .cfi_startproc\n  .cfi_undefined x30\n"
    "  mov x0, x19\n  blr x20\n  brk #0\n"
    "  .cfi_endproc\n"
    ".size neap_stack_start, .-neap_stack_start\n"
    ".popsection\n");
enum { SAVED_X19, SAVED_X20, SAVED_RETURN = 11, SAVED_WORDS = 20 };

static void prepare(uint64_t *saved, void *function, void *arg) {
  saved[SAVED_X19] = (uintptr_t)arg;
  saved[SAVED_X20] = (uintptr_t)function;
}
#endif
#endif

static _Thread_local Stack *left_behind; /* where the last switch came from */

static void arrived(Stack *stack) {
#ifdef STACK_ASAN
  __sanitizer_finish_switch_fiber(stack->fake, &left_behind->bottom, &left_behind->usable);
#else
  (void)stack;
#endif
}

static void stack_entered(Stack *stack) {
  arrived(stack);
  stack->entry(stack->arg);
  __builtin_trap(); /* entry returned */
}

void stack_switch(Stack *from, Stack *to) {
  left_behind = from;
#ifdef STACK_ASAN
  __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->usable);
#endif
#ifdef STACK_TSAN
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
#if STACK_ASSEMBLER
  neap_stack_swap(&from->pointer, to->pointer);
#else
  swapcontext(&from->context, &to->context);
#endif
  arrived(from);
}

/* ---- making ---- */

void stack_adopt(Stack *stack) {
  memset(stack, 0, sizeof *stack);
#ifdef STACK_TSAN
  stack->fiber = __tsan_get_current_fiber();
#endif
}

#if STACK_ASSEMBLER
static void set_entry(Stack *stack) {
  uint64_t *saved = (uint64_t *)(void *)((char *)stack->memory + stack->size) - SAVED_WORDS - 2; /* and two words of zero */
  void (*start)(void) = neap_stack_start;
  void (*entered)(Stack *) = stack_entered;
  void *function;
  memcpy(&function, &entered, sizeof function);
  prepare(saved, function, stack);
  memcpy(&saved[SAVED_RETURN], &start, sizeof start);
  stack->pointer = saved;
}
#else
static void enter(unsigned low, unsigned high) { stack_entered((Stack *)((uintptr_t)low | (uintptr_t)high << 16 << 16)); }

static void set_entry(Stack *stack) {
  uintptr_t address = (uintptr_t)stack;
  void (*start)(void);
  void (*entry)(unsigned, unsigned) = enter;
  memcpy(&start, &entry, sizeof start);
  getcontext(&stack->context);
  stack->context.uc_stack.ss_sp = (char *)stack->bottom;
  stack->context.uc_stack.ss_size = stack->usable;
  stack->context.uc_link = NULL;
  makecontext(&stack->context, start, 2, (unsigned)address, (unsigned)(address >> 16 >> 16));
}
#endif

bool stack_create(Stack *stack, size_t size, StackFn entry, void *arg) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  memset(stack, 0, sizeof *stack);
  stack->size = (size + page - 1) / page * page + page;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_STACK
  flags |= MAP_STACK;
#endif
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  char *memory = mmap(NULL, stack->size, PROT_NONE, flags, -1, 0);
  if (memory == MAP_FAILED) return false;
  if (mprotect(memory + page, stack->size - page, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, stack->size);
    return false;
  }
  stack->memory = memory;
  stack->bottom = memory + page;
  stack->usable = stack->size - page;
  stack->entry = entry;
  stack->arg = arg;
#ifdef NEAP_VALGRIND
  stack->fake = (void *)(uintptr_t)VALGRIND_STACK_REGISTER(memory + page, memory + stack->size);
#endif
#ifdef STACK_TSAN
  stack->fiber = __tsan_create_fiber(0);
#endif
  set_entry(stack);
  return true;
}

void stack_destroy(Stack *stack) {
#ifdef NEAP_VALGRIND
  VALGRIND_STACK_DEREGISTER((unsigned)(uintptr_t)stack->fake);
#endif
#ifdef STACK_TSAN
  __tsan_destroy_fiber(stack->fiber);
#endif
#ifdef STACK_ASAN
  __asan_unpoison_memory_region(stack->bottom, stack->usable); /* frames that never returned */
#endif
  munmap(stack->memory, stack->size);
}
#endif
