/* SPDX-License-Identifier: BSD-3-Clause */
/* A persistent hash table in a libpmemobj pool, --count=N puts (100 unless told) by reserve and
 * publish.
 *
 * A put reserves a node, fills and persists it, and publishes it together with the new head of its
 * bucket: no transaction, one redo log. Each is bracketed by OPERATION_BEGIN(i) and
 * OPERATION_END(i). No event list: see obj_list_tx.c. Command line: PROGRAM FILE [...]
 */
#include <libpmemobj.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kBuckets = 16 };

struct Node {
  uint64_t next_offset; /* 0: the last */
  uint64_t key;
  unsigned char value[48];
};

struct Root {
  uint64_t head_offset[kBuckets]; /* of the pool; 0: empty */
};

static int Put(PMEMobjpool* pool, struct Root* root, uint64_t key) {
  struct pobj_action actions[2];
  uint64_t* head = &root->head_offset[key * 0x9e3779b97f4a7c15ULL >> 60];
  const PMEMoid made = pmemobj_reserve(pool, &actions[0], sizeof(struct Node), 1);
  struct Node* node;
  if (OID_IS_NULL(made)) return 0;
  node = pmemobj_direct(made);
  node->next_offset = *head;
  node->key = key;
  memset(node->value, (int)(key & 0xff), sizeof node->value);
  pmemobj_persist(pool, node, sizeof *node);
  pmemobj_set_value(pool, &actions[1], head, made.off);
  return pmemobj_publish(pool, actions, 2) == 0;
}

static uint64_t Count(PMEMobjpool* pool, const struct Root* root) {
  uint64_t count = 0;
  for (int bucket = 0; bucket < kBuckets; bucket++) {
    uint64_t offset = root->head_offset[bucket];
    while (offset != 0) {
      offset = ((const struct Node*)((const char*)pool + offset))->next_offset;
      count++;
    }
  }
  return count;
}

int main(int argc, char** argv) {
  const unsigned long count = CountOption(argc, argv, 100);
  PMEMobjpool* pool;
  struct Root* root;
  uint64_t seen;
  if (argc < 2) return kExitUsage;
  unlink(argv[1]);
  pool = pmemobj_create(argv[1], "fencepost_hash", PMEMOBJ_MIN_POOL + count * 256, 0600);
  Check(pool != NULL, "pmemobj_create");
  root = pmemobj_direct(pmemobj_root(pool, sizeof(struct Root)));
  TestBegin();
  for (unsigned long i = 0; i < count; i++) {
    VALGRIND_PMC_OPERATION_BEGIN(i);
    Check(Put(pool, root, i), "publish");
    VALGRIND_PMC_OPERATION_END(i);
  }
  TestEnd();
  seen = Count(pool, root);
  pmemobj_close(pool);
  return seen == count ? 0 : kExitWrong;
}
