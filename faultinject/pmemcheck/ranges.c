/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/ranges.h"

#include "faultinject/pmemcheck/alloc.h"

void pmc_ranges_init(struct pmc_ranges* set) {
  set->root = NULL;
  set->count = 0;
  set->random = 2463534242u;
}

static void free_tree(struct pmc_range* node) {
  while (node != NULL) {
    struct pmc_range* left = node->left;
    free_tree(node->right);
    pmc_free(node);
    node = left;
  }
}

void pmc_ranges_clear(struct pmc_ranges* set) {
  free_tree(set->root);
  set->root = NULL;
  set->count = 0;
}

static uint32_t next_priority(struct pmc_ranges* set) {
  set->random ^= set->random << 13;
  set->random ^= set->random >> 17;
  set->random ^= set->random << 5;
  return set->random;
}

/* Everything that begins before `at` goes left. */
static void split(struct pmc_range* node, uint64_t at, struct pmc_range** left,
                  struct pmc_range** right) {
  while (node != NULL) {
    if (node->begin < at) {
      *left = node;
      left = &node->right;
      node = node->right;
    } else {
      *right = node;
      right = &node->left;
      node = node->left;
    }
  }
  *left = *right = NULL;
}

/* REQUIRES: all of `left` is before all of `right`. */
static struct pmc_range* join(struct pmc_range* left, struct pmc_range* right) {
  struct pmc_range* root = NULL;
  struct pmc_range** at = &root;
  while (left != NULL && right != NULL) {
    if (left->priority > right->priority) {
      *at = left;
      at = &left->right;
      left = left->right;
    } else {
      *at = right;
      at = &right->left;
      right = right->left;
    }
  }
  *at = left != NULL ? left : right;
  return root;
}

static struct pmc_range* new_range(struct pmc_ranges* set, uint64_t begin, uint64_t end,
                                   uint64_t value, uint64_t base) {
  struct pmc_range* node = pmc_alloc(sizeof(*node));
  *node = (struct pmc_range){
      .begin = begin, .end = end, .value = value, .base = base, .priority = next_priority(set)};
  ++set->count;
  return node;
}

static size_t tree_count(const struct pmc_range* node) {
  size_t count = 0;
  for (; node != NULL; node = node->left) count += 1 + tree_count(node->right);
  return count;
}

static struct pmc_range* rightmost(struct pmc_range* node) {
  while (node != NULL && node->right != NULL) node = node->right;
  return node;
}

void pmc_ranges_remove(struct pmc_ranges* set, uint64_t begin, uint64_t end) {
  struct pmc_range *before, *inside, *after, *last, *tail = NULL;
  if (begin >= end) return;
  split(set->root, begin, &before, &after);
  split(after, end, &inside, &after);
  /* The last range of each part may reach over the part's end. */
  last = rightmost(inside);
  if (last != NULL && last->end > end) {
    tail = new_range(set, end, last->end, last->value, last->base);
  }
  last = rightmost(before);
  if (last != NULL && last->end > end) {
    tail = new_range(set, end, last->end, last->value, last->base);
  }
  if (last != NULL && last->end > begin) last->end = begin;
  set->count -= tree_count(inside);
  free_tree(inside);
  if (tail != NULL) after = join(tail, after);
  set->root = join(before, after);
}

void pmc_ranges_add(struct pmc_ranges* set, uint64_t begin, uint64_t end, uint64_t value) {
  struct pmc_range *before, *after;
  if (begin >= end) return;
  pmc_ranges_remove(set, begin, end);
  split(set->root, begin, &before, &after);
  set->root = join(join(before, new_range(set, begin, end, value, begin)), after);
}

const struct pmc_range* pmc_ranges_from(const struct pmc_ranges* set, uint64_t address) {
  const struct pmc_range* best = NULL;
  const struct pmc_range* node = set->root;
  while (node != NULL) {
    if (node->end > address) {
      best = node;
      node = node->left;
    } else {
      node = node->right;
    }
  }
  return best;
}

const struct pmc_range* pmc_ranges_find(const struct pmc_ranges* set, uint64_t address) {
  const struct pmc_range* range = pmc_ranges_from(set, address);
  return range != NULL && range->begin <= address ? range : NULL;
}

enum pmc_coverage pmc_ranges_coverage(const struct pmc_ranges* set, uint64_t begin, uint64_t end) {
  const struct pmc_range* range = pmc_ranges_from(set, begin);
  if (range == NULL || range->begin >= end) return PMC_OUTSIDE;
  if (range->begin > begin) return PMC_PARTLY;
  while (range->end < end) {
    const uint64_t reached = range->end;
    range = pmc_ranges_from(set, reached);
    if (range == NULL || range->begin > reached) return PMC_PARTLY;
  }
  return PMC_INSIDE;
}

void pmc_ranges_hull(const struct pmc_ranges* set, uint64_t* begin, uint64_t* end) {
  const struct pmc_range* node = set->root;
  *begin = *end = 0;
  if (node == NULL) return;
  while (node->left != NULL) node = node->left;
  *begin = node->begin;
  node = set->root;
  while (node->right != NULL) node = node->right;
  *end = node->end;
}
