/* SPDX-License-Identifier: MIT
 * A 4-ary min-heap of deadlines. The entries carry the key, so that sifting touches the nodes only
 * to tell them their place. Equal keys leave in the order they came in (or, for tests, in a seeded
 * random order). Room is reserved beforehand: inserting never fails. */
#ifndef NEAP_BASE_HEAP_H
#define NEAP_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint64_t seq;   /* breaks ties: the order of insertion */
  uint32_t place; /* index in the heap plus one; 0 while in no heap */
} HeapNode;

typedef struct {
  uint64_t when;
  HeapNode *node; /* borrowed */
} HeapEntry;

typedef struct {
  HeapEntry *at; /* block */
  uint32_t count, room;
  uint64_t seq;     /* of the next node */
  uint64_t shuffle; /* a generator's state; 0: ties are first in, first out */
} Heap;

void heap_destroy(Heap *heap);
bool heap_reserve(Heap *heap); /* room for one more; false: out of memory */
void heap_insert(Heap *heap, HeapNode *node, uint64_t when);
void heap_remove(Heap *heap, HeapNode *node);

static inline bool heap_empty(const Heap *heap) { return heap->count == 0; }
static inline uint64_t heap_next(const Heap *heap) { return heap->at[0].when; }
static inline bool heap_holds(const HeapNode *node) { return node->place != 0; }
static inline uint64_t heap_when(const Heap *heap, const HeapNode *node) { return heap->at[node->place - 1].when; }

#endif
