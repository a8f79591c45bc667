/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's part of alloc.h where the state machine runs natively. */
#include <stdlib.h>

#include "faultinject/pmemcheck/alloc.h"

void* pmc_alloc(size_t bytes) {
  void* memory = malloc(bytes);
  if (memory == NULL) abort();
  return memory;
}

void pmc_free(void* memory) { free(memory); }
