/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for the tool that must cost in proportion to its size:
 *
 *   scaling FILE stores N     N stores of 8 bytes, none flushed
 *   scaling FILE mappings N   N pieces of a mapping removed one by one, every second one
 *   scaling FILE region N     N MiB with a store in each MiB, flushed whole N times by request
 *   scaling FILE sparse N     a mapping of N GiB with a store in each GiB
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static char* Map(const char* path, unsigned long bytes) {
  char size[32];
  char name[] = "scaling";
  char* arguments[] = {name, (char*)(uintptr_t)path, size, NULL};
  snprintf(size, sizeof size, "%lu", bytes);
  return (char*)MapFile(3, arguments).base;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: scaling FILE stores|mappings|region|sparse N\n");
    return kExitUsage;
  }
  const unsigned long n = strtoul(argv[3], NULL, 10);
  const unsigned long mib = 1UL << 20, gib = 1UL << 30;
  if (strcmp(argv[2], "stores") == 0) {
    char* base = Map(argv[1], n * 8 + 4096);
    for (unsigned long i = 0; i < n; i++) Store8(base + i * 8, i);
  } else if (strcmp(argv[2], "mappings") == 0) {
    char* base = Map(argv[1], n * 128 + 4096);
    for (unsigned long i = 0; i < n; i++) VALGRIND_PMC_REMOVE_PMEM_MAPPING(base + i * 128, 64);
  } else if (strcmp(argv[2], "region") == 0) {
    char* base = Map(argv[1], n * mib);
    for (unsigned long round = 0; round < n; round++) {
      Store8(base + round * mib, round);
      VALGRIND_PMC_DO_FLUSH(base, n * mib);
      VALGRIND_PMC_DO_FENCE;
    }
  } else {
    char* base = Map(argv[1], n * gib);
    for (unsigned long i = 0; i < n; i++) Store8(base + i * gib, i);
  }
  return 0;
}
