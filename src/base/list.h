/* SPDX-License-Identifier: MIT
 * A circular doubly linked list whose links live inside the items. A list is a Link that points
 * to itself when empty; a lone item's links point to itself too, so list_remove is idempotent. */
#ifndef NEAP_BASE_LIST_H
#define NEAP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

typedef struct Link {
  struct Link *prev; /* borrowed: the neighbour, or the list itself */
  struct Link *next; /* borrowed */
} Link;

static inline void list_create(Link *link) { link->prev = link->next = link; }
static inline bool list_empty(const Link *list) { return list->next == list; }

static inline void list_append(Link *list, Link *item) {
  Link *last = list->prev;
  item->prev = last;
  item->next = list;
  last->next = item;
  list->prev = item;
}

static inline void list_remove(Link *item) {
  item->prev->next = item->next;
  item->next->prev = item->prev;
  list_create(item);
}

/* The first item, taken out; the list must not be empty. */
static inline Link *list_shift(Link *list) {
  Link *item = list->next;
  list_remove(item);
  return item;
}

/* Everything in `from` goes to the end of `list`, in order; `from` is empty then. */
static inline void list_splice(Link *list, Link *from) {
  if (list_empty(from)) return;
  Link *first = from->next, *last = from->prev, *tail = list->prev;
  tail->next = first;
  first->prev = tail;
  last->next = list;
  list->prev = last;
  list_create(from);
}

#define list_each(it, list) for (Link *it = (list)->next; it != (list); it = it->next)
#define list_each_safe(it, list) \
  for (Link *it = (list)->next, *it##_next = it->next; it != (list); it = it##_next, it##_next = it->next)

#endif
