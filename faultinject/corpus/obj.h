/* SPDX-License-Identifier: BSD-3-Clause */
/* For the programs of the corpus on libpmemobj: a pool of the smallest size. To be included after
 * <libpmemobj.h>. */
#ifndef FENCEPOST_FAULTINJECT_CORPUS_OBJ_H_
#define FENCEPOST_FAULTINJECT_CORPUS_OBJ_H_

#include "faultinject/corpus/corpus.h"

static inline PMEMobjpool* open_pool(const struct command* command, const char* layout) {
  PMEMobjpool* pool = pmemobj_open(command->image, layout);
  if (pool == NULL) no("pmemobj_open: %s", pmemobj_errormsg());
  return pool;
}

/* The root is made here, before anything is recorded. */
static inline void make_pool(const struct command* command, const char* layout, size_t root_bytes) {
  PMEMobjpool* pool = pmemobj_create(command->image, layout, PMEMOBJ_MIN_POOL, 0600);
  if (pool == NULL) die(pmemobj_errormsg());
  if (OID_IS_NULL(pmemobj_root(pool, root_bytes))) die("pmemobj_root");
  pmemobj_close(pool);
}

#endif /* FENCEPOST_FAULTINJECT_CORPUS_OBJ_H_ */
