/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of libpmemobj, each allocated into a slot of the root by one atomic call.
 *
 * Bugs: leak           allocated first, put into the slot afterwards
 *       value-too-late in the slot before its value is there
 */
#include <libpmemobj.h>

#include "faultinject/corpus/obj.h"

static const char kLayout[] = "corpus_slots";

enum { WORDS = 8 };

struct object {
  uint64_t words[WORDS];
};
struct root {
  PMEMoid slots[OPERATIONS];
};

static void fill(struct object* object, uint64_t value) {
  for (int i = 0; i < WORDS; ++i) object->words[i] = value; /* LOST: value-too-late */
}

static int construct(PMEMobjpool* pool, void* memory, void* value) {
  fill(memory, *(const uint64_t*)value);
  pmemobj_persist(pool, memory, sizeof(struct object));
  return 0;
}

static void put(PMEMobjpool* pool, struct root* root, uint64_t value,
                const struct command* command) {
  PMEMoid* const slot = &root->slots[value - 1];
  if (has_bug(command, "value-too-late")) {
    if (pmemobj_zalloc(pool, slot, sizeof(struct object), 1) != 0) die("pmemobj_zalloc");
    fill(pmemobj_direct(*slot), value);
    pmemobj_persist(pool, pmemobj_direct(*slot), sizeof(struct object));
  } else if (has_bug(command, "leak")) {
    PMEMoid oid;
    if (pmemobj_alloc(pool, &oid, sizeof(struct object), 1, construct, &value)) die("alloc");
    *slot = oid; /* LOST: leak */
    pmemobj_persist(pool, slot, sizeof(*slot));
  } else if (pmemobj_alloc(pool, slot, sizeof(struct object), 1, construct, &value)) {
    die("pmemobj_alloc");
  }
}

static void make(const struct command* command) {
  make_pool(command, kLayout, sizeof(struct root));
}

static void run(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  struct root* root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
  for (uint64_t operation = 1; operation <= OPERATIONS; ++operation) {
    BEGIN_OPERATION(operation);
    put(pool, root, operation, command);
    END_OPERATION(operation);
  }
  pmemobj_close(pool);
}

static void check(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  const struct root* root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
  unsigned long used = 0, objects = 0;
  PMEMoid at;
  for (uint64_t number = 1; number <= OPERATIONS; ++number) {
    const struct object* object = pmemobj_direct(root->slots[number - 1]);
    if (object == NULL) continue;
    ++used;
    for (int i = 0; i < WORDS; ++i) {
      if (object->words[i] != number) no("slot %lu holds no value", (unsigned long)number);
    }
  }
  if (used < acknowledged() || used > at_most()) {
    no("%lu slots, %lu acknowledged", used, (unsigned long)acknowledged());
  }
  POBJ_FOREACH(pool, at)++ objects;
  if (objects != used) no("%lu objects, %lu in slots: a leak", objects, used);
  pmemobj_close(pool);
}

static const char* const kBugs[] = {"leak", "value-too-late", NULL};
CORPUS_MAIN(kBugs, make, run, check)
