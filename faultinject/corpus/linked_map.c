/* SPDX-License-Identifier: BSD-3-Clause */
/* A pmemkv cmap in the program's own pool, which finds it by a PMEMoid of its root: the first
 * operation makes the map, the others put a pair each.
 *
 * Bugs: flag-first   the program writes down that there is a map before there is one
 *       moved        the program moves its only link to the map by hand
 */
#include <libpmemkv.h>
#include <libpmemobj.h>

#include "faultinject/corpus/obj.h"

static const char kLayout[] = "corpus_linked_map";

struct root {
  PMEMoid map;
  uint64_t has_map;
};

static void persist_flag(PMEMobjpool* pool, struct root* root) {
  root->has_map = 1;
  pmemobj_persist(pool, &root->has_map, sizeof(root->has_map));
}

static pmemkv_db* open_map(struct root* root) {
  pmemkv_config* config = pmemkv_config_new();
  pmemkv_db* map = NULL;
  if (pmemkv_config_put_oid(config, &root->map) != PMEMKV_STATUS_OK) die("pmemkv_config_put_oid");
  if (pmemkv_open("cmap", config, &map) != PMEMKV_STATUS_OK) no("%s", pmemkv_errormsg());
  return map;
}

static void move_link(PMEMobjpool* pool, struct root* root) {
  const PMEMoid map = root->map;
  root->map = OID_NULL;
  pmemobj_persist(pool, &root->map, sizeof(root->map));
  root->map = map; /* LOST: moved */
  pmemobj_persist(pool, &root->map, sizeof(root->map));
}

static void make(const struct command* command) {
  make_pool(command, kLayout, sizeof(struct root));
}

static void run(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  struct root* root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
  pmemkv_db* map;
  BEGIN_OPERATION(1);
  if (has_bug(command, "flag-first")) persist_flag(pool, root);
  map = open_map(root);
  if (!has_bug(command, "flag-first")) persist_flag(pool, root);
  END_OPERATION(1);
  for (uint64_t operation = 2; operation <= OPERATIONS; ++operation) {
    BEGIN_OPERATION(operation);
    if (pmemkv_put(map, (const char*)&operation, sizeof(operation), "value", 5) != 0) die("put");
    if (has_bug(command, "moved")) move_link(pool, root);
    END_OPERATION(operation);
  }
  pmemkv_close(map);
  pmemobj_close(pool);
}

/* The root of the map, its intent log, its first segment and two tables of a directory; with a
 * pair an extent and two more tables. */
static void check_objects(PMEMobjpool* pool, size_t pairs, int has_map) {
  size_t objects = 0, most = has_map ? 8 : 0, least = has_map ? (pairs > 0 ? 8 : 5) : 0;
  PMEMoid at;
  POBJ_FOREACH(pool, at)++ objects;
  if (objects < least || objects > most) {
    no("%lu objects with %lu pairs: a leak", (unsigned long)objects, (unsigned long)pairs);
  }
}

static void check(const struct command* command) {
  PMEMobjpool* pool = open_pool(command, kLayout);
  struct root* root = pmemobj_direct(pmemobj_root(pool, sizeof(struct root)));
  size_t pairs = 0;
  const int has_map = !OID_IS_NULL(root->map);
  if (root->has_map != 0 && !has_map) no("there should be a map, and there is none");
  if (has_map) {
    pmemkv_db* map = open_map(root);
    if (pmemkv_count_all(map, &pairs) != PMEMKV_STATUS_OK) no("%s", pmemkv_errormsg());
    for (uint64_t operation = 2; operation < 2 + pairs; ++operation) {
      if (pmemkv_exists(map, (const char*)&operation, sizeof(operation)) != PMEMKV_STATUS_OK) {
        no("pair %lu is missing", (unsigned long)operation);
      }
    }
    pmemkv_close(map);
  }
  if (pairs + 1 < acknowledged() || (pairs > 0 && pairs + 1 > at_most())) {
    no("%lu pairs, %lu operations acknowledged", (unsigned long)pairs,
       (unsigned long)acknowledged());
  }
  check_objects(pool, pairs, has_map);
  pmemobj_close(pool);
}

static const char* const kBugs[] = {"flag-first", "moved", NULL};
CORPUS_MAIN(kBugs, make, run, check)
