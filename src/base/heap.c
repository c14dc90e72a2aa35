/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/memory.h"

enum { CHILDREN = 4 };

void heap_destroy(Heap *heap) {
  memory_delete(heap->at);
  *heap = (Heap){0};
}

bool heap_reserve(Heap *heap) {
  if (heap->count < heap->room) return true;
  if (heap->room > UINT32_MAX / 2) return false;
  uint32_t room = heap->room ? heap->room * 2 : 64;
  HeapEntry *at = memory_resize(heap->at, room * sizeof *at);
  if (!at) return false;
  heap->at = at;
  heap->room = room;
  return true;
}

static inline bool before(const HeapEntry *a, const HeapEntry *b) {
  return a->when < b->when || (a->when == b->when && a->node->seq < b->node->seq);
}

static inline void put(Heap *heap, uint32_t i, HeapEntry entry) {
  heap->at[i] = entry;
  entry.node->place = i + 1;
}

static void sift_up(Heap *heap, uint32_t i, HeapEntry entry) {
  while (i > 0) {
    uint32_t parent = (i - 1) / CHILDREN;
    if (!before(&entry, &heap->at[parent])) break;
    put(heap, i, heap->at[parent]);
    i = parent;
  }
  put(heap, i, entry);
}

static void sift_down(Heap *heap, uint32_t i, HeapEntry entry) {
  for (;;) {
    uint64_t first = (uint64_t)i * CHILDREN + 1;
    if (first >= heap->count) break;
    uint32_t least = (uint32_t)first;
    uint32_t end = heap->count - least > CHILDREN ? least + CHILDREN : heap->count;
    for (uint32_t c = least + 1; c < end; c++)
      if (before(&heap->at[c], &heap->at[least])) least = c;
    if (!before(&heap->at[least], &entry)) break;
    put(heap, i, heap->at[least]);
    i = least;
  }
  put(heap, i, entry);
}

static uint64_t next_seq(Heap *heap) {
  if (!heap->shuffle) return heap->seq++;
  heap->shuffle ^= heap->shuffle << 13;
  heap->shuffle ^= heap->shuffle >> 7;
  heap->shuffle ^= heap->shuffle << 17;
  return heap->shuffle;
}

void heap_insert(Heap *heap, HeapNode *node, uint64_t when) {
  node->seq = next_seq(heap);
  sift_up(heap, heap->count++, (HeapEntry){when, node});
}

void heap_remove(Heap *heap, HeapNode *node) {
  if (!node->place) return;
  uint32_t i = node->place - 1;
  node->place = 0;
  HeapEntry last = heap->at[--heap->count];
  if (i == heap->count) return;
  if (i > 0 && before(&last, &heap->at[(i - 1) / CHILDREN]))
    sift_up(heap, i, last);
  else
    sift_down(heap, i, last);
}
