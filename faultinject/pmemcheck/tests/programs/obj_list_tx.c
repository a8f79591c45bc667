/* SPDX-License-Identifier: BSD-3-Clause */
/* A persistent list in a libpmemobj pool, --count=N puts (100 unless told) in a transaction each.
 *
 * Each put is bracketed by OPERATION_BEGIN(i) and OPERATION_END(i). No event list: the trace's
 * stores, replayed over zeros, give the pool's file, and nothing that it needs is left
 * unpersistent. Run with PMEM_IS_PMEM_FORCE=1, or libpmemobj flushes by msync. Command line:
 * PROGRAM FILE [...]
 */
#include <libpmemobj.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

struct Node {
  PMEMoid next;
  uint64_t key;
  unsigned char value[32];
};

struct Root {
  PMEMoid head;
  uint64_t count;
};

/* Adds one at the front. Returns whether the transaction committed. */
static int Put(PMEMobjpool* pool, struct Root* root, uint64_t key) {
  volatile int committed = 0;
  TX_BEGIN(pool) {
    const PMEMoid made = pmemobj_tx_alloc(sizeof(struct Node), 1);
    struct Node* node = pmemobj_direct(made);
    node->next = root->head;
    node->key = key;
    memset(node->value, (int)(key & 0xff), sizeof node->value);
    pmemobj_tx_add_range_direct(root, sizeof *root);
    root->head = made;
    root->count++;
  }
  TX_ONCOMMIT { committed = 1; }
  TX_END
  return committed;
}

int main(int argc, char** argv) {
  const unsigned long count = CountOption(argc, argv, 100);
  PMEMobjpool* pool;
  struct Root* root;
  uint64_t seen = 0;
  if (argc < 2) return kExitUsage;
  unlink(argv[1]);
  pool = pmemobj_create(argv[1], "fencepost_list", PMEMOBJ_MIN_POOL, 0600);
  Check(pool != NULL, "pmemobj_create");
  root = pmemobj_direct(pmemobj_root(pool, sizeof(struct Root)));
  TestBegin();
  for (unsigned long i = 0; i < count; i++) {
    VALGRIND_PMC_OPERATION_BEGIN(i);
    Check(Put(pool, root, i), "transaction");
    VALGRIND_PMC_OPERATION_END(i);
  }
  TestEnd();
  for (PMEMoid at = root->head; !OID_IS_NULL(at); at = ((struct Node*)pmemobj_direct(at))->next) {
    seen++;
  }
  pmemobj_close(pool);
  return seen == count ? 0 : kExitWrong;
}
