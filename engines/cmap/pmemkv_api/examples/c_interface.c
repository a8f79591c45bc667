/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same store from C: a transaction, a walk, a copy, and an answer that is no success.
 *
 *     gcc c_interface.c $(pkg-config --cflags --libs libpmemkv) -o c_interface
 *     ./c_interface /mnt/pmem/store
 */
#include <libpmemkv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(const char *call, int status) {
  if (status == PMEMKV_STATUS_OK) return;
  fprintf(stderr, "%s: status %d: %s\n", call, status, pmemkv_errormsg());
  exit(1);
}

static int print_pair(const char *key, size_t keybytes, const char *value, size_t valuebytes,
                      void *count) {
  printf("  %.*s = %.*s\n", (int)keybytes, key, (int)valuebytes, value);
  ++*(int *)count;
  return 0;
}

static pmemkv_db *open_store(const char *path) {
  pmemkv_config *config = pmemkv_config_new();
  if (config == NULL) exit(1);
  must("path", pmemkv_config_put_path(config, path));
  must("size", pmemkv_config_put_size(config, 64 << 20));
  must("create", pmemkv_config_put_create_if_missing(config, true));
  pmemkv_db *db = NULL;
  must("open", pmemkv_open("cmap", config, &db)); /* the config is the database's now */
  return db;
}

int main(int argc, char *argv[]) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s POOL_FILE\n", argv[0]);
    return 2;
  }
  pmemkv_db *db = open_store(argv[1]);

  pmemkv_tx *tx = NULL;
  must("tx_begin", pmemkv_tx_begin(db, &tx));
  must("tx_put", pmemkv_tx_put(tx, "io", 2, "1610", 4));
  must("tx_put", pmemkv_tx_put(tx, "europa", 6, "1655", 4));
  must("tx_commit", pmemkv_tx_commit(tx));
  pmemkv_tx_end(tx);

  int count = 0;
  printf("all of them, in no order:\n");
  must("get_all", pmemkv_get_all(db, print_pair, &count));
  printf("%d pairs\n", count);

  char year[8];
  size_t bytes = 0;
  must("get_copy", pmemkv_get_copy(db, "io", 2, year, sizeof(year), &bytes));
  printf("io: %zu bytes, %s\n", bytes, year);

  if (pmemkv_remove(db, "pluto", 5) == PMEMKV_STATUS_NOT_FOUND) printf("pluto: not found\n");
  pmemkv_close(db);
  return 0;
}
