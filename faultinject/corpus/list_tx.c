/* SPDX-License-Identifier: BSD-3-Clause */
/* A list of values with a count, in libpmemobj's transactions.
 *
 * Bugs: count-not-added     the count changes in the transaction, which does not know of it
 *       sum-after-commit    the sum changes after the transaction
 */
#include <libpmemobj.h>

#include "faultinject/corpus/obj.h"

static const char kLayout[] = "corpus_list";

struct node {
  uint64_t value;
  PMEMoid next;
};
/* Each on a line of its own. */
struct root {
  PMEMoid head;
  uint64_t padding1[6];
  uint64_t count;
  uint64_t padding2[7];
  uint64_t sum;
  uint64_t padding3[7];
};

static void push(PMEMobjpool* pool, PMEMoid root_oid, uint64_t value,
                 const struct command* command) {
  struct root* root = pmemobj_direct(root_oid);
  TX_BEGIN(pool) {
    const PMEMoid oid = pmemobj_tx_alloc(sizeof(struct node), 1);
    struct node* node = pmemobj_direct(oid);
    node->value = value;
    node->next = root->head;
    pmemobj_tx_add_range_direct(&root->head, sizeof(root->head));
    root->head = oid;
    if (!has_bug(command, "count-not-added")) {
      pmemobj_tx_add_range_direct(&root->count, sizeof(root->count));
    }
    root->count += 1; /* LOST: count-not-added */
    if (!has_bug(command, "sum-after-commit")) {
      pmemobj_tx_add_range_direct(&root->sum, sizeof(root->sum));
      root->sum += value;
    }
  }
  TX_ONABORT { die("the transaction was aborted"); }
  TX_END
  if (has_bug(command, "sum-after-commit")) {
    root->sum += value; /* LOST: sum-after-commit */
    pmemobj_persist(pool, &root->sum, sizeof(root->sum));
  }
}

static void make(const struct command* command) {
  make_pool(command, kLayout, sizeof(struct root));
}

static void run(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  const PMEMoid root = pmemobj_root(pool, sizeof(struct root));
  for (uint64_t operation = 1; operation <= OPERATIONS; ++operation) {
    BEGIN_OPERATION(operation);
    push(pool, root, operation, command);
    END_OPERATION(operation);
  }
  pmemobj_close(pool);
}

static void check(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  const struct root* root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
  uint64_t count = 0, sum = 0;
  for (PMEMoid at = root->head; !OID_IS_NULL(at); ++count) {
    const struct node* node = pmemobj_direct(at);
    if (count > OPERATIONS) no("the list does not end");
    sum += node->value;
    at = node->next;
  }
  if (count != root->count) {
    no("%lu nodes, the count is %lu", (unsigned long)count, (unsigned long)root->count);
  }
  if (sum != root->sum) {
    no("the nodes' sum is %lu, that of the list %lu", (unsigned long)sum, (unsigned long)root->sum);
  }
  if (count < acknowledged() || count > at_most()) {
    no("%lu nodes, %lu acknowledged", (unsigned long)count, (unsigned long)acknowledged());
  }
  pmemobj_close(pool);
}

static const char* const kBugs[] = {"count-not-added", "sum-after-commit", NULL};
CORPUS_MAIN(kBugs, make, run, check)
