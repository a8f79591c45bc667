/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for the state machine. Free of Valgrind and libc headers. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_ALLOC_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_ALLOC_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the host provides: the tool by Valgrind's allocator, the native tests by malloc. Never NULL.
 */
void* pmc_alloc(size_t bytes);
void pmc_free(void* memory);

/* An array of twice the capacity (16 at first) with the `count` items of `items`, which it replaces
   and which may be NULL. */
static inline void* pmc_grow(void* items, size_t count, size_t* capacity, size_t item_bytes) {
  void* grown;
  *capacity = *capacity == 0 ? 16 : 2 * *capacity;
  grown = pmc_alloc(*capacity * item_bytes);
  if (items != NULL) {
    __builtin_memcpy(grown, items, count * item_bytes);
    pmc_free(items);
  }
  return grown;
}

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_ALLOC_H_ */
